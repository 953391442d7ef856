package data

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
)

// ReadIDX reads IDX files as MNIST has them, gzip-compressed or not: uint8 images of shape (N, H,
// W) or (N, H, W, C), and uint8 labels of shape (N). If labels is "", the set has none.
func ReadIDX(images, labels string) (*Dataset, error) {
	pixels, dims, err := readIDX(images, 3, 4)
	if err != nil {
		return nil, err
	}
	if len(dims) == 3 {
		dims = append(dims, 1)
	}
	var o Options
	if labels != "" {
		if o.Labels, err = readIDXLabels(labels, dims[0]); err != nil {
			return nil, err
		}
	}
	d, err := FromUint8(pixels, dims[0], dims[1], dims[2], dims[3], o)
	if err != nil {
		return nil, ofFile(images, err)
	}
	return d, nil
}

func readIDXLabels(path string, n int) ([]int32, error) {
	values, dims, err := readIDX(path, 1, 1)
	if err != nil {
		return nil, err
	}
	if dims[0] != n {
		return nil, Errorf(ErrFormat, "data: %s holds %d labels, want %d: one per image", path, dims[0], n)
	}
	labels := make([]int32, n)
	for i, v := range values {
		labels[i] = int32(v)
	}
	return labels, nil
}

// idxFiles reads o.Images and o.Labels: MNIST, Fashion-MNIST, KMNIST and EMNIST. Plain files can be
// streamed. Compressed files are always read into memory, since nothing in them can be found
// without unpacking what comes before.
//
// Pixels and labels are returned as stored. EMNIST's images are transposed; swap height and width
// to see them upright. The labels of its split "letters" are 1 to 26, so class 0 has no images.
func idxFiles(o OpenOptions) (*found, error) {
	if err := o.uses("images", "labels"); err != nil {
		return nil, err
	}
	if o.Images == "" {
		return nil, argErrorf("images is \"\", want the IDX file of the images")
	}
	return openIDX(o.Images, o.Labels, o.Stream)
}

// openIDX reads the files into memory or, with stream, opens plain files as a source.
func openIDX(images, labels string, stream bool) (*found, error) {
	if stream {
		if f, err := streamIDX(images, labels); f != nil || err != nil {
			return f, err
		}
	}
	d, err := ReadIDX(images, labels)
	if err != nil {
		return nil, err
	}
	return &found{ready: d}, nil
}

