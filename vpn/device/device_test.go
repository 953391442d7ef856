package device_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/device"
)

// noPlugins hides the plugins of this machine.
func noPlugins(t *testing.T) {
	for _, name := range []string{"GOVPN_PLUGIN_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	if found, _ := filepath.Glob("/usr/local/lib/go-xla/*.so"); found != nil {
		t.Skip("go-xla has installed plugins for all users: ", found)
	}
}

// plugin writes a file that is not a plugin.
func plugin(t *testing.T, name string, content string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestGoAlwaysOpens(t *testing.T) {
	noPlugins(t)
	backend, info, err := device.Open("go", device.Options{})
	require.NoError(t, err)
	require.Equal(t,
		device.Info{Name: "go", Available: true, Description: info.Description, Devices: 1, Why: "always there"},
		info)
	require.NotEmpty(t, info.Description)
	again, _, err := device.Open("go", device.Options{PluginPaths: []string{"/nowhere"}})
	require.NoError(t, err)
	require.Same(t, backend, again, "a device opens once")
}

func TestUnknownDevice(t *testing.T) {
	_, _, err := device.Open("tpu", device.Options{})
	require.ErrorIs(t, err, data.ErrArgument)
	require.ErrorContains(t, err, `device is "tpu", want one of auto, cuda, cpu, go`)
}

func TestMissingPlugin(t *testing.T) {
	noPlugins(t)
	for name, remedy := range map[string]string{"cpu": "fastatomstruct-xla-cpu", "cuda": "jax-cuda13-pjrt"} {
		backend, info, err := device.Open(name, device.Options{})
		require.Nil(t, backend)
		require.ErrorIs(t, err, data.ErrDevice)
		for _, text := range []string{name + " is not available", "no PJRT plugin found", remedy, "plugin_paths", "$GOVPN_PLUGIN_PATH"} {
			require.ErrorContains(t, err, text)
		}
		require.False(t, info.Available)
		require.Contains(t, info.Why, remedy)
	}
}

// A file that is not a plugin is an error that names it. "auto" takes the next device and says why.
func TestBadPlugin(t *testing.T) {
	noPlugins(t)
	for _, bad := range []string{plugin(t, "libpjrt_cpu.so", ""), plugin(t, "pjrt_c_api_cpu_plugin.so", "#!/bin/sh\n"),
		filepath.Join(t.TempDir(), "missing.so")} {
		o := device.Options{PluginPaths: []string{bad}}
		_, info, err := device.Open("cpu", o)
		require.ErrorIs(t, err, data.ErrDevice, bad)
		require.False(t, info.Available)
		require.ErrorContains(t, err, bad)

		backend, info, err := device.Open("auto", o)
		require.NoError(t, err)
		pure, _, err := device.Open("go", device.Options{})
		require.NoError(t, err)
		require.Same(t, pure, backend)
		require.Equal(t, "go", info.Name)
		require.Contains(t, info.Why, "cuda: no PJRT plugin found")
		require.Contains(t, info.Why, "; cpu: ")
		require.Contains(t, info.Why, "; go: always there")
	}
}

// A plugin's name tells its device. Folders are searched. The environment comes after the options.
func TestWherePluginsAreFound(t *testing.T) {
	noPlugins(t)
	cpu, cuda := plugin(t, "libpjrt_cpu.so", ""), plugin(t, "xla_cuda_plugin.so", "")
	t.Setenv("GOVPN_PLUGIN_PATH", filepath.Dir(cuda)+string(os.PathListSeparator)+plugin(t, "second_pjrt.so", ""))
	o := device.Options{PluginPaths: []string{filepath.Dir(cpu)}}
	_, _, err := device.Open("cpu", o)
	require.ErrorContains(t, err, cpu)
	require.ErrorContains(t, err, "second_pjrt.so")
	require.NotContains(t, err.Error(), cuda)
	_, _, err = device.Open("cuda", o)
	require.ErrorContains(t, err, cuda)
	require.NotContains(t, err.Error(), cpu)
}

func TestList(t *testing.T) {
	noPlugins(t)
	list := device.List(device.Options{})
	require.Len(t, list, 3)
	for i, name := range []string{"cuda", "cpu", "go"} {
		require.Equal(t, name, list[i].Name)
		require.Equal(t, name == "go", list[i].Available)
		require.NotEmpty(t, list[i].Why)
	}
}

// If a plugin is installed, cpu opens with its devices, and "auto" prefers it to go.
func TestCPU(t *testing.T) {
	backend, info, err := device.Open("cpu", device.Options{})
	if err != nil {
		t.Skip(info.Why)
	}
	require.True(t, info.Available)
	require.Equal(t, device.CPUDevices, info.Devices)
	require.FileExists(t, info.Plugin)
	require.Contains(t, info.Why, info.Plugin)
	again, _, err := device.Open("cpu", device.Options{})
	require.NoError(t, err)
	require.Same(t, backend, again)
	require.Equal(t, 1, int(backend.NumDevices()))
	several, _, err := device.Open("cpu", device.Options{Several: true})
	require.NoError(t, err)
	require.Equal(t, device.CPUDevices, int(several.NumDevices()))
	best, info, err := device.Open("", device.Options{})
	require.NoError(t, err)
	require.NotEqual(t, "go", info.Name)
	if info.Name == "cpu" {
		require.Same(t, backend, best)
	}
}
