package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/device"
)

// What govpn_init sets.
var settings struct {
	sync.Mutex
	device device.Options
}

func deviceOptions() device.Options {
	settings.Lock()
	defer settings.Unlock()
	return settings.device
}

// goCancelAll stops what can be stopped, while the process exits.
//
//export goCancelAll
func goCancelAll() {
	_ = protect(func() error {
		openingContext(true)
		for _, m := range openModels() {
			m.Cancel()
		}
		return nil
	})
}

// openDevice opens a device, and says which one "auto" is.
func openDevice(name string, devices ...int) (compute.Backend, string, error) {
	if name != "go" {
		C.bridge_watch_exit()
	}
	o := deviceOptions()
	o.Several = len(devices) > 0 && !slices.Equal(devices, []int{0})
	backend, info, err := device.Open(name, o)
	if err == nil && info.Name != name {
		record(C.GOVPN_LOG_INFO, fmt.Sprintf("device %s is %s: %s", name, info.Name, info.Why))
	}
	return backend, info.Name, err
}

//export goInit
func goInit(json *C.bridge_text) C.int32_t {
	return call(func() error {
		var o struct {
			PluginPaths []string `json:"plugin_paths"`
			Threads     int      `json:"threads"`
			LogLevel    string   `json:"log_level"`
		}
		if err := options(text(json), &o); err != nil {
			return err
		}
		if o.Threads < 0 || o.Threads > 1<<16 {
			return argError("threads is %d, want 0 (all cores) to 65536", o.Threads)
		}
		if o.LogLevel != "" {
			if err := setLogLevel(o.LogLevel); err != nil {
				return err
			}
		}
		if o.Threads > 0 {
			runtime.GOMAXPROCS(o.Threads)
		}
		if o.PluginPaths != nil {
			settings.Lock()
			defer settings.Unlock()
			settings.device.PluginPaths = o.PluginPaths
		}
		return nil
	})
}

//export goBuildInfo
func goBuildInfo(out **C.char) C.int32_t {
	return call(func() error {
		if err := given(arg("json", out)); err != nil {
			return err
		}
		_, best, err := openDevice("auto")
		if err != nil {
			return err
		}
		gomlx, simd := builtWith()
		return toJSON(map[string]any{
			"version": C.GOVPN_VERSION, "abi_version": int(C.GOVPN_ABI_VERSION), "go_version": runtime.Version(), "gomlx_version": gomlx,
			"os": runtime.GOOS, "arch": runtime.GOARCH, "simd": simd, "xla": device.HasXLA, "default_device": best,
			"base_models": models.Names(), "generators": vpn.GeneratorNames(),
		}, out)
	})
}

// builtWith is the version of GoMLX, and whether the Go device computes with vector instructions (GOEXPERIMENT=simd).
func builtWith() (gomlx string, simd bool) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "", false
	}
	for _, m := range build.Deps {
		if m.Path == "github.com/gomlx/gomlx" {
			gomlx = m.Version
		}
	}
	for _, s := range build.Settings {
		if s.Key == "GOEXPERIMENT" {
			simd = strings.Contains(","+s.Value+",", ",simd,")
		}
	}
	return gomlx, simd
}

//export goDevices
func goDevices(out **C.char) C.int32_t {
	return call(func() error {
		if err := given(arg("json", out)); err != nil {
			return err
		}
		return toJSON(device.List(deviceOptions()), out)
	})
}
