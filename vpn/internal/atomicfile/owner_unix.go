//go:build unix

package atomicfile

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwnerAndMode gives file the mode of old and, where the system permits, its owner and group. If
// the group cannot be kept, the new file's group may do no more than everybody.
func keepOwnerAndMode(file *os.File, old fs.FileInfo) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	mode := old.Mode().Perm()
	now, known := info.Sys().(*syscall.Stat_t)
	if was, ok := old.Sys().(*syscall.Stat_t); ok && known {
		if now.Gid != was.Gid && file.Chown(-1, int(was.Gid)) != nil {
			mode &= 0o707 | mode<<3
		}
		if now.Uid != was.Uid {
			_ = file.Chown(int(was.Uid), -1) // root alone may give files away
		}
	}
	if info.Mode().Perm() == mode { // file systems without modes permit no other
		return nil
	}
	return file.Chmod(mode)
}
