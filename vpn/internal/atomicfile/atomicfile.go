// Package atomicfile replaces files as a whole: whatever happens, a path holds the old or the new
// content.
package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/internal/files"
)

// Write writes a file beside path, flushes it and renames it to path. First it removes what killed
// processes left there.
func Write(path string, write func(w io.Writer) error) error {
	if err := replace(path, write); err != nil {
		return fault.Errorf(fault.ErrIO, "vpn: cannot write %s: %w", path, err)
	}
	return nil
}

func replace(path string, write func(w io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // root could replace /dev/null
		return errors.New("it is a folder, a device or a pipe, want a file")
	}
	folder, name := filepath.Dir(path), filepath.Base(path)
	removeLeftovers(folder, name)
	file, unlock, err := createBeside(folder, name)
	if err != nil {
		return err
	}
	defer unlock()
	defer os.Remove(file.Name()) // fails once renamed
	err = write(files.LimitedWriter(file))
	if err == nil {
		err = file.Chmod(0o644)
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

// createBeside creates ".model.govpn.1234.tmp" beside model.govpn and locks it.
func createBeside(folder, name string) (file *os.File, unlock func(), err error) {
	for {
		if file, err = os.CreateTemp(folder, "."+name+".*.tmp"); err != nil {
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
		left := filepath.Join(folder, e.Name())
		if unlock, err := lock(left); err == nil {
			_ = os.Remove(left)
			unlock()
		}
	}
}
