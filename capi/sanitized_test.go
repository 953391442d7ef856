package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// suppressed finds LeakSanitizer's report of the known leaks, see suppressKnownLeaks: 3
// allocations, 129 bytes in all.
var suppressed = regexp.MustCompile(`-{9,}\nSuppressions used:\n\s+count\s+bytes template\n((?:\s+\d+\s+\d+ \S+\n)+)-{9,}\n+`)

// runSanitized is run for a program that the sanitizers watch. Only the known leaks may be
// reported.
func runSanitized(t *testing.T, l library, program string, environment ...string) string {
	t.Helper()
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

// The programs run without a report of the sanitizers: on go, and in the long form on every device.
func TestSanitized(t *testing.T) {
	t.Parallel()
	l := get(t, sanitized)
	for _, name := range checking {
		program := l.compile(t, "testdata/"+name+".c")
		test := func(t *testing.T, d device.Info) {
			require.Equal(t, name+": ok\n", runSanitized(t, l, program, "GOVPN_TEST_DEVICE="+d.Name))
		}
		if long {
			eachDevice(t, name, test)
		} else {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, device.Info{Name: "go"})
			})
		}
	}
}

// The sanitizers see a host's mistakes where the library's C code meets them; in the long form also
// where its Go code does.
func TestSanitizersFind(t *testing.T) {
	t.Parallel()
	l := get(t, sanitized)
	program := l.compile(t, "testdata/host_mistakes.c")
	reports := map[string]string{
		"leak": "detected memory leaks", "few": "heap-buffer-overflow", "stale": "heap-use-after-free",
	}
	if long {
		reports["beyond"], reports["late"] = "heap-buffer-overflow", "heap-use-after-free"
	}
	for mistake, want := range reports {
		c := exec.Command(program, mistake)
		c.Env = append(os.Environ(), l.environment...)
		out, err := c.CombinedOutput()
		require.Error(t, err, "%s: %s", mistake, out)
		require.Contains(t, string(out), want, mistake)
	}
}
