//go:build cgo && linux

package device_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/device"
)

// The folder of pjrt_c_api.h. It is found before noPlugins changes HOME, on which it depends.
var goXLA, _ = exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gomlx/go-xla").Output()

// compiled compiles testdata/plugin.c, or another source, to a library with gcc.
func compiled(t *testing.T, name string, flags ...string) string {
	path := filepath.Join(t.TempDir(), name)
	args := append(
		[]string{"-shared", "-fPIC", "-O1", "-I" + strings.TrimSpace(string(goXLA)) + "/pjrt", "-o", path},
		flags...)
	out, err := exec.Command("gcc", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

const source = "testdata/plugin.c"

// refused opens a device with a plugin that must not open. The error names the file, and says what
// is wrong and what to do. It comes soon.
func refused(t *testing.T, name, path string, want ...string) {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		_, _, err := device.Open(name, device.Options{PluginPaths: []string{path}})
		result <- err
	}()
	select {
	case err := <-result:
		require.ErrorIs(t, err, data.ErrDevice)
		for _, text := range append(want, path, name+" is not available", "install the Python package", "plugin_paths") {
			require.ErrorContains(t, err, text)
		}
	case <-time.After(20 * time.Second):
		t.Fatal(path, " makes Open wait")
	}
}

// A plugin with another version of PJRT's interface, or that claims more than it has, is not
// called.
func TestPluginVersions(t *testing.T) {
	noPlugins(t)
	for want, flags := range map[string][]string{
		"it speaks PJRT API 0.30, want 0.57 or a newer 0.x":       {"-DMINOR=30"},
		"it speaks PJRT API 0.56, want 0.57":                      {"-DMINOR=56", "-DBYTES=900"},
		"it speaks PJRT API 1.104, want 0.57":                     {"-DMAJOR=1"},
		"it is damaged: its PJRT API has 96 bytes, want at least": {"-DBYTES=96"},
		"it is damaged: its PJRT API has 8 bytes, want at least":  {"-DBYTES=8"},
		"its GetPjrtApi returns nothing":                          {"-DNOTHING"},
		"no visible GPU devices":                                  {"-DMINOR=999"}, // this one is called
	} {
		refused(t, "cpu", compiled(t, "libpjrt_cpu.so", append(flags, source)...), want)
	}
}

// A plugin that works, on a machine without a GPU.
func TestNoGPU(t *testing.T) {
	noPlugins(t)
	t.Setenv("GOPJRT_CUDA_CHECKS", "no") // go-xla would print where it looks for CUDA's libraries
	help := []string{"NVIDIA GPU", "nvidia-smi"}
	refused(t, "cuda", compiled(t, "xla_cuda_plugin.so", source), append(help, "no visible GPU devices")...)
	refused(t, "cuda", compiled(t, "xla_cuda_plugin.so", "-DEMPTY", source), append(help, "it finds no cuda device")...)
}

func TestOtherLibraries(t *testing.T) {
	noPlugins(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("written for amd64")
	}
	library, err := os.ReadFile(compiled(t, "libpjrt_cpu.so", source))
	require.NoError(t, err)
	altered := func(change func(b []byte) []byte) string {
		return plugin(t, "libpjrt_cpu.so", string(change(append([]byte{}, library...))))
	}
	le := binary.LittleEndian
	small := make([]byte, 52) // the header of a 32-bit i386 library
	copy(small, "\x7fELF\x01\x01\x01")
	le.PutUint16(small[16:], 3)
	le.PutUint16(small[18:], 3)
	le.PutUint32(small[20:], 1)
	empty, needs := plugin(t, "empty.c", ""), filepath.Join(t.TempDir(), "libgovpn_missing.so")
	require.NoError(t, exec.Command("gcc", "-shared", "-o", needs, empty).Run())
	dependent := compiled(t, "libpjrt_cpu.so", source, "-Wl,--no-as-needed", "-L"+filepath.Dir(needs),
		"-lgovpn_missing")
	require.NoError(t, os.Remove(needs))
	for _, test := range []struct{ path, want string }{
		{altered(func(b []byte) []byte { le.PutUint16(b[18:], 183); return b }), "it is a library for aarch64 (64-bit), this process is x86-64 (64-bit)"},
		{plugin(t, "libpjrt_cpu.so", string(small)), "it is a library for 386 (32-bit), this process is x86-64 (64-bit)"},
		{altered(func(b []byte) []byte { le.PutUint16(b[16:], 2); return b }), "it is a program or an object file, want a shared library"},
		{altered(func(b []byte) []byte { return b[:len(b)/2] }), "it is damaged or cut off"},
		{altered(func(b []byte) []byte { clear(b[40:48]); clear(b[58:64]); return b[:4096] }), "it is cut off: it has 4096 bytes, want at least"},
		{plugin(t, "libpjrt_cpu.so", ""), "its 0 bytes are no shared library"},
		{plugin(t, "libpjrt_cpu.so", "#!/bin/sh\n"), "its 10 bytes are no shared library"},
		{compiled(t, "libpjrt_cpu.so", empty), "it exports no GetPjrtApi"},
		{dependent, "a library that it needs is missing (libgovpn_missing.so: cannot open"},
	} {
		refused(t, "cpu", test.path, test.want)
	}
}

// A path without a file, a file that cannot be read, and a name that go-xla would split.
func TestOtherPaths(t *testing.T) {
	noPlugins(t)
	dir := t.TempDir()
	pipe := filepath.Join(dir, "libpjrt_cpu.so")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	refused(t, "cpu", pipe, "it is no file: want a shared library")
	folder := filepath.Join(dir, "empty", "libpjrt_cpu.so")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	refused(t, "cpu", folder, "no PJRT plugin found", "plugin_paths: "+folder+" holds none for cpu")
	refused(t, "cpu", plugin(t, "a,b_cpu.so", ""), "its path contains a comma")

	locked := plugin(t, "libpjrt_cpu.so", "")
	require.NoError(t, os.Chmod(locked, 0))
	if os.Geteuid() != 0 {
		refused(t, "cpu", locked, "permission denied")
		return
	}
	// Root may read everything, so this thread opens files as nobody, who may not.
	runtime.LockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
	_, _, err := device.Open("cpu", device.Options{PluginPaths: []string{locked}})
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
	runtime.UnlockOSThread()
	require.ErrorIs(t, err, data.ErrDevice)
	require.ErrorContains(t, err, "permission denied")
	require.ErrorContains(t, err, locked)
}
