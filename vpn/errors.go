package vpn

import "github.com/govpn/govpn/internal/fault"

// The kinds of error that this package returns. Test for them with errors.Is.
var (
	ErrArgument    = fault.ErrArgument    // an argument or an option is wrong
	ErrFormat      = fault.ErrFormat      // a file or a buffer is not what it should be
	ErrIO          = fault.ErrIO          // the system could not read or write
	ErrUnsupported = fault.ErrUnsupported // the request is right, but not possible here
	ErrMemory      = fault.ErrMemory      // there is not enough memory
	ErrDevice      = fault.ErrDevice      // the device cannot be used
	ErrBusy        = fault.ErrBusy        // the model is training
	ErrCancelled   = fault.ErrCancelled   // the call was stopped on request; the object stays usable
	ErrInternal    = fault.ErrInternal    // govpn has a defect
)

// argumentError says which argument is wrong, what was got and what is wanted.
func argumentError(format string, args ...any) error {
	return fault.Errorf(ErrArgument, "vpn: "+format, args...)
}

// formatError says what is wrong with a file.
func formatError(format string, args ...any) error {
	return fault.Errorf(ErrFormat, "vpn: "+format, args...)
}
