package engine

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/models"
)

// shortage is a lack of memory that was found before anything was done.
type shortage struct{ error }

// MemoryError says what needs how many bytes, how many are available, and what to do.
func MemoryError(need float64, have int64, remedy, format string, args ...any) error {
	return fault.Errorf(fault.ErrMemory, "vpn: %s needs about %.1f GiB, %.1f GiB are available: %s",
		fmt.Sprintf(format, args...), need/(1<<30), float64(have)/(1<<30), remedy)
}

// Try calls fn and turns the panics of graph-building code into errors.
func Try(fn func() error) (err error) {
	if caught := exceptions.TryCatch[error](func() { err = fn() }); caught != nil {
		return Error(caught, fault.ErrInternal)
	}
	return err
}

// Reading calls fn, in which GoMLX panics if it cannot copy results from the device.
func Reading(fn func() error) (err error) {
	if caught := exceptions.TryCatch[error](func() { err = fn() }); caught != nil {
		return Error(caught, fault.ErrDevice)
	}
	return err
}

// noBuffer is Go's panic where go-xla uses a host buffer that PJRT did not get: it does not look.
const noBuffer = "unsafe.Slice: ptr is nil"

// Error gives an error of GoMLX a kind. It is the given kind, unless the error itself tells more: a
// model found fault with its arguments, memory is short, or the code has a defect.
func Error(err, kind error) error {
	var wrong models.ArgumentError
	var oneValue models.OneValueError
	var short shortage
	var defect runtime.Error
	switch {
	case errors.As(err, &wrong):
		return fault.Errorf(fault.ErrArgument, "vpn: %w", wrong)
	case errors.As(err, &oneValue):
		return fault.Errorf(fault.ErrArgument, "vpn: %w", oneValue)
	case errors.As(err, &short):
		return short.error
	case errors.As(err, &defect) && strings.Contains(defect.Error(), noBuffer):
		return fault.Errorf(fault.ErrMemory, "vpn: the device has not enough memory for a buffer: %w", err)
	case errors.As(err, &defect):
		kind = fault.ErrInternal
	case strings.Contains(err.Error(), "RESOURCE_EXHAUSTED"): // PJRT's word for it
		kind = fault.ErrMemory
	}
	return fault.Errorf(kind, "vpn: %w", err)
}
