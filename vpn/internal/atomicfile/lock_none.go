//go:build !linux && !darwin

package atomicfile

import "errors"

func lock(string) (unlock func(), err error) { return nil, errors.ErrUnsupported }
