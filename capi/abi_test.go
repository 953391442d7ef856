package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// pedantic are warnings that a host's compiler may have on.
var pedantic = []string{"-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"}

// compiled runs a compiler with the pedantic warnings. text is its standard input.
func compiled(t *testing.T, text, compiler string, args ...string) {
	t.Helper()
	c := exec.Command(compiler, append(append([]string{"-I."}, pedantic...), args...)...)
	c.Stdin = strings.NewReader(text)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// matches returns what the first group of a pattern matches in a text.
func matches(pattern, text string) (found []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// declared returns the names of the functions that the header declares.
func declared(t *testing.T) []string {
	return matches(`(?m)^(?:u?int32_t|void|const char \*)\s*(govpn_\w+)\(`, contents(t, "govpn.h"))
}

// Each header compiles alone, and when it is included twice.
func TestHeader(t *testing.T) {
	t.Parallel()
	text := "#include \"govpn.h\"\n#include \"govpn.h\"\nint main(void) { return GOVPN_OK; }\n"
	compiled(t, text, "gcc", "-std=c11", "-fsyntax-only", "-xc", "-")
	for _, standard := range []string{"-std=c++17", "-std=c++20"} {
		compiled(t, text, "g++", standard, "-fsyntax-only", "-xc++", "-")
		compiled(t, strings.ReplaceAll(text, "govpn.h", "govpn.hpp"), "g++", standard, "-fsyntax-only", "-xc++", "-")
	}
}

// Header and library have the interface that testdata/abi.c describes.
func TestABI(t *testing.T) {
	t.Parallel()
	compiled(t, "", "gcc", "-std=c11", "-fsyntax-only", "testdata/abi.c")
	compiled(t, "", "g++", "-std=c++17", "-fsyntax-only", "-xc++", "testdata/abi.c")
	golden, header := contents(t, "testdata/abi.c"), contents(t, "govpn.h")
	functions := matches(`= (govpn_\w+);`, golden)
	require.ElementsMatch(t, functions, declared(t), "testdata/abi.c and govpn.h have other functions")
	require.ElementsMatch(t, matches(`CHECK\((GOVPN_\w+) ==`, golden), append(matches(`(GOVPN_\w+) = \d`, header), "GOVPN_ABI_VERSION"))
	require.ElementsMatch(t, matches(`FIELD\(govpn_progress, (\w+)`, golden), matches(`(?m)^  (?:u?int\d+_t|double) (\w+); +/\*`, header))

	library := filepath.Join(get(t, shipped).folder, "libgovpn.so")
	out, err := exec.Command("nm", "-D", "--defined-only", library).Output()
	require.NoError(t, err)
	version := "GOVPN_" + matches(`(?m)^#define GOVPN_ABI_VERSION (\d+)$`, header)[0]
	want := []string{version}
	for _, name := range functions {
		want = append(want, name+"@@"+version)
	}
	require.ElementsMatch(t, want, matches(`(?m) [A-Z] (\S+)$`, string(out)), "the library shows other symbols")
	info, err := os.Stat(library)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(40<<20))
}

// usage.c and govpn.hpp call every function.
func TestEveryFunction(t *testing.T) {
	for path, text := range map[string]string{
		"usage.c": contents(t, "testdata/usage.c") + contents(t, "testdata/arrays.h"), "govpn.hpp": contents(t, "govpn.hpp"),
	} {
		for _, name := range declared(t) {
			require.Regexp(t, `\b`+name+`\b`, text, "%s does not call it", path)
		}
	}
}

// hpp.cpp uses everything in govpn.hpp: as C++20, and as C++17 under the sanitizers.
func TestCPP(t *testing.T) {
	t.Parallel()
	build := func(t *testing.T, l library, standard string) string {
		program := filepath.Join(l.folder, standard)
		args := append(slices.Clone(l.flags), "-std="+standard, "-O1", "testdata/hpp.cpp", "testdata/hpp_unit.cpp",
			"-o", program, "-L"+l.folder, "-lgovpn", "-Wl,-rpath,"+l.folder)
		compiled(t, "", "g++", args...)
		return program
	}
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		program := build(t, get(t, shipped), "c++20")
		eachDevice(t, "hpp", func(t *testing.T, d device.Info) {
			require.Equal(t, "hpp: ok\n", run(t, program, "GOVPN_TEST_DEVICE="+d.Name))
		})
	})
	t.Run("sanitized", func(t *testing.T) {
		t.Parallel()
		l := get(t, sanitized)
		require.Equal(t, "hpp: ok\n", runSanitized(t, l, build(t, l, "c++17")))
	})
}
