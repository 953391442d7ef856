package main_test

import (
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
