package main

// #include <errno.h>
// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"fmt"
	"runtime/cgo"
)

// What the callbacks of arrow_export_stream.c call. A handle stands for a *stream until goStreamRelease.

//export goStreamSchema
func goStreamSchema(handle C.uintptr_t, out *cSchema, why **C.char) C.int {
	return callback(why, func() error {
		handOutSchema(cgo.Handle(handle).Value().(*stream).schema(), out)
		return nil
	})
}

//export goStreamNext
func goStreamNext(handle C.uintptr_t, out *cArray, why **C.char) C.int {
	return callback(why, func() error {
		a, err := cgo.Handle(handle).Value().(*stream).next()
		if err != nil {
			return err
		}
		if a == nil {
			out.release = nil // the end
			return nil
		}
		defer a.Release()
		handOutArray(a, out)
		return nil
	})
}

//export goStreamRelease
func goStreamRelease(handle C.uintptr_t) {
	err := protect(func() error {
		defer cgo.Handle(handle).Delete()
		cgo.Handle(handle).Value().(*stream).close()
		return nil
	})
	if err != nil {
		record(logWarning, fmt.Sprintf("releasing a stream: %v", err))
	}
}

// callback runs the body of a stream's callback: a failure or a panic in it becomes an errno and a reason, which C frees.
func callback(why **C.char, body func() error) C.int {
	err := protect(body)
	if err == nil {
		return 0
	}
	*why = cText(err.Error())
	switch statusOf(err) {
	case C.GOVPN_E_ARG, C.GOVPN_E_FORMAT:
		return C.EINVAL
	case C.GOVPN_E_MEMORY:
		return C.ENOMEM
	case C.GOVPN_E_UNSUPPORTED:
		return C.ENOSYS
	case C.GOVPN_E_CANCELLED:
		return C.ECANCELED
	}
	return C.EIO
}