// streamIDX opens plain files as a source. It returns nil if the file of images is compressed.
func streamIDX(images, labels string) (f *found, err error) {
	opened, err := OpenRegular(images)
	if err != nil {
		return nil, Errorf(ErrIO, "data: opening an IDX file: %w", err)
	}
	defer func() {
		if f == nil {
			_ = opened.Close()
		}
	}()
	r, limit, zipped, err := decompress(opened)
	if err != nil {
		return nil, readError(images, err)
	}
	if zipped {
		return nil, nil
	}
	dims, size, err := readIDXHeader(r, images, 3, 4, limit)
	if err != nil {
		return nil, err
	}
	header := int64(4 + 4*len(dims))
	switch surplus := limit - header - size; {
	case surplus < 0:
		return nil, truncatedIDX(images, limit-header, size, dims)
	case surplus > 0:
		return nil, surplusIDX(images, size, dims)
	}
	shape := shape3(dims[1:])
	if err := checkSize(dims[0], shape[0], shape[1], shape[2]); err != nil {
		return nil, ofFile(images, err)
	}
	source := &rawFiles{
		header: header,
		shape:  shape,
		files:  []rawFile{{ReaderAt: opened, name: images, count: dims[0], done: opened.Close}},
	}
	found := &found{source: source, count: dims[0], shape: shape}
	if labels != "" {
		if found.labels, err = readIDXLabels(labels, dims[0]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// readIDX reads a whole file of uint8 values that has minRank to maxRank dimensions, none of them
// 0.
func readIDX(path string, minRank, maxRank int) (values []byte, dims []int, err error) {
	file, err := OpenRegular(path)
	if err != nil {
		return nil, nil, Errorf(ErrIO, "data: opening an IDX file: %w", err)
	}
	defer file.Close()
	r, limit, _, err := decompress(file)
	if err != nil {
		return nil, nil, readError(path, err)
	}
	dims, size, err := readIDXHeader(r, path, minRank, maxRank, limit)
	if err != nil {
		return nil, nil, err
	}
	if have := AvailableMemory(); size > have {
		return nil, nil, Errorf(ErrMemory, "data: %s says that it holds %d bytes, %d are available", path, size, have)
	}
	// The buffer grows as data arrive: the header's size may lie.
	content := bytes.NewBuffer(make([]byte, 0, min(size, idxAtOnce)+bytes.MinRead))
	if n, err := io.CopyN(content, r, size); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, nil, truncatedIDX(path, n, size, dims)
	} else if err != nil {
		return nil, nil, readError(path, err)
	}
	switch _, err := r.ReadByte(); { // reading on also checks the checksum at the end of a gzip file
	case err == nil:
		return nil, nil, surplusIDX(path, size, dims)
	case err != io.EOF:
		return nil, nil, readError(path, err)
	}
	return content.Bytes(), dims, nil
}

// idxAtOnce is how much memory is allocated before the contents are there. It is enough for MNIST.
const idxAtOnce = 64 << 20

func truncatedIDX(path string, have, size int64, dims []int) error {
	return Errorf(ErrFormat, "data: %s is truncated: it holds %d of %d values of shape %v", path, have, size, dims)
}

func surplusIDX(path string, size int64, dims []int) error {
	return Errorf(ErrFormat, "data: %s has surplus bytes after the %d values of shape %v", path, size, dims)
}

// decompress returns a reader of the file's contents, an upper bound of their size, and whether the
// file is gzip-compressed.
func decompress(file *os.File) (r *bufio.Reader, limit int64, zipped bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, 0, false, err
	}
	r = bufio.NewReaderSize(file, 1<<16)
	magic, err := r.Peek(2)
	if err != nil {
		return nil, 0, false, err
	}
	if magic[0] != 0x1f || magic[1] != 0x8b {
		return r, info.Size(), false, nil
	}
	unzip, err := gzip.NewReader(r)
	if err != nil {
		return nil, 0, false, err
	}
	return bufio.NewReaderSize(unzip, 1<<16), max(minUnpacked, maxUnpacked*info.Size()), true, nil
}

// readIDXHeader reads two zero bytes, the data type, the number of dimensions, and each dimension
// as a big-endian uint32. size is the number of values; it is an error if there are more than
// limit.
func readIDXHeader(r io.Reader, path string, minRank, maxRank int, limit int64) (dims []int, size int64, err error) {
	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, 0, readError(path, err)
	}
	rank := int(magic[3])
	switch {
	case magic[0] != 0 || magic[1] != 0:
		return nil, 0, Errorf(ErrFormat, "data: %s is not an IDX file: it starts with % x, want 00 00", path, magic[:2])
	case magic[2] != 0x08:
		return nil, 0, Errorf(ErrFormat, "data: %s holds values of IDX type %#02x, want 0x08 (uint8)", path, magic[2])
	case rank < minRank || rank > maxRank:
		return nil, 0, Errorf(ErrFormat, "data: %s has %d dimensions, want %d to %d", path, rank, minRank, maxRank)
	}
	sizes := make([]uint32, rank)
	if err := binary.Read(r, binary.BigEndian, sizes); err != nil {
		return nil, 0, readError(path, err)
	}
	size = 1
	for _, dim := range sizes {
		dims = append(dims, int(dim))
	}
	for _, dim := range dims {
		if dim == 0 || size > math.MaxInt64/int64(dim) {
			return nil, 0, Errorf(ErrFormat, "data: %s has shape %v, want at least 1 and fewer than 2^63 values",
				path, dims)
		}
		size *= int64(dim)
	}
	if size > limit { // before memory is allocated for them
		return nil, 0, Errorf(ErrFormat, "data: %s is truncated: shape %v needs %d bytes, the file holds at most %d",
			path, dims, size, limit)
	}
	return dims, size, nil
}

// readError returns err as an ErrFormat if the file is malformed, and as an ErrIO otherwise.
func readError(path string, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return Errorf(ErrFormat, "data: %s is truncated", path)
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt):
		return Errorf(ErrFormat, "data: %s is damaged: %w", path, err)
	}
	return Errorf(ErrIO, "data: reading %s: %w", path, err)
}
