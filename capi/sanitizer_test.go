package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// sanitized is the library that finds what is not its own: AddressSanitizer and LeakSanitizer (also
// in Go: buffers that C hands in, and what only Go refers to), UndefinedBehaviorSanitizer in the C
// code, checkptr (GoMLX's matrix products in Go do not pass it, and are left out), and cgocheck2,
// which looks at every write of a Go pointer to C memory.
var sanitized = sync.OnceValues(func() (library, error) {
	undefined := "-fsanitize=undefined -fno-sanitize-recover=undefined"
	l := library{folder: filepath.Join(folder, "sanitized"), flags: append(strings.Fields(undefined), "-g", "-fsanitize=address")}
	c := goBuild(l.folder, "-w ", "-asan", "-tags=govpn_test,govpn_inject", "-gcflags=github.com/gomlx/compute/internal/gobackend/dot/...=-asan=false")
	c.Env = append(os.Environ(), "GOEXPERIMENT="+strings.TrimPrefix(os.Getenv("GOEXPERIMENT")+",cgocheck2", ","),
		"CGO_CFLAGS=-g -O1 -fno-omit-frame-pointer "+undefined, "CGO_LDFLAGS=-fsanitize=undefined")
	if out, err := c.CombinedOutput(); err != nil {
		return l, fmt.Errorf("%w\n%s", err, out)
	}
	suppressions, err := knownLeaks(l)
	l.environment = []string{
		"ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:allow_user_segv_handler=1",
		"LSAN_OPTIONS=print_suppressions=1:suppressions=" + suppressions, "UBSAN_OPTIONS=print_stacktrace=1"}
	return l, err
})

// knownLeaks writes the suppressions: go-xla does not free the options that it opens a plugin with,
// once per process.
func knownLeaks(l library) (path string, err error) {
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

// What those leaks take: 3 allocations, of 129 bytes.
var suppressed = regexp.MustCompile(`-{9,}\nSuppressions used:\n\s+count\s+bytes template\n((?:\s+\d+\s+\d+ \S+\n)+)-{9,}\n+`)

// runSanitized is run, but for the known leaks.
func runSanitized(t *testing.T, l library, program string, environment ...string) string {
	c := exec.Command(program)
	c.Env = append(append(os.Environ(), l.environment...), environment...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	require.NoError(t, c.Run(), "%s%s", &stdout, &stderr)
	if known := suppressed.FindSubmatch(stderr.Bytes()); known != nil {
		total := 0
		for line := range strings.Lines(string(known[1])) {
			n, err := strconv.Atoi(strings.Fields(line)[1])
			require.NoError(t, err)
			total += n
		}
		require.Less(t, total, 200, "%s", &stderr)
	}
	require.Empty(t, suppressed.ReplaceAllString(stderr.String(), ""))
	return stdout.String()
}

func TestSanitized(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the library again")
	}
	l, err := sanitized()
	require.NoError(t, err)
	for _, name := range programs {
		program := l.compile(t, "testdata/"+name+".c")
		eachDevice(t, name, func(t *testing.T, d device.Info) {
			require.Equal(t, name+": ok\n", runSanitized(t, l, program, "GOVPN_TEST_DEVICE="+d.Name))
		})
	}
}

// The sanitizers see what C hands in, also where Go reads it.
func TestSanitizersFind(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the library again")
	}
	l, err := sanitized()
	require.NoError(t, err)
	program := l.compile(t, "testdata/host_mistakes.c")
	for fault, want := range map[string]string{
		"leak": "detected memory leaks", "beyond": "heap-buffer-overflow", "late": "heap-use-after-free",
	} {
		c := exec.Command(program, fault)
		c.Env = append(os.Environ(), l.environment...)
		out, err := c.CombinedOutput()
		require.Error(t, err, "%s: %s", fault, out)
		require.Contains(t, string(out), want)
	}
}
