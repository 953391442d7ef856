package data

import (
	"errors"
	"fmt"

	"github.com/govpn/govpn/internal/inject"
)

// Error kinds. Every error of this module wraps one of them, so that errors.Is(err, data.ErrFormat) tells what kind of failure it is;
// the C ABI maps each kind to a status.
var (
	ErrArgument    = errors.New("invalid argument")   // the caller passed something wrong
	ErrFormat      = errors.New("malformed file")     // a file or message is not what it claims to be
	ErrIO          = errors.New("input/output error") // reading or writing failed
	ErrUnsupported = errors.New("not supported")      // valid, but not handled here
	ErrMemory      = errors.New("not enough memory")  // more memory is needed than is available
	ErrDevice      = errors.New("device error")       // a backend failed
	ErrInternal    = errors.New("internal error")     // a defect of govpn
	ErrBusy        = errors.New("busy")               // the object is in use by another call
	ErrCancelled   = errors.New("cancelled")          // the caller stopped the operation
)

// kindError is an error message with a kind that the message does not repeat.
type kindError struct {
	kind error
	err  error
}

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// Errorf is fmt.Errorf with a kind: errors.Is(err, kind) holds, and the message is the formatted text alone.
func Errorf(kind error, format string, args ...any) error {
	return &kindError{kind: kind, err: fmt.Errorf(format, args...)}
}

// argErrorf reports a wrong argument.
func argErrorf(format string, args ...any) error {
	return Errorf(ErrArgument, "data: "+format, args...)
}

// recovered calls f; a panic in it is an error. Every goroutine begins with it: there, a panic would end the host.
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
