//go:build govpn_inject

package main

// #include <stdlib.h>
import "C"

import (
	"unsafe"

	"github.com/govpn/govpn/internal/inject"
)

// init makes the panics of package inject follow the C environment. A C program arms and disarms
// them with setenv, which Go's own copy of the environment does not see.
func init() {
	name := C.CString("GOVPN_INJECT")
	_ = unsafe.Pointer(name) // never freed
	inject.Armed = func() string { return C.GoString(C.getenv(name)) }
}
