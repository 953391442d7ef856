//go:build !cgo

package device

import (
	"errors"

	"github.com/gomlx/compute"
)

// HasXLA reports whether this build can open XLA plugins, which needs cgo.
const HasXLA = false

func openXLA(string, string, int) (compute.Backend, error) {
	return nil, errors.New("this build has no XLA: build with CGO_ENABLED=1")
}
