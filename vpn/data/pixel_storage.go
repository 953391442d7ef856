package data

import (
	"context"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// storage holds what all views of a data set share: the pixels, in one of four forms, and their
// copies on devices.
type storage struct {
	n, h, w, c int
	dtype      dtypes.DType    // Uint8 or Float32
	u8         []uint8         // host pixels, 0..255
	f32        []float32       // host pixels, [0, 1]
	tensor     *tensors.Tensor // lent memory
	home       compute.Backend // backend of the lent memory; nil if it is host memory
	origin     *origin         // of a streamed set; nil if the pixels are in memory
	skipped    []string        // broken images that were left out, each with the reason
	warnings   []string        // what else the caller should know

	mu      sync.Mutex
	refs    int // open views
	uploads map[compute.Backend]*tensors.Tensor
	release func()
	copied  int64    // bytes copied so far
	why     []string // the distinct reasons for copies
}

// recordCopy adds a copy to [Info].
func (s *storage) recordCopy(bytes int64, why string) {
	s.copied += bytes
	if !slices.Contains(s.why, why) {
		s.why = append(s.why, why)
	}
}

// OnDevice returns all images of the storage, of shape (N, H, W, C) and in their own dtype, on the
// backend's first device. The images of this view are those at [Dataset.Indices].
//
// The images are sent once per backend and belong to the data set. Do not donate or finalize them,
// and keep a view open ([Dataset.Share]) while they are in use.
//
// Lent memory ([FromTensor]) is returned as it is on its own backend. To another backend it is sent
// at each call, since the caller may have changed it. A streamed set is never on a device as a
// whole: use [Dataset.Batches].
func (d *Dataset) OnDevice(backend compute.Backend) (images *tensors.Tensor, err error) {
	if backend == nil {
		return nil, argErrorf("backend is nil")
	}
	s := d.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.closed.Load() {
		return nil, errClosed()
	}
	if s.origin != nil {
		return nil, Errorf(ErrUnsupported, "data: the set is streamed, and never on the device as a whole: use Batches")
	}
	if s.tensor != nil {
		return s.lent(backend)
	}
	if t := s.uploads[backend]; t != nil {
		return t, nil
	}
	var flat any = s.u8
	if s.f32 != nil {
		flat = s.f32
	}
	images, err = s.upload(backend, flat, s.shape())
	if err != nil {
		return nil, err
	}
	if s.uploads == nil {
		s.uploads = map[compute.Backend]*tensors.Tensor{}
	}
	s.uploads[backend] = images
	return images, nil
}

func (s *storage) shape() shapes.Shape { return shapes.Make(s.dtype, s.n, s.h, s.w, s.c) }

// memory returns how many bytes of host memory the pixels take.
func (s *storage) memory() int64 {
	if s.origin != nil {
		s.origin.pool.mu.Lock()
		defer s.origin.pool.mu.Unlock()
		return s.origin.pool.most
	}
	return s.shape().ByteSize()
}

// upload copies pixels to the backend. There is no other copy: both the pure-Go backend and XLA
// read the slice in place.
func (s *storage) upload(backend compute.Backend, flat any, shape shapes.Shape) (*tensors.Tensor, error) {
	buffer, err := backend.BufferFromFlatData(0, flat, shape)
	if err != nil {
		return nil, Errorf(ErrDevice, "data: sending %s to the device (%s): %w", shape, backend.Name(), err)
	}
	images, err := tensors.FromBuffer(buffer)
	if err != nil {
		return nil, Errorf(ErrDevice, "data: sending %s to the device (%s): %w", shape, backend.Name(), err)
	}
	s.recordCopy(shape.ByteSize(), "sent to the device ("+backend.Name()+")")
	return images, nil
}

// lent returns the lent tensor on its own backend, or a new copy on another backend. The storage
// does not keep the copy.
func (s *storage) lent(backend compute.Backend) (images *tensors.Tensor, err error) {
	if !s.tensor.Ok() {
		return nil, argErrorf("the lent memory was freed before the data set was closed")
	}
	images = s.tensor
	read := func(flat any) {
		if pixels, ok := flat.([]float32); ok {
			if err = checkPixels(pixels, s.h, s.w, s.c); err != nil {
				return
			}
		}
		if s.home != backend {
			images, err = s.upload(backend, flat, s.shape())
		}
	}
	if s.home == backend && s.dtype != dtypes.Float32 {
		return images, nil
	}
	if readErr := s.tensor.ConstFlatData(read); readErr != nil {
		return nil, Errorf(ErrDevice, "data: reading the lent memory: %w", readErr)
	}
	if err != nil {
		return nil, err
	}
	return images, nil
}

// onHost calls read with all pixels in host memory: []uint8 or []float32.
func (s *storage) onHost(read func(flat any)) error {
	switch {
	case s.u8 != nil:
		read(s.u8)
	case s.f32 != nil:
		read(s.f32)
	case s.tensor == nil || !s.tensor.Ok():
		return argErrorf("the lent memory was freed before the data set was closed")
	default:
		if err := s.tensor.ConstFlatData(read); err != nil {
			return Errorf(ErrDevice, "data: reading the lent memory: %w", err)
		}
	}
	return nil
}

// Image returns a host copy of image i of this view: (H, W, C) with values in [0, 1]. It returns
// nil if i is out of range, the set is closed, or the image cannot be decoded.
func (d *Dataset) Image(i int) []float32 {
	if i < 0 || i >= d.Len() {
		return nil
	}
	batches, err := d.Batches(context.Background(), BatchOptions{Order: []int32{int32(i)}, Size: 1})
	if err != nil {
		return nil
	}
	defer batches.Close()
	batch, err := batches.Next()
	if err != nil {
		return nil
	}
	if batch.Float32 != nil {
		return slices.Clone(batch.Float32)
	}
	out := make([]float32, len(batch.Uint8))
	for j, p := range batch.Uint8 {
		out[j] = float32(p) / 255
	}
	return out
}

// Close closes this view. Closing the last view of a storage frees its device memory and calls
// Options.Release. Closing a view twice does nothing.
func (d *Dataset) Close() {
	if release := d.detach(); release != nil {
		release()
	}
}

// detach closes the view. It returns the function that must be called after the lock is released.
func (d *Dataset) detach() (release func()) {
	s := d.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.closed.Swap(true) {
		return nil
	}
	s.refs--
	if s.refs > 0 {
		return nil
	}
	for _, t := range s.uploads {
		_ = t.FinalizeAll() // fails only if the device is gone, and its memory with it
	}
	release = s.release
	s.u8, s.f32, s.tensor, s.uploads, s.release = nil, nil, nil, nil, nil
	return release
}
