package data

import (
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// storage is what the views of a data set share: the pixels in one of three forms, and their copies on devices.
type storage struct {
	n, h, w, c int
	dtype      dtypes.DType    // Uint8 or Float32
	u8         []uint8         // host pixels, 0..255
	f32        []float32       // host pixels, [0, 1]
	tensor     *tensors.Tensor // lent memory
	home       compute.Backend // of the lent memory; nil: host memory only

	mu      sync.Mutex
	refs    int // open views
	uploads map[compute.Backend]*tensors.Tensor
	release func()
	copied  int64    // bytes
	why     []string // one reason for each kind of copy
}

// count records a copy of so many bytes.
func (s *storage) count(bytes int64, why string) {
	s.copied += bytes
	if !slices.Contains(s.why, why) {
		s.why = append(s.why, why)
	}
}

// OnDevice returns all images of the storage, (N, H, W, C) in their own dtype, on the backend's first device; this view's are those
// at [Dataset.Indices]. They are sent once per backend, and belong to the data set: do not donate or finalize them, and
// keep a view open ([Dataset.Share]) while they are in use.
//
// Lent memory ([FromTensor]) is returned as it is on its own backend. Elsewhere it is sent anew each time, as the caller may have changed it.
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
	if s.tensor != nil {
		return s.lent(backend)
	}
	if t := s.uploads[backend]; t != nil {
		return t, nil
	}
	if s.f32 != nil {
		images, err = s.upload(backend, s.f32)
	} else {
		images, err = s.upload(backend, s.u8)
	}
	if err != nil {
		return nil, err
	}
	if s.uploads == nil {
		s.uploads = map[compute.Backend]*tensors.Tensor{}
	}
	s.uploads[backend] = images
	return images, nil
}

// upload copies the pixels, flat, to the backend. The copy is the only one: the pure-Go backend and XLA both read flat where it lies.
func (s *storage) upload(backend compute.Backend, flat any) (*tensors.Tensor, error) {
	shape := shapes.Make(s.dtype, s.n, s.h, s.w, s.c)
	buffer, err := backend.BufferFromFlatData(0, flat, shape)
	if err != nil {
		return nil, Errorf(ErrDevice, "data: sending %s to the device (%s): %w", shape, backend.Name(), err)
	}
	images, err := tensors.FromBuffer(buffer)
	if err != nil {
		return nil, Errorf(ErrDevice, "data: sending %s to the device (%s): %w", shape, backend.Name(), err)
	}
	s.count(shape.ByteSize(), "sent to the device ("+backend.Name()+")")
	return images, nil
}

// lent returns the lent tensor itself on its own backend, or a new copy on another. A copy is not kept: it is freed with its last reference.
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
			images, err = s.upload(backend, flat)
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

// Image is a host copy of image i of this view, (H, W, C) with values in [0, 1]; nil when i is out of range or the set is closed.
func (d *Dataset) Image(i int) []float32 {
	s := d.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.closed.Load() || i < 0 || i >= d.Len() {
		return nil
	}
	if d.indices != nil {
		i = int(d.indices[i])
	}
	size := s.h * s.w * s.c
	out := make([]float32, size)
	read := func(flat any) {
		switch pixels := flat.(type) {
		case []uint8:
			for j, p := range pixels[i*size : (i+1)*size] {
				out[j] = float32(p) / 255
			}
		case []float32:
			copy(out, pixels[i*size:(i+1)*size])
		}
	}
	switch {
	case s.tensor == nil && s.f32 != nil:
		read(s.f32)
	case s.tensor == nil:
		read(s.u8)
	case !s.tensor.Ok() || s.tensor.ConstFlatData(read) != nil:
		return nil
	}
	return out
}

// Close ends the use of this view. With the last view of a storage, its device memory is freed and Options.Release is called.
// Closing twice does nothing.
func (d *Dataset) Close() {
	if release := d.detach(); release != nil {
		release()
	}
}

// detach closes the view and returns what the caller has still to call, outside the lock.
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
		_ = t.FinalizeAll() // it fails only where the device is gone, and its memory with it
	}
	release = s.release
	s.u8, s.f32, s.tensor, s.uploads, s.release = nil, nil, nil, nil, nil
	return release
}
