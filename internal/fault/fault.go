// Package fault has the kinds of error that govpn returns. Every error of this module wraps one
// kind, so that errors.Is tells callers what failed. The C ABI maps each kind to a status.
package fault

import (
	"errors"
	"fmt"
)

// The kinds of error. Packages vpn and data export them under the same names.
var (
	ErrArgument    = errors.New("invalid argument")   // the caller passed something wrong
	ErrFormat      = errors.New("malformed file")     // a file or message is not what it claims to be
	ErrIO          = errors.New("input/output error") // reading or writing failed
	ErrUnsupported = errors.New("not supported")      // the input is valid, but not handled here
	ErrMemory      = errors.New("not enough memory")  // more memory is needed than is available
	ErrDevice      = errors.New("device error")       // a backend failed
	ErrInternal    = errors.New("internal error")     // a defect of govpn
	ErrBusy        = errors.New("busy")               // another call is using the object
	ErrCancelled   = errors.New("cancelled")          // the caller stopped the operation
)

// kindError is an error with a kind that its message does not repeat.
type kindError struct {
	kind error
	err  error
}

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// Errorf formats an error like fmt.Errorf and gives it a kind: errors.Is(err, kind) holds, and the
// message is the formatted text alone.
func Errorf(kind error, format string, args ...any) error {
	return &kindError{kind: kind, err: fmt.Errorf(format, args...)}
}

// HasKind says whether err, or an error that it wraps, was made by Errorf.
func HasKind(err error) bool {
	var known *kindError
	return errors.As(err, &known)
}
