package data

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/govpn/govpn/vpn/data/internal/imaging"
)

// The default columns, in the order in which they are looked for.
var (
	imageColumns = []string{"image", "images", "img", "pixels"}
	labelColumns = []string{"label", "labels", "y", "fine_label"}
)

// table collects the rows of Arrow or Parquet files. Encoded images are copied to a temporary file;
// pixels stay in memory. All files must have the same kind of images.
type table struct {
	options OpenOptions
	path    string   // of the file that is being read
	files   []string // read so far, with the present one
	first   []int    // index of each file's first row
	rows    int

	size, unpacked int64 // bytes of the present file, and of its encoded images

	encoded *tempFile // encoded images; nil if there are none so far
	ends    []int64   // where each image ends in that file

	labelled   bool
	labels     []int32 // of the files read so far; fileLabels: of the present file
	fileLabels []int32
	names      []string         // of the classes
	numberOf   map[string]int32 // the class of each name; used if fixed
	fixed      bool             // names are given by the caller or the file
	strings    map[string]int32 // labels that are plain strings, numbered in order of first use

	missing map[int]string // rows without an image that SkipBroken leaves out later, and why

	tensors column // images that are pixels
	omitted []int  // rows of the present file without pixels, which SkipBroken has left out
	skipped []string
	free    []func()
}

// readTables calls read for each of the files that o selects, in order.
func readTables(o OpenOptions, suffix string, read func(t *table, f *os.File) error) (*found, error) {
	if err := o.uses("path", "split", "image_column", "label_column"); err != nil {
		return nil, err
	}
	paths, err := tableFiles(o, suffix)
	if err != nil {
		return nil, err
	}
	t := &table{options: o, names: slices.Clone(o.ClassNames), fixed: len(o.ClassNames) > 0}
	for _, path := range paths {
		if err := t.readFile(path, read); err != nil {
			t.close()
			return nil, err
		}
	}
	f, err := t.found()
	if err != nil {
		t.close()
	}
	return f, err
}

