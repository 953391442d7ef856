// Package atomicfile replaces files as a whole: whatever happens, a path holds the old or the new
// content.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/internal/files"
)

// Write writes a file beside path, flushes it and renames it to path. First it removes what killed
// processes left there.
//
// If path is a symbolic link, the file that it leads to is written and the link stays, as with
// open(2). A new file has the mode that the process's umask leaves of 0666. A file that is replaced
// keeps its mode and, where the system permits, its owner and group.
func Write(path string, write func(w io.Writer) error) error {
	if path == "" {
		return fault.Errorf(fault.ErrArgument, "vpn: path is \"\", want the name of a file")
	}
	if err := replace(path, write); err != nil {
		return fault.Errorf(fault.ErrIO, "vpn: cannot write %s: %w", path, err)
	}
	return nil
}

func replace(path string, write func(w io.Writer) error) error {
	old, err := os.Stat(path)
	if err == nil && !old.Mode().IsRegular() { // root could replace /dev/null
		return errors.New("it is a folder, a device or a pipe, want a file")
	}
	if err != nil {
		old = nil
	}
	if path, err = followLinks(path); err != nil {
		return err
	}
	folder, name := split(path)
	name = name[:min(len(name), maxStem)]
	removeLeftovers(folder, name)
	file, unlock, err := createBeside(folder, name, old)
	if err != nil {
		return err
	}
	defer unlock()
	defer os.Remove(file.Name()) // fails once renamed
	err = write(files.LimitedWriter(file))
	if err == nil && old != nil {
		err = keepOwnerAndMode(file, old)
	}
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err == nil {
		syncFolder(folder)
	}
	return err
}

// maxStem is how many bytes of a file's name the temporary file's name begins with. Together they are
// shorter than the 255 bytes that file systems allow.
const maxStem = 200

// maxLinks is how many symbolic links Linux follows in a path.
const maxLinks = 40

// followLinks returns what path names once it is no symbolic link. What a link leads to need not
// exist. Nothing here uses filepath.Join, which drops "link/.." although the link may lead to another
// folder.
func followLinks(path string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil // if it cannot be read, creating the file beside it says why
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			folder, _ := filepath.Split(path)
			target = folder + target
		}
		path = target
	}
	return "", fmt.Errorf("its symbolic links go round in a circle, or are more than %d; want a link to a file", maxLinks)
}

// split returns the folder of a path, with a separator at its end, and the file's name in it.
func split(path string) (folder, name string) {
	folder, name = filepath.Split(path)
	if folder == "" {
		folder = "." + string(filepath.Separator)
	}
	return folder, name
}

// errTaken is lock's error if somebody else has the lock, or has removed the file.
var errTaken = errors.New("locked or gone")

// syncFolder makes a rename outlive a loss of power. Not every system can do so or permits it. The
// file is whole in any case.
func syncFolder(folder string) {
	if f, err := os.Open(folder); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

// createBeside creates ".model.govpn.1234.tmp" beside model.govpn and locks it. The umask decides on
// the mode of a new file. While one that replaces old is written, nobody else may read it: old may
// be secret.
func createBeside(folder, name string, old fs.FileInfo) (file *os.File, unlock func(), err error) {
	mode := fs.FileMode(0o666)
	if old != nil {
		mode = 0o600
	}
	for {
		beside := fmt.Sprintf("%s.%s.%d.tmp", folder, name, rand.Uint32())
		if file, err = os.OpenFile(beside, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return nil, nil, err
		}
		if unlock, err = lock(file.Name()); err == nil {
			return file, unlock, nil
		}
		if !errors.Is(err, errTaken) { // a file system without locks: nobody will remove anything there
			return file, func() {}, nil
		}
		_ = file.Close() // another writer has taken it for a leftover just now
		_ = os.Remove(file.Name())
	}
}

// removeLeftovers removes the files that createBeside made for name in processes that have ended.
func removeLeftovers(folder, name string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		number, ours := strings.CutPrefix(e.Name(), "."+name+".")
		number, temporary := strings.CutSuffix(number, ".tmp")
		if !ours || !temporary || strings.Trim(number, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		left := folder + e.Name()
		if unlock, err := lock(left); err == nil {
			_ = os.Remove(left)
			unlock()
		}
	}
}
