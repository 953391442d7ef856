package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder holds everything that the tests build. TestMain makes and removes it.
var folder string

// long reports whether the long forms of tests run: $GOVPN_TEST_LONG is 1, as in `make test-long`.
// Every test has a short form, so that nothing is skipped without it.
var long = os.Getenv("GOVPN_TEST_LONG") == "1"

// A library is one build of the library, with what the programs need that are linked with it.
type library struct {
	folder      string
	flags       []string // for the compiler of a program
	environment []string // for a program that runs
}

// shipped is the library as `make lib` builds it. TestInstall installs the same file.
var shipped = sync.OnceValues(func() (library, error) {
	l := library{folder: filepath.Join(folder, "shipped")}
	c := exec.Command("make", "-s", "-C", "..", "lib", "BUILD="+l.folder)
	c.Env = append(os.Environ(), "PYTHON=false", "MAKEFLAGS=")
	return l, output(c)
})

// injected is the library with the panics of internal/inject.
var injected = sync.OnceValues(func() (library, error) {
	l := library{folder: filepath.Join(folder, "injected")}
	return l, output(goBuild(l.folder, "-s -w ", "-trimpath", "-tags=govpn_inject"))
})

// sanitized is the library that the sanitizers watch. Both forms have the panics of
// internal/inject.
//
// The short form builds the C files of this package with AddressSanitizer, LeakSanitizer and
// UndefinedBehaviorSanitizer. LeakSanitizer does not look into Go's memory then, and would report what
// only Go refers to, such as the client of XLA. So the programs do not find a plugin of XLA.
//
// The long form also watches Go: what Go reads of C memory, and C memory that only Go refers to.
// checkptr and cgocheck2 are on; cgocheck2 looks at every write of a Go pointer to C memory.
// GoMLX's matrix products in Go do not pass checkptr and are left out. All packages are compiled
// anew, which takes minutes.
var sanitized = sync.OnceValues(func() (library, error) {
	undefined := "-fsanitize=undefined -fno-sanitize-recover=undefined"
	l := library{
		folder: filepath.Join(folder, "sanitized"),
		flags:  append(strings.Fields(undefined), "-g", "-fsanitize=address"),
	}
	c := goBuild(l.folder, "-w ", "-trimpath", "-tags=govpn_test,govpn_inject,govpn_sanitize")
	if long {
		c = goBuild(l.folder, "-w ", "-asan", "-tags=govpn_test,govpn_inject",
			"-gcflags=github.com/gomlx/compute/internal/gobackend/dot/...=-asan=false")
		c.Env = append(os.Environ(), "GOEXPERIMENT="+strings.TrimPrefix(os.Getenv("GOEXPERIMENT")+",cgocheck2", ","),
			"CGO_CFLAGS=-g -O1 -fno-omit-frame-pointer "+undefined, "CGO_LDFLAGS=-fsanitize=undefined")
	}
	if err := output(c); err != nil {
		return l, err
	}
	suppressions, err := suppressKnownLeaks(l)
	l.environment = []string{
		"ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:allow_user_segv_handler=1",
		"LSAN_OPTIONS=print_suppressions=1:suppressions=" + suppressions,
		"UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1",
	}
	if !long {
		l.environment = append(l.environment, "VIRTUAL_ENV=", "CONDA_PREFIX=", "GOVPN_PLUGIN_PATH=", "HOME="+l.folder)
	}
	return l, err
})

// suppressKnownLeaks writes a file of suppressions for LeakSanitizer and returns its path. go-xla
// does not free the options that it opens a plugin with, once per process.
func suppressKnownLeaks(l library) (path string, err error) {
	symbols, err := exec.Command("nm", filepath.Join(l.folder, "libgovpn.so")).Output()
	if err != nil {
		return "", err
	}
	goXLA := regexp.MustCompile(`(_cgo_[0-9a-f]+_)Cfunc_new_PJRT_NamedValue\b`).FindSubmatch(symbols)
	if goXLA == nil {
		return "", fmt.Errorf("no go-xla in the library")
	}
	path = filepath.Join(l.folder, "suppressions")
	text := fmt.Sprintf("leak:new_PJRT_NamedValue\nleak:%sCfunc_calloc\nleak:%[1]sCfunc__Cmalloc\n", goXLA[1])
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// goBuild returns the command that builds the library in a folder, with other flags than the
// Makefile.
func goBuild(folder, link string, flags ...string) *exec.Cmd {
	exports, err := filepath.Abs("exports.map")
	if err != nil {
		panic(err)
	}
	link = "-ldflags=" + link + "'-extldflags=-Wl,--version-script=" + exports + ",-soname,libgovpn.so'"
	args := append([]string{"build", "-buildmode=c-shared", link, "-o", filepath.Join(folder, "libgovpn.so")}, flags...)
	return exec.Command("go", append(args, ".")...)
}

// output runs a command. Its error contains what the command printed.
func output(c *exec.Cmd) error {
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// get returns a library, built if this is the first call for it.
func get(t *testing.T, build func() (library, error)) library {
	t.Helper()
	l, err := build()
	require.NoError(t, err)
	return l
}

var strict = []string{"-Wall", "-Wextra", "-Werror", "-pedantic"}

// compilers maps the path of each program to a func() error that compiles it when first called.
var compilers sync.Map

// compile returns the path of a C program that is linked with the library. It is compiled by the
// first call for it.
func (l library) compile(t *testing.T, source string) string {
	t.Helper()
	program := filepath.Join(l.folder, filepath.Base(source)+".bin")
	build, _ := compilers.LoadOrStore(program, sync.OnceValue(func() error {
		args := append(append([]string{"-std=c11"}, strict...), "-O1", "-I.", source, "-o", program)
		args = append(append(args, l.flags...), "-L"+l.folder, "-lgovpn", "-lpthread", "-lm", "-Wl,-rpath,"+l.folder)
		return output(exec.Command("gcc", args...))
	}))
	require.NoError(t, build.(func() error)())
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
