package main_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/device"
)

// The folder of the library that TestMain builds.
var folder string

func TestMain(m *testing.M) {
	flag.Parse()
	for _, name := range []string{"test.fuzz", "test.list"} { // fuzz targets, and lists of tests, need no library
		if flag.Lookup(name).Value.String() != "" {
			os.Exit(m.Run())
		}
	}
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
	c := goBuild(folder, "-s -w ", "-trimpath")
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	return c.Run()
}

// goBuild is the command that builds the library in a folder.
func goBuild(folder, link string, flags ...string) *exec.Cmd {
	exports, err := filepath.Abs("exports.map")
	if err != nil {
		panic(err)
	}
	link = "-ldflags=" + link + "'-extldflags=-Wl,--version-script=" + exports + ",-soname,libgovpn.so'"
	args := append([]string{"build", "-buildmode=c-shared", link, "-o", filepath.Join(folder, "libgovpn.so")}, flags...)
	return exec.Command("go", append(args, ".")...)
}

var strict = []string{"-Wall", "-Wextra", "-Werror", "-pedantic"}

// A library is one build of it, with what programs that are linked with it need.
type library struct {
	folder             string
	flags, environment []string // of the compiler, of the program
}

// compile builds a C or C++ program against the library of TestMain and returns its path.
func compile(t *testing.T, source string) string { return library{folder: folder}.compile(t, source) }

func (l library) compile(t *testing.T, source string) string {
	t.Helper()
	program := filepath.Join(l.folder, filepath.Base(source)+".bin")
	compiler := []string{"gcc", "-std=c11"}
	if strings.HasSuffix(source, ".cpp") {
		compiler = []string{"g++", "-std=c++17"}
	}
	args := append(compiler[1:], strict...)
	args = append(append(args, "-O1", "-I.", source, "-o", program), l.flags...)
	args = append(args, "-L"+l.folder, "-lgovpn", "-lpthread", "-lm", "-Wl,-rpath,"+l.folder)
	out, err := exec.Command(compiler[0], args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// run runs a program and returns what it prints. Standard error must stay empty.
func run(t *testing.T, program string, environment ...string) string {
	return runWith(t, nil, program, environment...)
}

func runWith(t *testing.T, arguments []string, program string, environment ...string) string {
	t.Helper()
	c := exec.Command(program, arguments...)
	c.Env = append(os.Environ(), environment...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	require.NoError(t, c.Run(), "%s%s", &stdout, &stderr)
	require.Empty(t, stderr.String())
	return stdout.String()
}

// eachDevice runs a test as name/device on every device that is there.
func eachDevice(t *testing.T, name string, test func(t *testing.T, d device.Info)) {
	for _, d := range device.List(device.Options{}) {
		t.Run(name+"/"+d.Name, func(t *testing.T) {
			if !d.Available {
				golden.SkipDevice(t, d)
			}
			test(t, d)
		})
	}
}

// The programs in testdata that check what they call and stop at the first surprise.
var programs = []string{"usage", "malformed", "misuse", "threads"}

func TestPrograms(t *testing.T) {
	for _, name := range programs {
		program := compile(t, "testdata/"+name+".c")
		eachDevice(t, name, func(t *testing.T, d device.Info) {
			require.Equal(t, name+": ok\n", run(t, program, "GOVPN_TEST_DEVICE="+d.Name))
		})
	}
}

// Memory stays flat over 10,000 models on go, and 100 on cpu.
func TestCycles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	program := compile(t, "testdata/cycles.c")
	eachDevice(t, "cycles", func(t *testing.T, d device.Info) {
		require.Equal(t, "cycles: ok\n", run(t, program, "GOVPN_TEST_DEVICE="+d.Name))
	})
}

// With a garbage collection at almost every allocation, a Go pointer that C keeps unpinned would be
// found.
func TestGarbageCollection(t *testing.T) {
	require.Equal(t, "usage: ok\n", run(t, compile(t, "testdata/usage.c"), "GOGC=1", "GODEBUG=invalidptr=1,cgocheck=1"))
}
