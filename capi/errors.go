// Command capi is the C library of govpn. govpn.h declares its functions and is the contract. A
// call takes this way: stub.c (the public function) → an exported Go function → package vpn.
//
// Build it with the linker flags that the Makefile passes: the version script exports.map hides all
// symbols but govpn_*.
package main

// #cgo CFLAGS: -Wall -Wextra -Werror=incompatible-pointer-types -Werror=int-conversion -Wno-unused-parameter
// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"
	"unsafe"

	"github.com/govpn/govpn/internal/inject"
	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

func main() {}

var errHandle = errors.New("invalid handle")

// statuses maps kinds of errors to status codes. An error of several kinds gets the first that
// matches.
var statuses = []struct {
	kind   error
	status C.int32_t
}{
	{vpn.ErrInternal, C.GOVPN_E_INTERNAL},
	{errHandle, C.GOVPN_E_HANDLE},
	{vpn.ErrCancelled, C.GOVPN_E_CANCELLED},
	{context.Canceled, C.GOVPN_E_CANCELLED},
	{vpn.ErrBusy, C.GOVPN_E_BUSY},
	{vpn.ErrMemory, C.GOVPN_E_MEMORY},
	{vpn.ErrUnsupported, C.GOVPN_E_UNSUPPORTED},
	{vpn.ErrFormat, C.GOVPN_E_FORMAT},
	{vpn.ErrIO, C.GOVPN_E_IO},
	{vpn.ErrDevice, C.GOVPN_E_DEVICE},
	{vpn.ErrArgument, C.GOVPN_E_ARG},
	{fs.ErrNotExist, C.GOVPN_E_IO},
	{fs.ErrPermission, C.GOVPN_E_IO},
}

// call runs the body of an exported function and delivers the waiting log messages. If body fails
// or panics, call sets the thread's error message and returns the status of the error.
func call(body func() error) C.int32_t {
	err := protect(body)
	flushLog()
	if err == nil {
		return C.GOVPN_OK
	}
	message := cText(err.Error())
	defer C.free(unsafe.Pointer(message))
	C.bridge_set_error(message)
	return statusOf(err)
}

func statusOf(err error) C.int32_t {
	for _, s := range statuses {
		if errors.Is(err, s.kind) {
			return s.status
		}
	}
	return C.GOVPN_E_ARG // an error without a kind: a layer below refused an argument
}

// protect runs body and turns a panic into an error. Graph code panics to report a wrong argument.
// A runtime.Error is a defect of govpn: it is logged with its stack and becomes ErrInternal.
func protect(body func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			record(C.GOVPN_LOG_ERROR, fmt.Sprintf("%v\n%s", p, debug.Stack()))
			err = data.Errorf(vpn.ErrInternal, "govpn: internal error: %w", p)
		case error:
			err = p
		default:
			err = fmt.Errorf("%v", p)
		}
	}()
	inject.Panic()
	return body()
}

func argError(format string, args ...any) error {
	return data.Errorf(vpn.ErrArgument, "govpn: "+format, args...)
}

// notNull returns an error that names the first NULL pointer.
func notNull(pointers ...pointer) error {
	for _, p := range pointers {
		if p.at == nil {
			return argError("%s is NULL", p.name)
		}
	}
	return nil
}

// A pointer is an argument of a C function, with its name in govpn.h.
type pointer struct {
	name string
	at   unsafe.Pointer
}

func arg[T any](name string, at *T) pointer { return pointer{name: name, at: unsafe.Pointer(at)} }

// cText copies s to malloc'ed memory, which the caller frees. Invalid UTF-8 and NUL become U+FFFD:
// a path may hold any bytes, and a NUL would end the C string.
func cText(s string) *C.char {
	return C.CString(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD"))
}

// goText copies a C string; NULL becomes "".
func goText(s *C.bridge_text) string { return C.GoString((*C.char)(s)) }
