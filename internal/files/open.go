// Package files opens and writes files as a library must: it never blocks on a pipe, and never
// makes the system send the host a signal.
package files

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// OpenRegular opens a regular file to read. It refuses what blocks or has no end: pipes, devices.
func OpenRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", path))
	}
	return file, nil
}
