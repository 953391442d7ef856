package data

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// rawFiles is a source of images of one shape that lie one after another in files. `labels` bytes
// of labels come before each image.
type rawFiles struct {
	files  []rawFile
	header int64 // bytes at the start of each file, before the first image
	labels int
	shape  [3]int // H, W, C
	planar bool   // images are stored as (C, H, W)
	tree   *tree  // the tree that holds the files; nil if there is none
}

type rawFile struct {
	io.ReaderAt
	name  string
	count int
	done  func() error
}

func (r *rawFiles) size() int { return r.shape[0] * r.shape[1] * r.shape[2] }

// at returns the file that holds image i, and the image's index in it.
func (r *rawFiles) at(i int) (rawFile, int) {
	for _, f := range r.files {
		if i < f.count {
			return f, i
		}
		i -= f.count
	}
	panic("data: no such record")
}

func (r *rawFiles) read(i int, buffer []byte) ([]byte, error) {
	f, k := r.at(i)
	size := r.size()
	buffer = slices.Grow(buffer[:0], 2*size)[:2*size]
	offset := r.header + int64(k)*int64(r.labels+size) + int64(r.labels)
	pixels, planes := buffer[:size], buffer[size:]
	if !r.planar {
		planes = pixels
	}
	if n, err := f.ReadAt(planes, offset); n < size {
		return nil, fmt.Errorf("got %d of %d bytes: %w", n, size, bare(err))
	}
	if r.planar {
		interleave(pixels, planes, r.shape[2])
	}
	return pixels, nil
}

// interleave copies c planes to pixels of c channels.
func interleave(pixels, planes []byte, c int) {
	area := len(planes) / c
	for k := range c {
		for i, v := range planes[k*area : (k+1)*area] {
			pixels[i*c+k] = v
		}
	}
}

func (r *rawFiles) name(i int) string {
	f, k := r.at(i)
	return fmt.Sprintf("%s: image %d", f.name, k)
}

func (r *rawFiles) close() error {
	var failed []error
	for _, f := range r.files {
		failed = append(failed, f.done())
	}
	if r.tree != nil {
		failed = append(failed, r.tree.close())
	}
	return errors.Join(failed...)
}

// eachLabel calls visit with the label bytes of each image.
func (r *rawFiles) eachLabel(visit func(i int, labels []byte) error) error {
	labels, next := make([]byte, r.labels), 0
	for _, f := range r.files {
		stride := int64(r.labels + r.size())
		in := bufio.NewReaderSize(io.NewSectionReader(f, r.header, int64(f.count)*stride), 1<<20)
		for range f.count {
			if err := r.tree.options.cancelled(); err != nil {
				return err
			}
			if _, err := io.ReadFull(in, labels); err != nil {
				return readError(f.name, err)
			}
			if err := visit(next, labels); err != nil {
				return err
			}
			next++
			if _, err := in.Discard(r.size()); err != nil {
				return readError(f.name, err)
			}
		}
	}
	return nil
}

// load reads all images into memory.
func (f *found) load() (*found, error) {
	r := f.source.(*rawFiles)
	defer r.close()
	size := r.size()
	pixels := make([]byte, f.count*size)
	buffer := make([]byte, 0, 2*size)
	for i := range f.count {
		image, err := r.read(i, buffer)
		if err != nil {
			return nil, Errorf(ErrIO, "data: %s: %w", r.name(i), err)
		}
		copy(pixels[i*size:], image)
	}
	d, err := FromUint8(pixels, f.count, f.shape[0], f.shape[1], f.shape[2],
		Options{Labels: f.labels, ClassNames: f.names})
	if err != nil {
		return nil, ofFile(r.tree.path, err)
	}
	return &found{ready: d}, nil
}
