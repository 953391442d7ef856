package data

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/govpn/govpn/vpn/data/internal/imaging"
)

const (
	maxFiles   = 1 << 24 // in a folder or archive: ILSVRC2012 has 1.3 million, ImageNet-21k 14 million
	maxFolders = 1 << 18
	maxEncoded = 256 << 20 // bytes of one encoded image
)

// tree lists those files of a folder or archive (archive.go) that a reader wants. It ignores hidden
// files and folders, whose names begin with ".", and the folders that macOS adds to archives. In a
// folder it follows symbolic links, since many data sets are folders of links.
type tree struct {
	options OpenOptions
	path    string // as the caller gave it, for error messages
	root    string // its absolute path, since the caller may change the working folder; "" for an archive
	archive readAtCloser
	folders []string // all that were seen, sorted; also those without wanted files
	files   []file   // sorted by path
	others  map[suffixIn]int
	skipped []string // links that lead nowhere, with the reason
}

// suffixIn is a folder and a suffix in lower case: tree.others counts by it the files that are not
// wanted.
type suffixIn struct{ folder, suffix string }

// file is a file of a tree. It is small, since there may be millions.
type file struct {
	path         string // relative, with "/"
	offset, size int64  // of its contents in the archive
}

type readAtCloser interface {
	io.ReaderAt
	io.Closer
}

