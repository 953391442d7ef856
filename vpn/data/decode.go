package data

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/govpn/govpn/internal/inject"
	"github.com/govpn/govpn/vpn/data/internal/imaging"
)

// origin says where the pixels of a storage come from, and how they are transformed.
type origin struct {
	source    source
	raw       [3]int // H, W, C of pixels that need no decoding; zeros if images are encoded files
	transform imaging.Transform
	pool      bufferPool
	decoders  sync.Pool
}

// measure sets the size that the images have after the transform: that of the first image, unless
// the transform fixes it.
func (s *storage) measure(skip bool) error {
	o := s.origin
	h, w, fixed := o.transform.Fixed()
	switch {
	case fixed:
	case o.raw[0] > 0:
		h, w = o.raw[0], o.raw[1]
	default:
		var err error
		if h, w, err = s.measureFirst(skip); err != nil {
			return err
		}
	}
	if !fixed {
		var err error
		if h, w, err = o.transform.Size(h, w); err != nil {
			return o.named(0, err)
		}
	}
	s.h, s.w, s.c = h, w, cmp.Or(o.transform.Channels, o.raw[2], 3)
	return checkSize(s.n, s.h, s.w, s.c)
}

// measureFirst returns the size of the first image or, with skip, of the first that is not broken.
func (s *storage) measureFirst(skip bool) (h, w int, err error) {
	for i := range s.n {
		var file []byte
		if file, err = s.origin.source.read(i, nil); err == nil {
			h, w, err = imaging.Measure(file)
		}
		if err == nil {
			return h, w, nil
		}
		if err = s.origin.named(i, err); !skip || !broken(err) {
			break
		}
	}
	return 0, 0, err
}

// named returns err with the name of image i in front of it, and with its kind.
func (o *origin) named(i int, err error) error {
	kind := ErrIO
	switch {
	case errors.Is(err, imaging.ErrUnsupported):
		kind = ErrUnsupported
	case errors.Is(err, imaging.ErrFormat), errors.Is(err, imaging.ErrLimit):
		kind = ErrFormat
	case errors.Is(err, imaging.ErrSize):
		kind = ErrArgument
	}
	return Errorf(kind, "data: %s: %w", o.source.name(i), err)
}

// broken reports whether an error is due to the image file itself.
func broken(err error) bool {
	return errors.Is(err, imaging.ErrFormat) || errors.Is(err, imaging.ErrUnsupported) ||
		errors.Is(err, imaging.ErrLimit)
}

// decoder converts images of a storage to pixels. Each goroutine has its own.
type decoder struct {
	s       *storage
	imaging imaging.Decoder
	bytes   []byte
	pcg     *rand.PCG
	rng     *rand.Rand
}

func (s *storage) newDecoder() any {
	pcg := rand.NewPCG(0, 0)
	return &decoder{s: s, pcg: pcg, rng: rand.New(pcg)}
}

// decode writes the pixels of image i to out. seed, epoch and i determine its random crop.
func (d *decoder) decode(out []uint8, i int, seed int64, epoch int) (err error) {
	o := d.s.origin
	defer func() {
		if p := recover(); p != nil {
			err = Errorf(ErrInternal, "data: %s: decoding panicked: %v", o.source.name(i), p)
		}
	}()
	inject.Panic()
	read, err := o.source.read(i, d.bytes[:0])
	if err != nil {
		return o.named(i, err)
	}
	d.bytes = read[:0:cap(read)]
	d.pcg.Seed(uint64(seed), uint64(epoch)<<32|uint64(uint32(i)))
	if o.raw[0] > 0 {
		err = d.imaging.Raw(out, d.s.h, d.s.w, d.s.c, read, o.raw[0], o.raw[1], o.raw[2], &o.transform, d.rng)
	} else {
		err = d.imaging.Decode(out, d.s.h, d.s.w, d.s.c, read, &o.transform, d.rng)
	}
	if err != nil {
		return o.named(i, err)
	}
	return nil
}

