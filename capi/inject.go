//go:build govpn_inject

package main

// #include <stdlib.h>
import "C"

import (
	"unsafe"

	"github.com/govpn/govpn/internal/inject"
)

// A C program arms and disarms injected panics with setenv, of which Go's own copy of the environment learns nothing.
func init() {
	name := C.CString("GOVPN_INJECT")
	_ = unsafe.Pointer(name) // never freed
	inject.Armed = func() string { return C.GoString(C.getenv(name)) }
}
