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

// origin is where the pixels of a storage come from, and how.
type origin struct {
	source    source
	raw       [3]int // H, W, C of pixels that need no decoding; zeros: encoded files
	transform imaging.Transform
	pool      bufferPool
	decoders  sync.Pool
}

// measure finds the size that the storage's images have after the transformation: that of the first one.
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

// measureFirst is the size of the first image; with skip, of the first that is one.
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

// named says which image an error is about, and gives it its kind.
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

// broken says whether an error is a defect of the file itself.
func broken(err error) bool {
	return errors.Is(err, imaging.ErrFormat) || errors.Is(err, imaging.ErrUnsupported) || errors.Is(err, imaging.ErrLimit)
}

// A decoder makes pixels of the images of a storage, for one goroutine.
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

// decode writes image i of the storage to out; random crops are a function of seed, epoch and i.
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

// decodeAll decodes every image on all cores: into memory of the storage's own or, of a stream, only to see whether it can
// be. It returns the indices of those that it decoded; broken ones are an error or, with SkipBroken, left out.
func (s *storage) decodeAll(o *OpenOptions) (kept []int32, err error) {
	keep, skip := !o.Stream, o.SkipBroken
	size := s.h * s.w * s.c
	if need, have := int64(s.n)*int64(size), AvailableMemory(); keep && need > have {
		return nil, Errorf(ErrMemory, "data: %d images of %d×%d×%d need %.1f GiB, %.1f GiB are available: open them as a stream",
			s.n, s.h, s.w, s.c, float64(need)/(1<<30), float64(have)/(1<<30))
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

// decodeEach decodes every image on all cores, and says which failed, up to the first that may not.
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

// memorySource are images that are in memory already, to be transformed.
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

// fromMemory makes a source of a set in memory.
func (f *found) fromMemory() (*found, error) {
	d := f.ready
	h, w, c := d.Shape()
	pixels, _ := d.Pixels()
	if pixels == nil {
		d.Close()
		return nil, Errorf(ErrUnsupported, "data: images are %s in memory: resize and crop need uint8 pixels", d.DType())
	}
	names := f.names
	if names == nil {
		names = d.names
	}
	return &found{source: &memorySource{pixels, h * w * c, d.Close}, count: d.Len(), labels: d.labels, names: names, shape: [3]int{h, w, c}}, nil
}
