package data

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/govpn/govpn/internal/fault"
)

// A tar.gz file may unpack to minUnpacked bytes or to maxUnpacked times its own size, whichever is
// more.
const (
	minUnpacked = 1 << 30
	maxUnpacked = 20
)

const maxPath = 1024 // bytes of a name in an archive

// unpack lists the wanted files of the archive t.path.
//
// The files of a tar file stay where they are. The wanted files of a tar.gz file are unpacked once,
// to a temporary file, since nothing in a tar.gz file can be found without unpacking what comes
// before.
//
// The whole archive is refused if a name is absolute or contains "..", or if a wanted file is a
// link, is sparse, or occurs twice.
func (t *tree) unpack(info os.FileInfo, wanted func(string, bool) bool) error {
	if !info.Mode().IsRegular() {
		return argErrorf("path is %q, want a folder, or a tar or tar.gz file", t.path)
	}
	archive, err := OpenRegular(t.path)
	if err != nil {
		return Errorf(ErrIO, "data: opening a data set: %w", err)
	}
	t.archive = archive
	index := &tarIndex{tree: t, wanted: wanted, folders: map[string]bool{}, size: info.Size()}
	var magic [2]byte
	if _, err := io.ReadFull(archive, magic[:]); err != nil {
		return readError(t.path, err)
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return Errorf(ErrIO, "data: reading %s: %w", t.path, err)
	}
	if magic == [2]byte{0x1f, 0x8b} {
		err = index.gzip(archive)
	} else {
		err = index.all(archive, archive)
	}
	if err != nil {
		return err
	}
	for dir := range index.folders {
		t.folders = append(t.folders, dir)
	}
	return t.unique()
}

// unique returns an error if an archive holds a file twice.
func (t *tree) unique() error {
	slices.SortFunc(t.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	for i := 1; i < len(t.files); i++ {
		if t.files[i].path == t.files[i-1].path {
			return Errorf(ErrFormat, "data: %s occurs twice", t.name(t.files[i].path))
		}
	}
	return nil
}

// tarIndex collects the entries of a tar file.
type tarIndex struct {
	tree     *tree
	wanted   func(string, bool) bool
	folders  map[string]bool
	size     int64     // of the archive
	unpacked *tempFile // of a tar.gz file: the wanted files
}

// gzip lists and unpacks a tar.gz file.
func (x *tarIndex) gzip(archive *os.File) error {
	defer archive.Close()
	unzip, err := gzip.NewReader(bufio.NewReaderSize(archive, 1<<16))
	if err != nil {
		return readError(x.tree.path, err)
	}
	if x.unpacked, err = newTempFile(); err != nil {
		return err
	}
	x.tree.archive = x.unpacked
	limited := &limitedReader{r: unzip, left: max(minUnpacked, maxUnpacked*x.size)}
	if err := x.all(limited, nil); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, limited); err != nil { // reads the checksum at the end
		return x.failed(err)
	}
	return x.unpacked.flush()
}

// all lists the entries that r reads. position is the position in a plain tar file, or nil if r
// unpacks a tar.gz file.
func (x *tarIndex) all(r io.Reader, position io.Seeker) error {
	entries := tar.NewReader(r)
	for first := true; ; first = false {
		if err := x.tree.options.cancelled(); err != nil {
			return err
		}
		h, err := entries.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && first && errors.Is(err, tar.ErrHeader) {
			return Errorf(ErrFormat, "data: %s is neither a tar nor a tar.gz file", x.tree.path)
		}
		if err != nil {
			return x.failed(err)
		}
		name, err := x.entry(h)
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		if len(x.tree.files) == maxFiles {
			return Errorf(ErrUnsupported, "data: %s has more than %d files", x.tree.path, maxFiles)
		}
		f := file{path: name, size: h.Size}
		if position != nil {
			if f.offset, err = position.Seek(0, io.SeekCurrent); err != nil {
				return x.failed(err)
			}
			if f.size > x.size-f.offset {
				return x.failed(io.ErrUnexpectedEOF)
			}
		} else {
			f.offset = x.unpacked.size
			if f.offset+f.size > max(minUnpacked, maxUnpacked*x.size) {
				return x.failed(errTooLarge)
			}
			if _, err := io.Copy(x.unpacked, entries); err != nil {
				return x.failed(err)
			}
		}
		x.tree.files = append(x.tree.files, f)
	}
}

