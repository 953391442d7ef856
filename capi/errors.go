// Command capi is the C library of govpn: the functions of govpn.h over the package vpn.
//
// Build it with the linker flags that the Makefile passes: the version script exports.map leaves only govpn_* visible.
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

// statuses is in order of precedence: the first kind that an error is of, counts.
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

// call runs the body of an exported function: a failure or a panic in it becomes a status and the thread's message.
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
	return C.GOVPN_E_ARG // what a layer below refused without saying what kind of failure it is
}

// protect turns panics into errors. Graph code reports wrong arguments by panic; a runtime.Error is a defect of govpn.
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

// given says which of the pointers that must be given are NULL.
func notNull(pointers ...pointer) error {
	for _, p := range pointers {
		if p.at == nil {
			return argError("%s is NULL", p.name)
		}
	}
	return nil
}

type pointer struct {
	name string
	at   unsafe.Pointer
}

func arg[T any](name string, at *T) pointer { return pointer{name, unsafe.Pointer(at)} }

// cText is text for C, which has to free it: a path in it may be any bytes, and a NUL would end it.
func cText(s string) *C.char {
	return C.CString(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD"))
}

// text is a C string, "" for NULL.
func goText(s *C.bridge_text) string { return C.GoString((*C.char)(s)) }
