// Package data holds images and labels. A data set is built from memory, Arrow arrays or files, can
// be split into views, and is sent to a device once.
//
// The pixels are copied only if they must be. [Info] reports how many bytes were copied, and why.
package data

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
)

// MaxClasses is the most classes that a set may have. A stray label is then an error, not an
// attempt to build an enormous model.
const MaxClasses = 1 << 16

// Dataset is an immutable set of images of shape (N, H, W, C). Pixels are uint8 (0..255) or float32
// ([0, 1]). Labels are optional: int32 of shape (N), or soft labels of shape (N, K). The pixels may
// be foreign memory (Arrow arrays, lent memory). They are sent to a device once
// ([Dataset.OnDevice]), and batches are gathered there by index.
//
// Subset, WithLabels, WithWeights, Share and Split return views. Views share the pixels, and each
// must be closed. All methods may be called from any goroutine.
type Dataset struct {
	store   *storage
	indices []int32   // of the view's images in the storage; nil: all images, in order
	labels  []int32   // of the view's images; nil: unlabelled
	soft    []float32 // of the view's images, (N, classes); nil: labels are classes
	weights []float32 // of the view's images; nil: all equal
	names   []string
	classes int
	closed  atomic.Bool
}

// Info describes a data set. In C it is the JSON that govpn_data_info returns.
type Info struct {
	Images     int      `json:"images"`
	Height     int      `json:"height"`
	Width      int      `json:"width"`
	Channels   int      `json:"channels"`
	DType      string   `json:"dtype"` // "uint8" or "float32"
	Labelled   bool     `json:"labelled"`
	Classes    int      `json:"classes"`
	ClassNames []string `json:"class_names"`
	// BytesCopied counts the copies made by the import and by transfers to devices, of the whole
	// storage.
	BytesCopied int64  `json:"bytes_copied"`
	Why         string `json:"why"`      // the reasons for the copies; "" if there were none
	Streamed    bool   `json:"streamed"` // the images are decoded while they are used
	// MemoryBytes is the host memory of the pixels or, of a stream, the most that its queue has
	// held.
	MemoryBytes int64    `json:"memory_bytes"`
	Skipped     []string `json:"skipped"`     // broken images that were left out, each with the reason
	Warnings    []string `json:"warnings"`    // what else is left out: files that are no images
	SoftLabels  bool     `json:"soft_labels"` // the labels are probabilities
	Weighted    bool     `json:"weighted"`    // the images have weights
}

// Options are what a data set may have besides its images.
type Options struct {
	Labels []int32 // one per image, in 0..MaxClasses-1; kept without a copy
	// SoftLabels are used in place of Labels: probabilities of shape (N, K), row-major, at least 0.
	// The sum of each row must be within 0.001 of 1. Rows whose sums differ from 1 by more than
	// rounding are divided by their sums, in a copy; otherwise the slice is kept.
	SoftLabels []float32
	ClassNames []string // one per class
	Release    func()   // called exactly once, when the last view is closed; never if there is an error
}

// FromUint8 makes a data set of n images of h×w×c values in 0..255, in the order (n, h, w, c). It
// keeps pixels without a copy.
func FromUint8(pixels []uint8, n, h, w, c int, o Options) (*Dataset, error) {
	if err := checkShape(len(pixels), n, h, w, c); err != nil {
		return nil, err
	}
	return newDataset(&storage{n: n, h: h, w: w, c: c, dtype: dtypes.Uint8, u8: pixels}, o)
}

// FromFloat32 makes a data set of n images of h×w×c values in [0, 1], in the order (n, h, w, c). It
// keeps pixels without a copy. If a value is NaN, infinite or outside [0, 1], the error names the
// first such value.
func FromFloat32(pixels []float32, n, h, w, c int, o Options) (*Dataset, error) {
	if err := checkShape(len(pixels), n, h, w, c); err != nil {
		return nil, err
	}
	if err := checkPixels(pixels, h, w, c); err != nil {
		return nil, err
	}
	return newDataset(&storage{n: n, h: h, w: w, c: c, dtype: dtypes.Float32, f32: pixels}, o)
}

// FromTensor makes a data set of lent memory: a uint8 or float32 tensor of shape (N, H, W, C) that
// the caller may change between uses. On the tensor's own backend nothing is copied. float32 pixels
// are checked at each use. The tensor belongs to the caller, who may finalize it in
// Options.Release.
func FromTensor(images *tensors.Tensor, o Options) (*Dataset, error) {
	if images == nil || !images.Ok() {
		return nil, argErrorf("images is nil or finalized, want a tensor of shape (N, H, W, C)")
	}
	shape := images.Shape()
	if shape.Rank() != 4 || (shape.DType != dtypes.Uint8 && shape.DType != dtypes.Float32) {
		return nil, argErrorf("images is %s, want (Uint8) or (Float32) of shape [N, H, W, C]", shape)
	}
	d := shape.Dimensions
	if err := checkShape(shape.Size(), d[0], d[1], d[2], d[3]); err != nil {
		return nil, err
	}
	s := &storage{n: d[0], h: d[1], w: d[2], c: d[3], dtype: shape.DType, tensor: images}
	if images.IsShared() || images.IsOnAnyDevice() {
		s.home, _ = images.Backend()
	}
	return newDataset(s, o)
}

// newDataset checks the options and returns the first view of a storage.
func newDataset(s *storage, o Options) (*Dataset, error) {
	d := &Dataset{store: s}
	var err error
	switch {
	case o.SoftLabels == nil:
		err = d.setLabels(o.Labels, o.ClassNames, s.n)
	case o.Labels != nil:
		err = argErrorf("Labels and SoftLabels are both given, want one of them")
	default:
		err = d.setSoftLabels(o.SoftLabels, o.ClassNames, s.n)
	}
	if err != nil {
		return nil, err
	}
	s.refs, s.release = 1, o.Release
	return d, nil
}

