//go:build unix

package files

import (
	"math"
	"syscall"
)

// fileLimit returns how many bytes the process may write to a file.
func fileLimit() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l) != nil {
		return math.MaxUint64
	}
	return uint64(l.Cur)
}
