package main_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// injected is the library with internal/inject.
var injected = sync.OnceValues(func() (library, error) {
	l := library{folder: filepath.Join(folder, "inject")}
	out, err := goBuild(l.folder, "-s -w ", "-trimpath", "-tags=govpn_inject").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return l, err
})

// A panic in any function that C calls, and in what works for it, is an error: in processes of
// their own, and once with the sanitizers.
func TestInjected(t *testing.T) {
	l, err := injected()
	require.NoError(t, err)
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

// exported are the functions of Go that C calls, by file; without goCancelAll, which only a process
// that exits calls.
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
