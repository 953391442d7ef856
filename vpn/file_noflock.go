//go:build !linux && !darwin

package vpn

import "errors"

func lock(string) (unlock func(), err error) { return nil, errors.ErrUnsupported }
