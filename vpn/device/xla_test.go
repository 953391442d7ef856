//go:build cgo

package device

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A plugin that knows the flag gets it while it opens. Afterwards the environment is as before.
func TestFlags(t *testing.T) {
	flag := strings.TrimPrefix(ynnFlag, "--")
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "plugin.so")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	edge := strings.Repeat("x", 1<<20-5) // the name spans two reads
	for _, test := range []struct {
		name, plugin, before, during string
	}{
		{"an old plugin", file("\x7fELF"), "--a=b", "--a=b"},
		{"no file", "/nowhere", "", ""},
		{"a plugin that knows it", file(edge + flag + "\x00"), "", ynnFlag + "=" + ynnTypes},
		{"with the host's own", file(flag), "--a=b", "--a=b " + ynnFlag + "=" + ynnTypes},
		{"the host's choice stays", file(flag), ynnFlag + "=1", ynnFlag + "=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("XLA_FLAGS", test.before)
			if test.before == "" {
				require.NoError(t, os.Unsetenv("XLA_FLAGS"))
			}
			undo := setFlags(test.plugin)
			require.Equal(t, test.during, os.Getenv("XLA_FLAGS"))
			undo()
			after, was := os.LookupEnv("XLA_FLAGS")
			require.Equal(t, test.before, after)
			require.Equal(t, test.before != "", was)
		})
	}
}