// setLabels checks and sets the labels of a view of n images.
func (d *Dataset) setLabels(labels []int32, names []string, n int) error {
	classes, err := checkLabels(labels, names, n)
	if err != nil {
		return err
	}
	d.labels, d.names, d.classes = labels, slices.Clone(names), classes
	return nil
}

// Len returns the number of images in this view.
func (d *Dataset) Len() int {
	if d.indices != nil {
		return len(d.indices)
	}
	return d.store.n
}

// Shape returns the height, width and number of channels of every image.
func (d *Dataset) Shape() (h, w, c int) { return d.store.h, d.store.w, d.store.c }

// DType returns the type of the pixels: Uint8 or Float32.
func (d *Dataset) DType() dtypes.DType { return d.store.dtype }

// Streamed reports whether images are decoded while they are used ([OpenOptions.Stream]).
func (d *Dataset) Streamed() bool { return d.store.origin != nil }

// Pixels returns the pixels of a set in memory, of shape (N, H, W, C), as one of two types. Both
// are nil for a stream, a subset and lent memory. They must not be changed.
func (d *Dataset) Pixels() (u8 []uint8, f32 []float32) {
	if d.indices != nil {
		return nil, nil
	}
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	return d.store.u8, d.store.f32
}

// storageIndex returns the index in the storage of image i of this view.
func (d *Dataset) storageIndex(i int) int {
	if d.indices != nil {
		return int(d.indices[i])
	}
	return i
}

// Labels returns the labels of this view's images, in order, or nil if they have none. They must
// not be changed.
func (d *Dataset) Labels() []int32 { return d.labels }

// Classes returns the number of class names if there are any, otherwise the largest label + 1. It
// is 0 for a set without labels and names. A subset has the number of classes of the set it was
// taken from.
func (d *Dataset) Classes() int { return d.classes }

// ClassNames returns the names of the classes, or nil if they are not known.
func (d *Dataset) ClassNames() []string { return slices.Clone(d.names) }

// Indices returns the indices of this view's images in the shared storage ([Dataset.OnDevice]). nil
// means all images, in order. They must not be changed.
func (d *Dataset) Indices() []int32 { return d.indices }

// WithLabels returns a view of the same images with other labels and class names: one label for
// each image of this view, or nil for none.
func (d *Dataset) WithLabels(labels []int32, names []string) (*Dataset, error) {
	v := &Dataset{store: d.store, indices: d.indices, weights: d.weights}
	if err := v.setLabels(labels, names, d.Len()); err != nil {
		return nil, err
	}
	return d.attach(v)
}

// Subset returns a view of the images with these indices in this view, in that order. An index may
// occur more than once. No pixel is copied.
func (d *Dataset) Subset(indices []int32) (*Dataset, error) {
	if len(indices) == 0 {
		return nil, argErrorf("indices is empty, want at least 1 image")
	}
	n := d.Len()
	v := &Dataset{store: d.store, names: d.names, classes: d.classes, indices: make([]int32, len(indices))}
	if d.labels != nil {
		v.labels = make([]int32, len(indices))
	}
	if d.weights != nil {
		v.weights = make([]float32, len(indices))
	}
	for i, k := range indices {
		if k < 0 || int(k) >= n {
			return nil, argErrorf("indices[%d] is %d, want 0..%d", i, k, n-1)
		}
		if d.labels != nil {
			v.labels[i] = d.labels[k]
		}
		if d.weights != nil {
			v.weights[i] = d.weights[k]
		}
		if d.indices != nil {
			k = d.indices[k]
		}
		v.indices[i] = k
	}
	var err error
	if v.soft, err = d.softLabelsOf(indices); err != nil {
		return nil, err
	}
	return d.attach(v)
}

// Share returns another view of the same images, labels and weights. While it is open it keeps the
// pixels and their device memory alive, even if d is closed. A computation holds one for as long as
// it runs.
func (d *Dataset) Share() (*Dataset, error) { return d.attach(d.view()) }

// view returns a copy of d that does not count yet as a view of the storage: see attach.
func (d *Dataset) view() *Dataset {
	return &Dataset{
		store:   d.store,
		indices: d.indices,
		labels:  d.labels,
		soft:    d.soft,
		weights: d.weights,
		names:   d.names,
		classes: d.classes,
	}
}

// attach counts v as an open view of d's storage.
func (d *Dataset) attach(v *Dataset) (*Dataset, error) {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if d.closed.Load() {
		return nil, errClosed()
	}
	d.store.refs++
	return v, nil
}

// Info describes this view. The bytes copied are those of the storage, which all views share.
func (d *Dataset) Info() Info {
	s := d.store
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Clone(d.names)
	if names == nil {
		names = []string{}
	}
	return Info{
		Images:      d.Len(),
		Height:      s.h,
		Width:       s.w,
		Channels:    s.c,
		DType:       strings.ToLower(s.dtype.String()),
		Labelled:    d.labels != nil,
		Classes:     d.classes,
		ClassNames:  names,
		BytesCopied: s.copied,
		Why:         strings.Join(s.why, "; "),
		Streamed:    d.Streamed(),
		MemoryBytes: s.memory(),
		Skipped:     append([]string{}, s.skipped...),
		Warnings:    append([]string{}, s.warnings...),
		SoftLabels:  d.soft != nil,
		Weighted:    d.weights != nil,
	}
}

func errClosed() error { return argErrorf("the data set is closed") }
