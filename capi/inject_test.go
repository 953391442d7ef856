package main_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A panic in any function that C calls, and in what works for it, is an error: in processes of their own, and once with the
// sanitizers.
func TestInjected(t *testing.T) {
	l := library{folder: filepath.Join(folder, "inject")}
	out, err := goBuild(l.folder, "-s -w ", "-trimpath", "-tags=govpn_inject").CombinedOutput()
	require.NoError(t, err, "%s", out)
	program := l.compile(t, "testdata/inject.c")
	for part, names := range exported(t) {
		t.Run(part, func(t *testing.T) { require.Equal(t, "inject: ok\n", runWith(t, names, program)) })
	}
	t.Run("sanitized", func(t *testing.T) {
		if testing.Short() {
			t.Skip("builds the library again")
		}
		l, err := sanitized()
		require.NoError(t, err)
		require.Equal(t, "inject: ok\n", runSanitized(t, l, l.compile(t, "testdata/inject.c")))
	})
}

// exported are the functions of Go that C calls, by file.
func exported(t *testing.T) map[string][]string {
	names := map[string][]string{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range files {
		if found := matches(`(?m)^//export (\w+)$`, contents(t, path)); found != nil {
			names[path] = found
		}
	}
	return names
}
