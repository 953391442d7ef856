package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The header stands alone in both languages.
func TestHeader(t *testing.T) {
	for compiler, standard := range map[string]string{"gcc": "c11", "g++": "c++17"} {
		language := map[string]string{"gcc": "c", "g++": "c++"}[compiler]
		args := append([]string{"-std=" + standard, "-x", language, "-fsyntax-only"}, strict...)
		c := exec.Command(compiler, append(args, "-")...)
		c.Stdin = strings.NewReader("#include \"govpn.h\"\n#include \"govpn.h\"\nint main(void) { return GOVPN_OK; }\n")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s: %s", compiler, out)
	}
}

// The library shows exactly the functions that the header declares, and stays small.
func TestLibrary(t *testing.T) {
	library := filepath.Join(folder, "libgovpn.so")
	info, err := os.Stat(library)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(40<<20))

	header, err := os.ReadFile("govpn.h")
	require.NoError(t, err)
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^(?:u?int32_t|void|const char \*)\s*(govpn_\w+)\(`).FindAllSubmatch(header, -1) {
		declared = append(declared, string(m[1]))
	}
	require.Len(t, declared, 35)

	if runtime.GOOS != "linux" {
		t.Skip("nm -D is for ELF")
	}
	out, err := exec.Command("nm", "-D", "--defined-only", library).Output()
	require.NoError(t, err)
	var shown []string
	for line := range strings.Lines(string(out)) {
		if name, found := strings.CutSuffix(strings.Fields(line)[2], "@@GOVPN_1"); found || name != "GOVPN_1" {
			shown = append(shown, name)
		}
	}
	require.ElementsMatch(t, declared, shown)

	usage, err := os.ReadFile("testdata/usage.c")
	require.NoError(t, err)
	for _, name := range declared {
		require.Contains(t, string(usage)+helpers(t), name+"(", "usage.c does not call it")
	}
}

func helpers(t *testing.T) string {
	text, err := os.ReadFile("testdata/arrays.h")
	require.NoError(t, err)
	return string(text)
}
