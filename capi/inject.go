//go:build govpn_inject

package main

// #include <stdlib.h>
// static const char *armed(void) { return getenv("GOVPN_INJECT"); }
import "C"

import "github.com/govpn/govpn/internal/inject"

// init makes the panics of package inject follow the C environment. A C program arms and disarms
// them with setenv, which Go's own copy of the environment does not see.
func init() {
	inject.Armed = func() string { return C.GoString(C.armed()) }
}
