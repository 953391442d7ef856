package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"unsafe"

	"github.com/gomlx/compute"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

//export goModelExportSafetensors
func goModelExportSafetensors(h C.govpn_model, path, json *C.bridge_text) C.int32_t {
	var o vpn.ExportOptions
	return withPath(h, path, json, &o, func(m *vpn.Model, path string) error { return m.ExportSafetensors(path, o) })
}

//export goModelImportSafetensors
func goModelImportSafetensors(h C.govpn_model, path, json *C.bridge_text) C.int32_t {
	var o vpn.ImportOptions
	return withPath(h, path, json, &o, func(m *vpn.Model, path string) error { return m.ImportSafetensors(path, o) })
}

//export goModelSave
func goModelSave(h C.govpn_model, path *C.bridge_text) C.int32_t {
	return withPath(h, path, nil, &noOptions{}, (*vpn.Model).Save)
}

// withPath decodes the options into o and calls f with the model and the path.
func withPath(h C.govpn_model, path, json *C.bridge_text, o any, f func(*vpn.Model, string) error) C.int32_t {
	return call(func() error {
		if err := notNull(arg("path", path)); err != nil {
			return err
		}
		if err := decodeOptions(goText(json), o); err != nil {
			return err
		}
		return useModel(h, func(m *vpn.Model) error { return f(m, goText(path)) })
	})
}

// loadOnDevice opens the device that the options name, calls load with it and hands the model out.
func loadOnDevice(json *C.bridge_text, out *C.govpn_model, load func(compute.Backend) (*vpn.Model, error)) error {
	o := struct {
		Device  string        `json:"device"`
		Devices deviceNumbers `json:"devices"`
	}{Device: "auto"}
	if err := decodeOptions(goText(json), &o); err != nil {
		return err
	}
	backend, device, err := openDevice(o.Device, o.Devices...)
	if err != nil {
		return err
	}
	m, err := load(backend)
	if err != nil {
		return err
	}
	if err := m.SetDevices(o.Devices...); err != nil {
		_ = m.Close()
		return err
	}
	*out = C.govpn_model(put(m, device))
	return nil
}

//export goModelLoad
func goModelLoad(path, json *C.bridge_text, out *C.govpn_model) C.int32_t {
	return call(func() error {
		if err := notNull(arg("path", path), arg("out", out)); err != nil {
			return err
		}
		return loadOnDevice(json, out, func(backend compute.Backend) (*vpn.Model, error) {
			return vpn.Load(goText(path), backend)
		})
	})
}

//export goModelToBytes
func goModelToBytes(h C.govpn_model, out **C.uint8_t, size *C.size_t) C.int32_t {
	return call(func() error {
		if err := notNull(arg("bytes", out), arg("size", size)); err != nil {
			return err
		}
		return useModel(h, func(m *vpn.Model) error {
			content, err := m.Marshal()
			if err != nil {
				return err
			}
			copied := C.malloc(C.size_t(len(content) + 1))
			if copied == nil {
				return data.Errorf(vpn.ErrMemory, "govpn: no memory for the %d bytes of the model", len(content))
			}
			copy(unsafe.Slice((*byte)(copied), len(content)), content)
			*out, *size = (*C.uint8_t)(copied), C.size_t(len(content))
			return nil
		})
	})
}

//export goModelFromBytes
func goModelFromBytes(content *C.bridge_bytes, size C.size_t, json *C.bridge_text, out *C.govpn_model) C.int32_t {
	return call(func() error {
		if err := notNull(arg("bytes", content), arg("out", out)); err != nil {
			return err
		}
		if size > 1<<47 {
			return argError("size is %d, want the number of bytes", uint64(size))
		}
		return loadOnDevice(json, out, func(backend compute.Backend) (*vpn.Model, error) {
			return vpn.Unmarshal(unsafe.Slice((*byte)(unsafe.Pointer(content)), int(size)), backend)
		})
	})
}
