package main_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A panic in any Go function that C calls, and in what works for it, becomes an error. The
// functions of each file run in a process of their own; all run together once more under the
// sanitizers.
func TestInjected(t *testing.T) {
	t.Parallel()
	program := get(t, injected).compile(t, "testdata/inject.c")
	for file, names := range exported(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "inject: ok\n", runWith(t, names, program))
		})
	}
	t.Run("sanitized", func(t *testing.T) {
		t.Parallel()
		l := get(t, sanitized)
		require.Equal(t, "inject: ok\n", runSanitized(t, l, l.compile(t, "testdata/inject.c")))
	})
}

// exported returns the Go functions that C calls, by file. goCancelAll is left out: only a process
// that exits calls it.
func exported(t *testing.T) map[string][]string {
	names := map[string][]string{}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range files {
		found := matches(`(?m)^//export (\w+)$`, contents(t, path))
		found = slices.DeleteFunc(found, func(name string) bool { return name == "goCancelAll" })
		if len(found) > 0 {
			names[path] = found
		}
	}
	return names
}
