package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/device"
)

//export goInit
func goInit(json *C.bridge_text) C.int32_t {
	return call(func() error {
		var o struct {
			PluginPaths []string `json:"plugin_paths"`
			Threads     *int     `json:"threads"`
			LogLevel    *string  `json:"log_level"`
			OnStack     *bool    `json:"sa_onstack"`
		}
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		if o.Threads != nil && (*o.Threads < 0 || *o.Threads > 1<<16) {
			return argError("threads is %d, want 0 (all cores) to 65536", *o.Threads)
		}
		if o.LogLevel != nil {
			if err := setLogLevel(*o.LogLevel); err != nil {
				return err
			}
		}
		if o.Threads != nil {
			setThreads(*o.Threads)
		}
		if o.OnStack != nil {
			on := C.int(0)
			if *o.OnStack {
				on = 1
			}
			C.bridge_set_onstack(on)
		}
		if o.PluginPaths != nil {
			settings.Lock()
			defer settings.Unlock()
			settings.device.PluginPaths = o.PluginPaths
		}
		return nil
	})
}

// init tells host_signals.c that Go's handlers are there: it runs after those of all other packages.
func init() { C.bridge_loaded() }

// setThreads sets how many threads compute on device "go"; 0 means all cores that the process may use.
func setThreads(n int) {
	if n == 0 {
		runtime.SetDefaultGOMAXPROCS()
	} else {
		runtime.GOMAXPROCS(n)
	}
}

//export goBuildInfo
func goBuildInfo(out **C.char) C.int32_t {
	return call(func() error {
		if err := notNull(arg("json", out)); err != nil {
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

// builtWith returns the version of GoMLX, and whether the device "go" computes with vector
// instructions (GOEXPERIMENT=simd).
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