// tableFiles returns o.Path if it is a file. If it is a folder, tableFiles returns the files with
// the suffix in it or, if there are none, in its folder "data". With a split, it returns those
// whose names begin with the split's, such as train-00000-of-00002.parquet.
func tableFiles(o OpenOptions, suffix string) ([]string, error) {
	if inner, err := os.Stat(filepath.Join(o.Path, o.Split)); err == nil && inner.IsDir() && filepath.IsLocal(o.Split) {
		o.Path, o.Split = filepath.Join(o.Path, o.Split), "" // the layout of Hugging Face's save_to_disk
	}
	info, err := os.Stat(o.Path)
	switch {
	case o.Path == "":
		return nil, argErrorf("path is \"\", want a file or a folder of files *%s", suffix)
	case err != nil:
		return nil, Errorf(ErrIO, "data: opening a data set: %w", err)
	case info.Mode().IsRegular() && o.Split != "":
		return nil, argErrorf("split is %q, which needs a folder as path; %s is a file", o.Split, o.Path)
	case info.Mode().IsRegular():
		return []string{o.Path}, nil
	}
	for _, dir := range []string{o.Path, filepath.Join(o.Path, "data")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, Errorf(ErrIO, "data: opening a data set: %w", err)
		}
		var paths, all []string
		for _, e := range entries {
			name := e.Name()
			if e.IsDir() || strings.HasPrefix(name, ".") || !strings.HasSuffix(strings.ToLower(name), suffix) {
				continue
			}
			all = append(all, name)
			if rest, ok := strings.CutPrefix(name, o.Split); ok &&
				(o.Split == "" || strings.ContainsAny(rest[:1], "-._")) {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
		if len(paths) > 0 {
			return paths, nil
		}
		if len(all) > 0 {
			return nil, argErrorf("split is %q, want what the name of a file in %s begins with: %.300q", o.Split, dir,
				all)
		}
	}
	return nil, Errorf(ErrFormat, "data: %s holds no files *%s, nor does its folder data", o.Path, suffix)
}

// readFile reads one more file. If a library panics on a damaged file, that is an error too.
func (t *table) readFile(path string, read func(t *table, f *os.File) error) (err error) {
	f, err := OpenRegular(path)
	if err != nil {
		return Errorf(ErrIO, "data: opening a data set: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Errorf(ErrIO, "data: opening a data set: %w", err)
	}
	if !info.Mode().IsRegular() {
		return argErrorf("%s is not a regular file", path)
	}
	t.path, t.size, t.unpacked, t.fileLabels, t.omitted = path, info.Size(), 0, nil, nil
	t.files, t.first = append(t.files, path), append(t.first, t.rows)
	defer func() {
		if p := recover(); p != nil {
			err = t.failed(fmt.Errorf("is damaged: %v", p))
		}
	}()
	if err := read(t, f); err != nil {
		return t.failed(err)
	}
	if rows := t.row(); t.labelled && len(t.fileLabels) != rows {
		return t.failed(fmt.Errorf("has %d labels for %d images", len(t.fileLabels), rows))
	}
	for i, row := range t.omitted {
		if t.labelled {
			t.fileLabels = slices.Delete(t.fileLabels, row-i, row-i+1)
		}
	}
	t.labels = append(t.labels, t.fileLabels...)
	return nil
}

// failed adds the file's name to an error, and a kind if it has none.
func (t *table) failed(err error) error {
	kind := ErrFormat
	for _, k := range []error{ErrIO, ErrMemory, ErrUnsupported, ErrCancelled} {
		if errors.Is(err, k) {
			kind = k
		}
	}
	return Errorf(kind, "data: %s: %s", t.path, strings.TrimPrefix(err.Error(), "data: "))
}

// row returns the index in the present file of the next image.
func (t *table) row() int { return t.rows - t.first[len(t.first)-1] + len(t.omitted) }

// addMissing adds an encoded image that is not there. With SkipBroken it is left out like one that
// does not decode; otherwise it is an error. why follows the name of the row.
func (t *table) addMissing(why string) error {
	if !t.options.SkipBroken {
		return fmt.Errorf("row %d %s", t.row(), why)
	}
	if t.missing == nil {
		t.missing = map[int]string{}
	}
	t.missing[t.rows] = why
	return t.append(nil)
}

// omit leaves out a row of the present file that should have pixels, or returns an error. why
// follows the name of the row.
func (t *table) omit(row int, why string) error {
	if !t.options.SkipBroken {
		return fmt.Errorf("row %d %s", row, why)
	}
	if len(t.skipped) == maxFiles {
		return Errorf(ErrUnsupported, "there are more than %d images", maxFiles)
	}
	t.skipped = append(t.skipped, fmt.Sprintf("data: %s: row %d %s", t.path, row, why))
	t.omitted = append(t.omitted, row)
	return nil
}

// add copies an encoded image to the temporary file.
func (t *table) add(image []byte) error {
	if err := t.options.cancelled(); err != nil {
		return err
	}
	switch {
	case len(image) == 0:
		return t.addMissing("has an image of 0 bytes")
	case len(image) > maxEncoded:
		return t.addMissing(fmt.Sprintf("has an image of %d bytes, want at most %d", len(image), maxEncoded))
	}
	return t.append(image)
}

// append appends the bytes of an image to the temporary file.
func (t *table) append(image []byte) (err error) {
	switch {
	case t.rows == maxFiles:
		return Errorf(ErrUnsupported, "there are more than %d images", maxFiles)
	case t.tensors.arrays != nil:
		return fmt.Errorf("has encoded images, the file before it pixels")
	}
	if t.encoded == nil {
		if t.encoded, err = newTempFile(); err != nil {
			return err
		}
	}
	if t.unpacked += int64(len(image)); t.unpacked > max(minUnpacked, maxUnpacked*t.size) {
		return fmt.Errorf("unpacks to more than %d bytes and %d times its size", int64(minUnpacked), maxUnpacked)
	}
	if _, err := t.encoded.Write(image); err != nil {
		return err
	}
	t.ends = append(t.ends, t.encoded.size)
	t.rows++
	return nil
}

// found returns what all files hold.
func (t *table) found() (*found, error) {
	switch {
	case t.rows == 0 && len(t.skipped) > 0:
		return nil, Errorf(ErrFormat, "data: none of the %d images can be read, the first: %s", len(t.skipped),
			strings.TrimPrefix(t.skipped[0], "data: "))
	case t.rows == 0:
		return nil, Errorf(ErrFormat, "data: %s holds no rows, want at least 1 image", t.options.Path)
	}
	if !t.labelled || !slices.ContainsFunc(t.labels, func(y int32) bool { return y != noLabel }) {
		t.labels = nil
	}
	if t.strings != nil {
		t.sortNames()
	}
	if t.tensors.arrays != nil {
		return t.inMemory()
	}
	if err := t.encoded.flush(); err != nil {
		return nil, err
	}
	if _, err := checkLabels(t.labels, t.names, t.rows); err != nil {
		return nil, ofFile(t.options.Path, err)
	}
	return &found{source: &tableSource{table: t}, count: t.rows, labels: t.labels, names: t.names}, nil
}

// inMemory returns the set of images that are pixels.
func (t *table) inMemory() (*found, error) {
	d, err := t.tensors.dataset(nil, Options{Labels: t.labels, ClassNames: t.names, Release: t.close})
	if err != nil {
		return nil, ofFile(t.options.Path, err)
	}
	return &found{ready: d, skipped: t.skipped}, nil
}

func (t *table) close() {
	for _, free := range t.free {
		free()
	}
	t.free = nil
	if t.encoded != nil {
		_ = t.encoded.Close()
	}
}

// pickColumn returns the index of the column called name or, if name is "", of the first default
// that exists. It returns -1 if there is none.
func pickColumn(names []string, option, name string, defaults []string) (int, error) {
	wanted := defaults
	if name != "" {
		wanted = []string{name}
	}
	for _, w := range wanted {
		i := slices.Index(names, w)
		if i < 0 {
			continue
		}
		if slices.Contains(names[i+1:], w) {
			return 0, fmt.Errorf("has two columns called %q", w)
		}
		return i, nil
	}
	if name != "" {
		return 0, fmt.Errorf("%s is %q, want one of the columns %.500q", option, name, names)
	}
	return -1, nil
}

// columns returns the indices of the columns of images and labels. label is -1 if there is none.
func (t *table) columns(names []string) (image, label int, err error) {
	if image, err = pickColumn(names, "image_column", t.options.ImageColumn, imageColumns); err != nil {
		return 0, 0, err
	}
	if image < 0 {
		return 0, 0, fmt.Errorf("has the columns %.500q, want one of images: give image_column", names)
	}
	if label, err = pickColumn(names, "label_column", t.options.LabelColumn, labelColumns); err != nil {
		return 0, 0, err
	}
	if len(t.files) > 1 && t.labelled != (label >= 0) {
		return 0, 0, errors.New("differs from the file before it in whether it has labels")
	}
	t.labelled = label >= 0
	return image, label, nil
}

// tableSource is a source of the encoded images of tables.
type tableSource struct{ table *table }

func (s *tableSource) read(i int, buffer []byte) ([]byte, error) {
	if why, ok := s.table.missing[i]; ok {
		return nil, fmt.Errorf("%w: the row %s", imaging.ErrFormat, why)
	}
	start := int64(0)
	if i > 0 {
		start = s.table.ends[i-1]
	}
	size := int(s.table.ends[i] - start)
	buffer = slices.Grow(buffer[:0], size)[:size]
	if n, err := s.table.encoded.ReadAt(buffer, start); n < size {
		return nil, fmt.Errorf("got %d of %d bytes: %w", n, size, bare(err))
	}
	return buffer, nil
}

func (s *tableSource) name(i int) string {
	k, _ := slices.BinarySearch(s.table.first, i+1)
	k-- // the last file whose first row is i or before
	return fmt.Sprintf("%s: row %d", s.table.files[k], i-s.table.first[k])
}

func (s *tableSource) close() error { return s.table.encoded.Close() }
