package main_test

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// A host may exit while its threads compute. The plugin of XLA would crash then, and did. The long
// form repeats what depends on timing.
func TestExit(t *testing.T) {
	t.Parallel()
	moments := []string{"training", "compiling", "callback", "freed"}
	if long {
		moments = append(moments, "training", "freed", "freed", "training")
	}
	program := get(t, shipped).compile(t, "testdata/exit.c")
	eachDevice(t, "exit", func(t *testing.T, d device.Info) {
		for _, when := range moments {
			start := time.Now()
			require.Equal(t, "exit: ok\n", runWith(t, []string{when}, program, "GOVPN_TEST_DEVICE="+d.Name))
			require.Less(t, time.Since(start), 30*time.Second, when)
		}
	})
}

// Handlers without SA_ONSTACK, which a host installs after it loaded the library, would run on Go's
// small stacks and overwrite what lies below them.
func TestHostSignals(t *testing.T) {
	t.Parallel()
	program := get(t, shipped).compile(t, "testdata/host_signals.c")
	eachDevice(t, "host_signals", func(t *testing.T, d device.Info) {
		for _, what := range []string{"timers", "flags", "callback", "recover"} {
			require.Equal(t, "host_signals: ok\n", runWith(t, []string{what}, program, "GOVPN_TEST_DEVICE="+d.Name), what)
		}
	})
}

// A signal that is not Go's ends the process as it would without Go: by itself, without a word.
func TestFaultsOfHost(t *testing.T) {
	t.Parallel()
	program := get(t, shipped).compile(t, "testdata/host_signals.c")
	ends := map[string]syscall.Signal{
		"segv": syscall.SIGSEGV, "bus": syscall.SIGBUS, "fpe": syscall.SIGFPE, "ill": syscall.SIGILL, "abrt": syscall.SIGABRT,
		"sent": syscall.SIGSEGV, "later": syscall.SIGSEGV, "pipe": syscall.SIGPIPE,
		"log": syscall.SIGSEGV, "sum": syscall.SIGSEGV,
		"schema": syscall.SIGSEGV, "next": syscall.SIGSEGV, "error": syscall.SIGSEGV, "release": syscall.SIGSEGV,
	}
	if runtime.GOARCH != "amd64" {
		delete(ends, "fpe") // a division by 0 is no fault there
	}
	for what, want := range ends {
		out, err := exec.Command(program, what).CombinedOutput()
		require.Error(t, err, what)
		status := err.(*exec.ExitError).Sys().(syscall.WaitStatus)
		require.True(t, status.Signaled(), "%s: %s", what, out)
		require.Equal(t, want, status.Signal(), what)
		require.Empty(t, string(out), what)
	}
	for _, what := range []string{"segv", "fpe"} { // a fault ends the process even if the signal is ignored
		if ends[what] == 0 {
			continue
		}
		_, err := exec.Command("sh", "-c", "trap '' SEGV FPE; exec "+program+" "+what).CombinedOutput()
		status := err.(*exec.ExitError).Sys().(syscall.WaitStatus)
		require.True(t, status.Signaled())
		require.Equal(t, ends[what], status.Signal(), what)
	}
}

// A child that is forked in a callback cannot go on with the call.
func TestForkInCallback(t *testing.T) {
	t.Parallel()
	program := get(t, shipped).compile(t, "testdata/host_signals.c")
	out, err := exec.Command(program, "fork").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "govpn: a child that was forked in a callback returned from it; call exec or _exit there\n"+
		"host_signals: ok\n", string(out))
}

// Where RLIMIT_AS leaves too little, loading says so. docs/embedding.md tells both limits.
func TestAddressSpace(t *testing.T) {
	t.Parallel()
	program := get(t, shipped).compile(t, "testdata/host_signals.c")
	out, err := exec.Command("sh", "-c", "ulimit -v 1200000; exec "+program+" recover").CombinedOutput()
	require.Equal(t, 2, err.(*exec.ExitError).ExitCode())
	require.Equal(t, "govpn: loading libgovpn needs 1250 MiB of address space: "+
		"raise the limit (ulimit -v, RLIMIT_AS)\n", string(out))
	out, err = exec.Command("sh", "-c", "ulimit -v 2000000; exec "+program+" recover").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The host's signal handlers and Go's get along.
func TestSignals(t *testing.T) {
	t.Parallel()
	l := get(t, injected)
	host := library{folder: l.folder, flags: []string{"-Wl,--as-needed", "-ldl"}}.compile(t, "testdata/signals.c")
	use := library{folder: l.folder, flags: []string{"-shared", "-fPIC"}}.compile(t, "testdata/signals_use.c")
	eachDevice(t, "signals", func(t *testing.T, d device.Info) {
		for _, when := range []string{"before", "after"} {
			require.Equal(t, "signals: ok\n", runWith(t, []string{when, use}, host, "GOVPN_TEST_DEVICE="+d.Name))
		}
	})
}