// openTree lists the wanted files in o.Path: a folder, tar or tar.gz file. It does not enter
// folders that are not wanted.
func openTree(o OpenOptions, wanted func(path string, folder bool) bool) (*tree, error) {
	name := o.Path
	if name == "" {
		return nil, argErrorf("path is \"\", want a folder, or a tar or tar.gz file")
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, Errorf(ErrIO, "data: opening a data set: %w", err)
	}
	t := &tree{path: name, options: o, others: map[suffixIn]int{}}
	if info.IsDir() {
		if t.root, err = filepath.Abs(name); err != nil {
			return nil, Errorf(ErrIO, "data: opening a data set: %w", err)
		}
		err = t.walk(".", []os.FileInfo{info}, wanted)
	} else {
		err = t.unpack(info, wanted)
	}
	if err != nil {
		_ = t.close()
		return nil, err
	}
	slices.Sort(t.folders)
	slices.SortFunc(t.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return t, nil
}

// walk lists the folder dir. above holds all folders around it, and dir itself last.
func (t *tree) walk(dir string, above []os.FileInfo, wanted func(string, bool) bool) error {
	if err := t.options.cancelled(); err != nil {
		return err
	}
	entries, err := os.ReadDir(t.absolute(dir))
	if err != nil {
		return Errorf(ErrIO, "data: listing %s: %w", t.name(dir), bare(err))
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		p := path.Join(dir, e.Name())
		kind := e.Type()
		var info os.FileInfo
		if kind == fs.ModeSymlink {
			if info, err = os.Stat(t.absolute(p)); err != nil {
				err = Errorf(ErrFormat, "data: %s is a symbolic link that leads nowhere: %w", t.name(p), bare(err))
				if !t.options.SkipBroken {
					return err
				}
				t.skipped = append(t.skipped, err.Error())
				continue
			}
			kind = info.Mode().Type()
		}
		switch {
		case kind.IsRegular() && wanted(p, false):
			if len(t.files) == maxFiles {
				return Errorf(ErrUnsupported, "data: %s has more than %d files", t.path, maxFiles)
			}
			t.files = append(t.files, file{path: p})
		case kind.IsRegular():
			t.pass(p)
		case kind.IsDir():
			if len(t.folders) == maxFolders {
				return Errorf(ErrUnsupported,
					"data: %s has more than %d folders, or symbolic links that lead to them again and again", t.path,
					maxFolders)
			}
			t.folders = append(t.folders, p)
			if !wanted(p, true) {
				continue
			}
			if info == nil {
				if info, err = e.Info(); err != nil {
					return Errorf(ErrIO, "data: listing %s: %w", t.name(p), bare(err))
				}
			}
			if slices.ContainsFunc(above, func(i os.FileInfo) bool { return os.SameFile(i, info) }) {
				return Errorf(ErrFormat, "data: %s is a symbolic link to a folder that it lies in", t.name(p))
			}
			if err := t.walk(p, append(above, info), wanted); err != nil {
				return err
			}
		}
	}
	return nil
}

// hidden reports whether a file or folder with this name is ignored without a word.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }

// pass counts a file that is not wanted.
func (t *tree) pass(p string) {
	switch strings.ToLower(path.Base(p)) {
	case "thumbs.db", "desktop.ini": // Windows writes them into folders of pictures
		return
	}
	if key := (suffixIn{path.Dir(p), strings.ToLower(path.Ext(p))}); t.others[key] > 0 || len(t.others) < maxFolders {
		t.others[key]++
	}
}

// absolute returns the path by which the system finds p.
func (t *tree) absolute(p string) string { return filepath.Join(t.root, filepath.FromSlash(p)) }

// name returns the full path of p, for error messages.
func (t *tree) name(p string) string { return path.Join(t.path, p) }

// bare returns the cause of a file error without operation and path. The caller's message names the
// path.
func bare(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// open returns a reader of a file's contents and their size. The caller must call done.
func (t *tree) open(f *file) (r io.ReaderAt, size int64, done func() error, err error) {
	if t.root == "" {
		return io.NewSectionReader(t.archive, f.offset, f.size), f.size, func() error { return nil }, nil
	}
	opened, err := os.OpenFile(t.absolute(f.path), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would block
	if err != nil {
		return nil, 0, nil, bare(err)
	}
	info, err := opened.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no longer a regular file")
	}
	if err != nil {
		_ = opened.Close()
		return nil, 0, nil, bare(err)
	}
	return opened, info.Size(), opened.Close, nil
}

// read returns the contents of a file of at most limit bytes, in buffer if they fit.
func (t *tree) read(f *file, limit int64, buffer []byte) ([]byte, error) {
	r, size, done, err := t.open(f)
	if err != nil {
		return nil, err
	}
	defer done()
	if size > limit {
		return nil, fmt.Errorf("has %d bytes, want at most %d: %w", size, limit, imaging.ErrLimit)
	}
	buffer = slices.Grow(buffer[:0], int(size))[:size]
	if n, err := r.ReadAt(buffer, 0); n < len(buffer) {
		return nil, fmt.Errorf("got %d of %d bytes: %w", n, size, bare(err))
	}
	return buffer, nil
}

func comparePath(f file, p string) int { return strings.Compare(f.path, p) }

// text returns the contents of the text file p. ok is false if there is none.
func (t *tree) text(p string) (text string, ok bool, err error) {
	i, ok := slices.BinarySearchFunc(t.files, p, comparePath)
	if !ok {
		return "", false, nil
	}
	content, err := t.read(&t.files[i], maxText, nil)
	if err != nil {
		return "", true, Errorf(ErrFormat, "data: %s: %w", t.name(p), err)
	}
	if utf16 := bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")); utf16 {
		return "", true, Errorf(ErrFormat, "data: %s is text in UTF-16, want UTF-8", t.name(p))
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // a byte order mark, such as Windows writes
	return string(content), true, nil
}

// maxText is the most bytes of a text file of names or labels. Tiny ImageNet's words.txt has 2.6
// MB.
const maxText = 64 << 20

func (t *tree) close() error {
	if t.archive != nil {
		return t.archive.Close()
	}
	return nil
}

// childFolders returns the names of the folders directly in dir ("": the root).
func (t *tree) childFolders(dir string) []string {
	prefix := ""
	if dir != "" {
		prefix = dir + "/"
	}
	var names []string
	for _, f := range t.folders {
		if rest, ok := strings.CutPrefix(f, prefix); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	return names
}

// treeSource is a source of images that are files of a tree.
type treeSource struct {
	tree  *tree
	files []file
}

func (s *treeSource) read(i int, buffer []byte) ([]byte, error) {
	return s.tree.read(&s.files[i], maxEncoded, buffer)
}
func (s *treeSource) name(i int) string { return s.tree.name(s.files[i].path) }
func (s *treeSource) close() error      { return s.tree.close() }
