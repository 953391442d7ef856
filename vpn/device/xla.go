//go:build cgo

package device

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
)

// HasXLA says whether this build can open XLA plugins: it needs cgo.
const HasXLA = true

func init() { xla.EnableAutoInstall(false) }

func openXLA(name, plugin string) (compute.Backend, error) {
	options := pjrt.NamedValuesMap{}
	if name == "cpu" {
		options["cpu_device_count"] = int64(1) // the plugin's default is 4, whatever the cores
	}
	backend, err := xla.NewWithOptions(plugin, options)
	if err != nil {
		return nil, err
	}
	if backend.NumDevices() == 0 {
		return nil, fmt.Errorf("the plugin finds no %s device", name)
	}
	return backend, nil
}
