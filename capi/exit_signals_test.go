package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// A host may exit while its threads compute: XLA's plugin would crash, and did.
func TestExit(t *testing.T) {
	program := compile(t, "testdata/exit.c")
	eachDevice(t, "exit", func(t *testing.T, d device.Info) {
		for _, when := range []string{"training", "compiling", "training", "callback", "freed", "freed", "freed", "training"} {
			start := time.Now()
			require.Equal(t, "exit: ok\n", runWith(t, []string{when}, program, "GOVPN_TEST_DEVICE="+d.Name))
			require.Less(t, time.Since(start), 30*time.Second, when)
		}
	})
}

// The host's signal handlers and Go's get along.
func TestSignals(t *testing.T) {
	l, err := injected()
	require.NoError(t, err)
	host := library{folder: l.folder, flags: []string{"-Wl,--as-needed", "-ldl"}}.compile(t, "testdata/signals.c")
	l.flags = []string{"-shared", "-fPIC"}
	use := l.compile(t, "testdata/signals_use.c")
	eachDevice(t, "signals", func(t *testing.T, d device.Info) {
		for _, when := range []string{"before", "after"} {
			require.Equal(t, "signals: ok\n", runWith(t, []string{when, use}, host, "GOVPN_TEST_DEVICE="+d.Name))
		}
	})
}
