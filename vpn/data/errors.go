package data

import (
	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/internal/inject"
)

// The kinds of error. Every error of this module wraps one of them: errors.Is(err, data.ErrFormat)
// tells what kind of failure it is.
var (
	ErrArgument    = fault.ErrArgument    // the caller passed something wrong
	ErrFormat      = fault.ErrFormat      // a file or message is not what it claims to be
	ErrIO          = fault.ErrIO          // reading or writing failed
	ErrUnsupported = fault.ErrUnsupported // the input is valid, but not handled here
	ErrMemory      = fault.ErrMemory      // more memory is needed than is available
	ErrDevice      = fault.ErrDevice      // a backend failed
	ErrInternal    = fault.ErrInternal    // a defect of govpn
	ErrBusy        = fault.ErrBusy        // another call is using the object
	ErrCancelled   = fault.ErrCancelled   // the caller stopped the operation
)

// Errorf formats an error like fmt.Errorf and gives it a kind: errors.Is(err, kind) holds, and the
// message is the formatted text alone.
func Errorf(kind error, format string, args ...any) error {
	return fault.Errorf(kind, format, args...)
}

// argErrorf reports a wrong argument.
func argErrorf(format string, args ...any) error {
	return Errorf(ErrArgument, "data: "+format, args...)
}

// recovered calls f; a panic in it is an error. Every goroutine begins with it: there, a panic
// would end the host.
func recovered(what string, f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Errorf(ErrInternal, "data: %s panicked: %v", what, p)
		}
	}()
	inject.Panic()
	f()
	return nil
}
