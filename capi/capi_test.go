package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/device"
)

// The folder of the library that TestMain builds.
var folder string

func TestMain(m *testing.M) {
	code := 1
	if err := build(); err != nil {
		println(err.Error())
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// build makes the library as the Makefile does.
func build() (err error) {
	if folder, err = os.MkdirTemp("", "govpn-capi-"); err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	flags := "-s -w '-extldflags=-Wl,--version-script=" + filepath.Join(here, "exports.map") + ",-soname,libgovpn.so'"
	c := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags="+flags, "-o", filepath.Join(folder, "libgovpn.so"), ".")
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	return c.Run()
}

var strict = []string{"-Wall", "-Wextra", "-Werror", "-pedantic"}

// compile builds a C or C++ program against the library and returns its path.
func compile(t *testing.T, source string) string {
	t.Helper()
	program := filepath.Join(folder, filepath.Base(source)+".bin")
	compiler := []string{"gcc", "-std=c11"}
	if strings.HasSuffix(source, ".cpp") {
		compiler = []string{"g++", "-std=c++17"}
	}
	args := append(compiler[1:], strict...)
	args = append(args, "-O1", "-I.", source, "-o", program, "-L"+folder, "-lgovpn", "-lpthread", "-lm", "-Wl,-rpath,"+folder)
	out, err := exec.Command(compiler[0], args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// run runs a program and returns what it prints. Standard error must stay empty.
func run(t *testing.T, program string, environment ...string) string {
	t.Helper()
	c := exec.Command(program)
	c.Env = append(os.Environ(), environment...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	require.NoError(t, c.Run(), "%s%s", &stdout, &stderr)
	require.Empty(t, stderr.String())
	return stdout.String()
}

// The programs in testdata check what they call and stop at the first surprise.
func TestPrograms(t *testing.T) {
	for _, name := range []string{"usage", "malformed", "misuse", "threads"} {
		program := compile(t, "testdata/"+name+".c")
		for _, d := range device.List(device.Options{}) {
			t.Run(name+"/"+d.Name, func(t *testing.T) {
				if !d.Available {
					golden.SkipDevice(t, d)
				}
				require.Equal(t, name+": ok\n", run(t, program, "GOVPN_TEST_DEVICE="+d.Name))
			})
		}
	}
}

// With a garbage collection at almost every allocation, a Go pointer that C keeps unpinned would be found.
func TestGarbageCollection(t *testing.T) {
	require.Equal(t, "usage: ok\n", run(t, compile(t, "testdata/usage.c"), "GOGC=1", "GODEBUG=invalidptr=1,cgocheck=1"))
}

func TestExamples(t *testing.T) {
	accuracy := regexp.MustCompile(`noise (\w+) .*"accuracy":(1|0\.9\d*),`)
	for _, source := range []string{"../examples/c/train.c", "../examples/cpp/train.cpp"} {
		out := run(t, compile(t, source))
		found := accuracy.FindAllStringSubmatch(out, -1)
		require.Len(t, found, 2, "%s is not above 0.9:\n%s", source, out)
		require.Equal(t, []string{"none", "classwise"}, []string{found[0][1], found[1][1]})
		require.Contains(t, out, "the first images show classes")
	}
}

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
		shown = append(shown, strings.Fields(line)[2])
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
