package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute"

	"github.com/govpn/govpn/vpn/device"
)

// settings holds what govpn_init sets for devices that are opened later.
var settings struct {
	sync.Mutex
	device device.Options
}

func deviceOptions() device.Options {
	settings.Lock()
	defer settings.Unlock()
	return settings.device
}

// openDevice opens a device and returns its name, which is not name if that is "auto". devices are
// the numbers of the devices that the caller wants to compute on; none means the first.
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

//export goDevices
func goDevices(out **C.char) C.int32_t {
	return call(func() error {
		if err := notNull(arg("json", out)); err != nil {
			return err
		}
		return toJSON(device.List(deviceOptions()), out)
	})
}

// deviceNumbers is a list of device numbers. JSON writes it as such a list or as a count.
type deviceNumbers []int

// UnmarshalJSON reads [0, 1]; the count 2 means the same.
func (d *deviceNumbers) UnmarshalJSON(text []byte) error {
	count, list := 0, []int{}
	if json.Unmarshal(text, &list) == nil && len(list) > 0 {
		*d = list
		return nil
	}
	if err := json.Unmarshal(text, &count); err != nil || count < 1 || count > 1<<16 {
		return fmt.Errorf("devices is %s, want their number, from 1, or a list of them such as [0, 1]", text)
	}
	*d = make([]int, count)
	for i := range *d {
		(*d)[i] = i
	}
	return nil
}
