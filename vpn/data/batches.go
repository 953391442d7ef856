package data

import (
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// The queue of one Batches holds at most so many bytes of decoded images, though two batches always, and so many batches.
const (
	queueBytes   = 64 << 20
	queueBatches = 8
)

// BatchOptions say which images Batches serves.
type BatchOptions struct {
	Order []int32 // positions in the view; nil: all, in order
	Size  int     // images per batch; the last may have fewer
	Seed  int64   // with Epoch, of random crops: an image's crop is the same whatever the order and the number of cores
	Epoch int
}

// Batches serves the images of a set in batches, on the host. Those of a streamed set are decoded ahead on all cores, no
// further than a bounded queue. Its methods are for one goroutine.
type Batches struct {
	view   *Dataset
	o      BatchOptions
	at     int // of the next batch in o.Order, for a set in memory
	stop   context.CancelFunc
	ctx    context.Context
	ready  chan *Batch  // in order; each may still be filling
	free   chan []uint8 // memory of batches
	work   sync.WaitGroup
	defect atomic.Pointer[error] // a panic in one of the goroutines
	closed bool
}

// Batch holds pixels of shape (len(Positions), H, W, C), in one of two types.
type Batch struct {
	Uint8     []uint8
	Float32   []float32
	Positions []int32 // of its images, in the view

	from    *Batches
	buffer  []uint8 // of the queue; nil: other memory
	pending atomic.Int64
	filled  chan struct{}
	mu      sync.Mutex
	err     error // of the first image that failed
	errAt   int
}

// Batches starts to serve images; Close must be called in the end. ctx stops it early.
func (d *Dataset) Batches(ctx context.Context, o BatchOptions) (*Batches, error) {
	if o.Size < 1 {
		return nil, argErrorf("batch size is %d, want at least 1", o.Size)
	}
	if o.Order == nil {
		o.Order = sequence(d.Len())
	}
	for i, p := range o.Order {
		if p < 0 || int(p) >= d.Len() {
			return nil, argErrorf("order[%d] is %d, want 0..%d", i, p, d.Len()-1)
		}
	}
	h, w, c := d.Shape()
	need, have := 2*int64(min(o.Size, max(1, len(o.Order))))*int64(h*w*c), AvailableMemory()
	if d.Streamed() && need > have {
		return nil, Errorf(ErrMemory, "data: two batches of %d images of %d×%d×%d need %.1f GiB, %.1f GiB are available: use smaller batches",
			o.Size, h, w, c, float64(need)/(1<<30), float64(have)/(1<<30))
	}
	view, err := d.Share()
	if err != nil {
		return nil, err
	}
	b := &Batches{view: view, o: o}
	b.ctx, b.stop = context.WithCancel(ctx)
	if d.Streamed() {
		b.start()
	}
	return b, nil
}

// start begins to decode.
func (b *Batches) start() {
	s := b.view.store
	image := s.h * s.w * s.c
	size := min(b.o.Size, max(1, len(b.o.Order))) * image
	count := max(2, min(queueBytes/size, queueBatches, (len(b.o.Order)+b.o.Size-1)/b.o.Size))
	b.ready, b.free = make(chan *Batch, count), make(chan []uint8, count)
	for range count {
		b.free <- nil // made when first needed
	}
	jobs := make(chan job, 4*runtime.GOMAXPROCS(0))
	b.work.Go(func() {
		defer close(b.ready)
		defer close(jobs)
		b.guard(func() {
			for chunk := range slices.Chunk(b.o.Order, b.o.Size) {
				buffer, ok := receive(b.ctx, b.free)
				if !ok {
					return
				}
				if buffer == nil {
					buffer = s.origin.pool.take(size)
				}
				batch := &Batch{Uint8: buffer[:len(chunk)*image], Positions: chunk, from: b, buffer: buffer, filled: make(chan struct{})}
				batch.pending.Store(int64(len(chunk)))
				b.ready <- batch // there is room: as many as there are buffers
				for slot := range chunk {
					if !send(b.ctx, jobs, job{batch, slot}) {
						return
					}
				}
			}
		})
	})
	for range runtime.GOMAXPROCS(0) {
		b.work.Go(func() { b.guard(func() { b.decode(jobs) }) })
	}
}

// A job is one image of a batch.
type job struct {
	batch *Batch
	slot  int
}

func (b *Batches) decode(jobs <-chan job) {
	s := b.view.store
	image := s.h * s.w * s.c
	d := s.origin.decoders.Get().(*decoder)
	defer s.origin.decoders.Put(d)
	for j := range jobs {
		if b.ctx.Err() != nil {
			continue
		}
		out := j.batch.Uint8[j.slot*image : (j.slot+1)*image : (j.slot+1)*image]
		i := b.view.storageIndex(int(j.batch.Positions[j.slot]))
		j.batch.done(j.slot, d.decode(out, i, b.o.Seed, b.o.Epoch))
	}
}

// guard makes a panic of a goroutine the error of Next, and stops the others.
func (b *Batches) guard(work func()) {
	if err := recovered("decoding ahead", work); err != nil {
		b.defect.CompareAndSwap(nil, &err)
		b.stop()
	}
}

// done notes that an image is decoded, or why not.
func (b *Batch) done(slot int, err error) {
	if err != nil {
		b.mu.Lock()
		if b.err == nil || slot < b.errAt {
			b.err, b.errAt = err, slot
		}
		b.mu.Unlock()
	}
	if b.pending.Add(-1) == 0 {
		close(b.filled)
	}
}

// Next waits for the next batch; io.EOF says that there is none. An image that does not decode is an error that names it.
func (b *Batches) Next() (*Batch, error) {
	if b.closed {
		return nil, argErrorf("the batches are closed")
	}
	if b.ready == nil {
		return b.fromMemory()
	}
	batch, ok := receive(b.ctx, b.ready)
	if ok {
		_, _ = receive(b.ctx, batch.filled)
	}
	switch defect := b.defect.Load(); {
	case defect != nil:
		return nil, *defect
	case b.ctx.Err() != nil:
		return nil, Errorf(ErrCancelled, "data: decoding was stopped: %w", b.ctx.Err())
	case !ok:
		return nil, io.EOF
	case batch.err != nil:
		batch.Release()
		return nil, batch.err
	}
	return batch, nil
}

// fromMemory is Next for a set in memory: without a copy where the batch lies there as a whole.
func (b *Batches) fromMemory() (*Batch, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, Errorf(ErrCancelled, "data: stopped: %w", err)
	}
	positions := b.o.Order[b.at:min(b.at+b.o.Size, len(b.o.Order))]
	if len(positions) == 0 {
		return nil, io.EOF
	}
	b.at += len(positions)
	batch := &Batch{Positions: positions, from: b}
	indices := make([]int, len(positions))
	for i, p := range positions {
		indices[i] = b.view.storageIndex(int(p))
	}
	s := b.view.store
	return batch, s.onHost(func(flat any) {
		switch pixels := flat.(type) {
		case []uint8:
			batch.Uint8 = imagesAt(pixels, indices, s.h*s.w*s.c, s.tensor != nil)
		case []float32:
			batch.Float32 = imagesAt(pixels, indices, s.h*s.w*s.c, s.tensor != nil)
		}
	})
}

