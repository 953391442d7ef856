// Package device opens the device that computes: "go" (pure Go, linked in), "cpu" or "cuda" (XLA
// through a PJRT plugin, if one is found). It never downloads anything.
package device

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"

	"github.com/govpn/govpn/vpn/data"
)

// Names returns the devices in the order in which "auto" tries them.
func Names() []string { return []string{"cuda", "cpu", "go"} }

// CPUDevices is how many devices cpu offers, however many cores there are. They share the cores,
// and serve to try out what needs several devices. Opened together they have an XLA backend of
// their own: XLA starts one thread per device, and rounds differently with another number of
// threads.
const CPUDevices = 4

// Options say where to look for plugins.
type Options struct {
	// PluginPaths are PJRT plugins (.so files), or folders with plugins. A file whose name contains
	// "cuda" is for the device cuda, any other for cpu. These paths come before $GOVPN_PLUGIN_PATH,
	// installed Python packages and the folders of go-xla's installer.
	PluginPaths []string `json:"plugin_paths"`
	// Several opens all devices of the kind, for [vpn.Model.SetDevices]. Otherwise cpu opens one
	// device. go and cuda ignore it.
	Several bool `json:"-"`
}

// Info describes one device.
type Info struct {
	Name        string `json:"device"`
	Available   bool   `json:"available"`
	Description string `json:"description"`
	Plugin      string `json:"plugin"`  // path of the PJRT plugin; "" for go
	Devices     int    `json:"devices"` // how many devices of this kind the plugin drives
	Why         string `json:"why"`     // why the device is available, or why not
}

type opened struct {
	backend compute.Backend
	info    Info
}

var (
	mu    sync.Mutex
	cache = map[string]opened{} // by device name and plugin path: a process opens a plugin only once
)

// Open returns the backend of a device: "go", "cpu", "cuda" or "auto" (also ""). "auto" takes the
// first of cuda, cpu and go that opens. Info.Why says which was taken, and why the ones before it
// were not. A device is opened once; later calls return the same backend.
func Open(name string, o Options) (compute.Backend, Info, error) {
	mu.Lock()
	defer mu.Unlock()
	if name == "" || name == "auto" {
		var why []string
		for _, candidate := range Names() {
			backend, info, err := open(candidate, o)
			if err == nil {
				info.Why = strings.Join(append(why, info.Name+": "+info.Why), "; ")
				return backend, info, nil
			}
			why = append(why, candidate+": "+info.Why)
		}
	}
	if !slices.Contains(Names(), name) {
		return nil, Info{
			Name: name,
		}, data.Errorf(data.ErrArgument, "device: device is %q, want one of auto, cuda, cpu, go", name)
	}
	return open(name, o)
}

// List tries to open every device, and describes each.
func List(o Options) []Info {
	mu.Lock()
	defer mu.Unlock()
	infos := make([]Info, 0, 3)
	for _, name := range Names() {
		_, info, _ := open(name, o)
		infos = append(infos, info)
	}
	return infos
}

func open(name string, o Options) (compute.Backend, Info, error) {
	if name == "go" {
		return remember(name, Info{Name: name, Why: "always there"}, openGo)
	}
	info := Info{Name: name}
	plugins := findPlugins(name, o)
	if len(plugins) == 0 {
		info.Why = "no PJRT plugin found: " + remedy[name]
		for _, path := range o.PluginPaths {
			if _, err := os.Stat(path); err != nil {
				info.Why += fmt.Sprintf("; plugin_paths: %v", err)
			} else {
				info.Why += fmt.Sprintf("; plugin_paths: %s holds none for %s", path, name)
			}
		}
		return nil, info, data.Errorf(data.ErrDevice, "device: %s is not available: %s", name, info.Why)
	}
	var failures []string
	for _, plugin := range plugins {
		info.Plugin, info.Why = plugin, "plugin "+plugin
		count, key := 1, name+"\x00"+plugin
		if o.Several && name == "cpu" {
			count, key = CPUDevices, key+"\x00several"
		}
		backend, got, err := remember(key, info,
			func() (compute.Backend, error) { return openXLA(name, plugin, count) })
		if err == nil {
			return backend, got, nil
		}
		failures = append(failures, fmt.Sprintf("plugin %s does not open: %v", plugin, err))
	}
	info.Why = strings.Join(append(failures, remedy[name]), "; ")
	return nil, info, data.Errorf(data.ErrDevice, "device: %s is not available: %s", name, info.Why)
}

func remember(key string, info Info, open func() (compute.Backend, error)) (compute.Backend, Info, error) {
	if o, ok := cache[key]; ok {
		return o.backend, o.info, nil
	}
	backend, err := open()
	if err != nil {
		return nil, info, err
	}
	info.Available, info.Description, info.Devices = true, backend.Description(), int(backend.NumDevices())
	if info.Name == "cpu" {
		info.Devices = CPUDevices
	}
	cache[key] = opened{backend: backend, info: info}
	return backend, info, nil
}

// What to do if the plugin of a device is missing.
var remedy = map[string]string{
	"cpu":  "install the Python package fastatomstruct-xla-cpu, or name a plugin in plugin_paths or $GOVPN_PLUGIN_PATH",
	"cuda": "install the Python package jax-cuda13-pjrt, or name a plugin in plugin_paths or $GOVPN_PLUGIN_PATH",
}

// Where Python packages keep plugins, below site-packages.
var packaged = []string{
	"fastatomstruct_xla_cpu/libpjrt_cpu.so",
	"jax_plugins/xla_cuda13/xla_cuda_plugin.so",
	"jax_plugins/xla_cuda12/xla_cuda_plugin.so",
}

// findPlugins returns the plugin files for a device. The most specific places come first.
func findPlugins(name string, o Options) []string {
	places := slices.Clone(o.PluginPaths)
	places = append(places, filepath.SplitList(os.Getenv("GOVPN_PLUGIN_PATH"))...)
	for _, prefix := range []string{os.Getenv("VIRTUAL_ENV"), os.Getenv("CONDA_PREFIX")} {
		if prefix == "" {
			continue
		}
		for _, p := range packaged {
			found, _ := filepath.Glob(filepath.Join(prefix, "lib", "python3*", "site-packages", p))
			places = append(places, found...)
		}
	}
	home, _ := os.UserHomeDir()
	places = append(places, filepath.Join(home, ".local/lib/go-xla"), "/usr/local/lib/go-xla")

	var files []string
	for _, place := range places {
		if info, err := os.Stat(place); err != nil || info.IsDir() {
			found, _ := filepath.Glob(filepath.Join(place, "*pjrt*.so"))
			more, _ := filepath.Glob(filepath.Join(place, "*xla_cuda_plugin.so"))
			files = append(files, append(found, more...)...)
		} else {
			files = append(files, place)
		}
	}
	var plugins []string
	for _, file := range files {
		isCUDA := strings.Contains(strings.ToLower(filepath.Base(file)), "cuda")
		if path, err := filepath.Abs(file); err == nil && isCUDA == (name == "cuda") &&
			!slices.Contains(plugins, path) {
			plugins = append(plugins, path)
		}
	}
	return plugins
}
