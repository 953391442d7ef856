package vpn

import (
	"errors"
	"runtime"
	"strings"

	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/data"
)

// The kinds of error that this package returns; test with errors.Is.
var (
	ErrArgument    = data.ErrArgument    // an argument or an option is wrong
	ErrFormat      = data.ErrFormat      // a file or a buffer is not what it should be
	ErrIO          = data.ErrIO          // the system could not read or write
	ErrUnsupported = data.ErrUnsupported // right, but not possible here
	ErrMemory      = data.ErrMemory      // not enough memory
	ErrDevice      = data.ErrDevice      // the device cannot be used
	ErrBusy        = data.ErrBusy        // the model is training
	ErrCancelled   = data.ErrCancelled   // stopped on request; the object stays usable
	ErrInternal    = data.ErrInternal    // a bug in govpn
)

// argumentError says which argument, what was got and what is wanted.
func argumentError(format string, args ...any) error {
	return data.Errorf(ErrArgument, "vpn: "+format, args...)
}

// shortage is a lack of memory that was found before anything was done.
type shortage struct{ error }

// try turns the panics of graph-building code into errors.
func try(fn func() error) (err error) {
	if caught := exceptions.TryCatch[error](func() { err = fn() }); caught != nil {
		return graphError(caught, ErrInternal)
	}
	return err
}

// graphError is an error of the given kind, unless a model found fault with its arguments, memory is short, or a defect of the
// code showed.
func graphError(err, kind error) error {
	var wrong models.ArgumentError
	var short shortage
	var defect runtime.Error
	switch {
	case errors.As(err, &wrong):
		return argumentError("%w", wrong)
	case errors.As(err, &short):
		return short.error
	case errors.As(err, &defect):
		kind = ErrInternal
	case strings.Contains(err.Error(), "RESOURCE_EXHAUSTED"): // PJRT's word for it
		kind = ErrMemory
	}
	return data.Errorf(kind, "vpn: %w", err)
}