// imagesAt returns the indices of the given numbers, size values each: a copy, or where they lie if they follow one another.
func imagesAt[T any](flat []T, indices []int, size int, always bool) []T {
	first, inOrder := indices[0], !always
	for i, index := range indices {
		inOrder = inOrder && index == first+i
	}
	if inOrder {
		return flat[first*size : (first+len(indices))*size : (first+len(indices))*size]
	}
	picked := make([]T, 0, len(indices)*size)
	for _, index := range indices {
		picked = append(picked, flat[index*size:(index+1)*size]...)
	}
	return picked
}

// Release hands the memory of a batch back to the queue. It must not be used afterwards.
func (b *Batch) Release() {
	if b.buffer != nil {
		b.from.free <- b.buffer // there is room for all
		b.buffer = nil
	}
}

// OnDevice copies the batch to a backend's first device, filled up to size images with copies of its last one.
func (b *Batch) OnDevice(backend compute.Backend, size int) (*tensors.Tensor, error) {
	s := b.from.view.store
	var flat any
	if b.Float32 != nil {
		flat = padded(b.Float32, len(b.Positions), size)
	} else {
		flat = padded(b.Uint8, len(b.Positions), size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upload(backend, flat, shapes.Make(s.dtype, size, s.h, s.w, s.c))
}

// padded appends copies of the last of n indices up to size.
func padded[T any](flat []T, n, want int) []T {
	last := flat[len(flat)-len(flat)/n:]
	for ; n < want; n++ {
		flat = append(flat, last...) // reallocates, or writes to memory of this batch that is not in use
	}
	return flat
}

// Close stops the decoding and waits for it to end: an image's time at most.
func (b *Batches) Close() {
	if b.closed {
		return
	}
	b.closed = true
	b.stop()
	b.work.Wait()
	if b.ready != nil {
		for batch := range b.ready {
			batch.Release()
		}
		b.view.store.origin.pool.put(b.free)
	}
	b.view.Close()
}
