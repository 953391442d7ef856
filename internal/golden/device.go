package golden

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// OpenDevice returns the backend of a device. It skips the test if the device does not open, unless
// it is go, which always does.
func OpenDevice(t testing.TB, name string) compute.Backend {
	backend, info, err := device.Open(name, device.Options{})
	if err != nil && name != "go" {
		SkipDevice(t, info)
	}
	require.NoError(t, err)
	return backend
}

// EachBackend runs test on device go and, where its plugin is found, on cpu.
func EachBackend(t *testing.T, test func(t *testing.T, backend compute.Backend)) {
	for _, name := range []string{"go", "cpu"} {
		t.Run(name, func(t *testing.T) { test(t, OpenDevice(t, name)) })
	}
}