// decodeAll decodes every image on all cores. It writes the pixels to the storage or, for a stream,
// only checks that images can be decoded. It returns the indices of the decoded images. A broken
// image is an error or, with SkipBroken, left out.
func (s *storage) decodeAll(o *OpenOptions) (kept []int32, err error) {
	keep, skip := !o.Stream, o.SkipBroken
	size := s.h * s.w * s.c
	if need, have := int64(s.n)*int64(size), AvailableMemory(); keep && need > have {
		return nil, Errorf(ErrMemory,
			"data: %d images of %d×%d×%d need %.1f GiB, %.1f GiB are available: open them as a stream", s.n, s.h, s.w,
			s.c, float64(need)/(1<<30), float64(have)/(1<<30))
	}
	if keep {
		s.u8 = make([]uint8, s.n*size)
	}
	failed := make([]error, s.n)
	if err := s.decodeEach(o, failed); err != nil {
		return nil, err
	}
	for i, err := range failed {
		switch {
		case err == nil:
			if keep && len(kept) < i {
				copy(s.u8[len(kept)*size:], s.u8[i*size:(i+1)*size])
			}
			kept = append(kept, int32(i))
		case skip && broken(err):
			s.skipped = append(s.skipped, err.Error())
		default:
			return nil, err
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("data: none of the %d images can be decoded, the first: %w", s.n, failed[0])
	}
	if keep {
		s.u8 = slices.Clip(s.u8[:len(kept)*size])
	}
	return kept, nil
}

// decodeEach decodes every image on all cores, and sets failed[i] to the error of image i. It stops
// at the first error that SkipBroken does not cover.
func (s *storage) decodeEach(o *OpenOptions, failed []error) error {
	size := s.h * s.w * s.c
	var next, stop atomic.Int64
	var workers sync.WaitGroup
	var defect atomic.Pointer[error]
	work := func() {
		d, out := s.newDecoder().(*decoder), make([]uint8, size)
		for i := int(next.Add(1)) - 1; i < s.n && stop.Load() == 0 && o.cancelled() == nil; i = int(next.Add(1)) - 1 {
			if !o.Stream {
				out = s.u8[i*size : (i+1)*size]
			}
			if failed[i] = d.decode(out, i, 0, 0); failed[i] != nil && !(o.SkipBroken && broken(failed[i])) {
				stop.Store(1)
			}
		}
	}
	for range min(s.n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			if err := recovered("decoding", work); err != nil {
				defect.Store(&err)
				stop.Store(1)
			}
		})
	}
	workers.Wait()
	if p := defect.Load(); p != nil {
		return *p
	}
	return o.cancelled()
}

// memorySource is a source of images that are in memory already and only need the transform.
type memorySource struct {
	pixels []uint8
	size   int
	done   func()
}

func (m *memorySource) read(i int, _ []byte) ([]byte, error) {
	return m.pixels[i*m.size : (i+1)*m.size : (i+1)*m.size], nil
}
func (m *memorySource) name(i int) string { return fmt.Sprintf("image %d", i) }
func (m *memorySource) close() error      { m.done(); return nil }

// fromMemory returns the set in memory as a source, so that the transform can be applied.
func (f *found) fromMemory() (*found, error) {
	d := f.ready
	h, w, c := d.Shape()
	pixels, _ := d.Pixels()
	if pixels == nil {
		d.Close()
		return nil, Errorf(ErrUnsupported, "data: images are %s in memory: resize and crop need uint8 pixels",
			d.DType())
	}
	names := f.names
	if names == nil {
		names = d.names
	}
	return &found{
		source: &memorySource{pixels: pixels, size: h * w * c, done: d.Close},
		count:  d.Len(),
		labels: d.labels,
		names:  names,
		shape:  [3]int{h, w, c},

		skipped: f.skipped, warnings: f.warnings,
	}, nil
}
