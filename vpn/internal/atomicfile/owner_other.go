//go:build !unix

package atomicfile

import (
	"io/fs"
	"os"
)

// keepOwnerAndMode gives file the mode of old.
func keepOwnerAndMode(file *os.File, old fs.FileInfo) error { return file.Chmod(old.Mode().Perm()) }
