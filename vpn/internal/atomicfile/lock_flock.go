//go:build linux || darwin

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock locks the file of that name until unlock is called or the process ends.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errTaken
	}
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		here, lost := os.Lstat(name)
		if opened, failed := f.Stat(); lost == nil && failed == nil && os.SameFile(here, opened) {
			return func() { _ = f.Close() }, nil
		}
		err = errTaken
	}
	_ = f.Close()
	if err == syscall.EWOULDBLOCK {
		err = errTaken
	}
	return nil, err
}
