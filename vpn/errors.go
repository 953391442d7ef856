package vpn

import (
	"errors"
	"runtime"

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

// try turns the panics of graph-building code into errors.
func try(fn func() error) (err error) {
	if caught := exceptions.TryCatch[error](func() { err = fn() }); caught != nil {
		return graphError(caught, ErrInternal)
	}
	return err
}

// graphError is an error of the given kind, unless a model found fault with its arguments, or a defect of the code showed.
func graphError(err, kind error) error {
	var wrong models.ArgumentError
	if errors.As(err, &wrong) {
		return argumentError("%w", wrong)
	}
	var defect runtime.Error
	if errors.As(err, &defect) {
		kind = ErrInternal
	}
	return data.Errorf(kind, "vpn: %w", err)
}