// entry returns the path of an entry, or "" if it is not a wanted file.
func (x *tarIndex) entry(h *tar.Header) (string, error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return "", nil
	}
	if len(h.Name) > maxPath || path.IsAbs(h.Name) || slices.Contains(strings.Split(h.Name, "/"), "..") {
		return "", Errorf(ErrFormat,
			"data: %s holds the name %.100q, want relative names without \"..\" of at most %d bytes", x.tree.path,
			h.Name, maxPath)
	}
	name := path.Clean(h.Name)
	if name == "." || slices.ContainsFunc(strings.Split(name, "/"), hidden) {
		return "", nil
	}
	dir := name
	if h.Typeflag != tar.TypeDir {
		dir = path.Dir(name)
	}
	for ; dir != "." && !x.folders[dir]; dir = path.Dir(dir) {
		x.folders[dir] = true
	}
	if len(x.folders) > maxFolders {
		return "", Errorf(ErrUnsupported, "data: %s has more than %d folders", x.tree.path, maxFolders)
	}
	// inner is the path inside a folder that wraps the whole archive.
	_, inner, _ := strings.Cut(name, "/")
	link := h.Typeflag == tar.TypeLink || h.Typeflag == tar.TypeSymlink // may lead to a wanted folder
	wanted := x.wanted(name, false) || inner != "" && x.wanted(inner, false) ||
		link && (x.wanted(name, true) || inner != "" && x.wanted(inner, true))
	if !wanted && (h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeCont) {
		x.tree.pass(name)
	}
	if h.Typeflag == tar.TypeDir || !wanted {
		return "", nil
	}
	if h.Size > maxEncoded {
		return "", Errorf(ErrFormat, "data: %s has %d bytes, want at most %d", x.tree.name(name), h.Size, maxEncoded)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont:
		sparse := false
		for key := range h.PAXRecords {
			sparse = sparse || strings.HasPrefix(key, "GNU.sparse.")
		}
		if !sparse {
			return name, nil
		}
		fallthrough
	case tar.TypeGNUSparse:
		return "", Errorf(ErrUnsupported, "data: %s is a sparse file, want plain files (tar without --sparse)",
			x.tree.name(name))
	case tar.TypeLink, tar.TypeSymlink:
		return "", Errorf(ErrUnsupported,
			"data: %s is a link to %.100q, want plain files (tar --dereference --hard-dereference)",
			x.tree.name(name), h.Linkname)
	}
	return "", nil // a device
}

// failed returns the error that says why an archive could not be read.
func (x *tarIndex) failed(err error) error {
	switch {
	case fault.HasKind(err):
		return err
	case errors.Is(err, errTooLarge):
		return Errorf(ErrFormat, "data: %s unpacks to more than %d bytes and %d times its size", x.tree.path,
			int64(minUnpacked), maxUnpacked)
	case errors.Is(err, tar.ErrHeader), errors.Is(err, tar.ErrInsecurePath):
		return Errorf(ErrFormat, "data: %s is damaged: %w", x.tree.path, err)
	}
	return readError(x.tree.path, err)
}

var errTooLarge = fmt.Errorf("too large")

// limitedReader returns errTooLarge after left bytes.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// unwrap removes the outermost folder from all paths if everything lies in it, as in
// tiny-imagenet-200/train. It does nothing if itself reports that the folder has a meaning of its
// own.
func (t *tree) unwrap(wanted func(path string, folder bool) bool, itself func(dir string) bool) {
	if top := t.childFolders(""); t.root == "" && len(top) == 1 && !itself(top[0]) {
		prefix := top[0] + "/"
		strip := func(p string) string { return strings.TrimPrefix(p, prefix) }
		t.folders = slices.DeleteFunc(t.folders, func(dir string) bool { return dir == top[0] })
		for i := range t.folders {
			t.folders[i] = strip(t.folders[i])
		}
		t.files = slices.DeleteFunc(t.files, func(f file) bool { return !strings.HasPrefix(f.path, prefix) })
		for i := range t.files {
			t.files[i].path = strip(t.files[i].path)
		}
		others := make(map[suffixIn]int, len(t.others))
		for key, n := range t.others {
			if key.folder != top[0] {
				others[suffixIn{strip(key.folder), key.suffix}] = n
			}
		}
		t.others = others
		t.path = path.Join(t.path, top[0])
	}
	t.files = slices.DeleteFunc(t.files, func(f file) bool { return !wanted(f.path, false) })
}
