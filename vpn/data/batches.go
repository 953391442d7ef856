package data

import (
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// A streamed Batches holds at most queueBatches batches and at most queueBytes of decoded images,
// but never fewer than two batches.
const (
	queueBytes   = 64 << 20
	queueBatches = 8
)

// BatchOptions say which images [Dataset.Batches] returns, and in what order.
type BatchOptions struct {
	Order []int32 // positions in the view; nil: all, in order
	Size  int     // images per batch; the last may have fewer
	// Last and LastSize say that the last Last images of Order come LastSize at a time, which is at
	// most Size. Those before them must fill batches of Size. Last 0 stands for no such images.
	Last, LastSize int
	// Seed and Epoch determine the random crop of each image, whatever the order and the number of
	// cores.
	Seed  int64
	Epoch int
}

// Batches returns the images of a set batch by batch, in host memory. It decodes the images of a
// streamed set ahead of use, on all cores, into a bounded queue. Its methods may be called from one
// goroutine at a time.
type Batches struct {
	view   *Dataset
	o      BatchOptions
	at     int // where the next batch starts in o.Order; for a set in memory
	stop   context.CancelFunc
	ctx    context.Context
	ready  chan *Batch  // in order; a batch may still be filling
	free   chan []uint8 // buffers for batches to come
	work   sync.WaitGroup
	defect atomic.Pointer[error] // a panic in one of the decoding goroutines
	closed bool
}

// Batch holds pixels of shape (len(Positions), H, W, C). Either Uint8 or Float32 is set.
type Batch struct {
	Uint8     []uint8
	Float32   []float32
	Positions []int32 // positions of the images in the view

	from    *Batches
	buffer  []uint8 // memory of the queue; nil if the pixels lie elsewhere
	pending atomic.Int64
	filled  chan struct{}
	mu      sync.Mutex
	err     error // the error of the first image that failed
	errAt   int
}

// Batches starts to return images in batches. The caller must close the result. When ctx ends,
// [Batches.Next] fails.
func (d *Dataset) Batches(ctx context.Context, o BatchOptions) (*Batches, error) {
	if o.Size < 1 {
		return nil, argErrorf("batch size is %d, want at least 1", o.Size)
	}
	if o.Order == nil {
		o.Order = sequence(d.Len())
	}
	if before := len(o.Order) - o.Last; o.Last != 0 &&
		(o.Last < 0 || before < 0 || before%o.Size != 0 || o.LastSize < 1 || o.LastSize > o.Size || o.Last%o.LastSize != 0) {
		return nil, argErrorf("the last %d of %d images come %d at a time, "+
			"want a multiple, at most %d at a time, and before them a multiple of %d",
			o.Last, len(o.Order), o.LastSize, o.Size, o.Size)
	}
	for i, p := range o.Order {
		if p < 0 || int(p) >= d.Len() {
			return nil, argErrorf("order[%d] is %d, want 0..%d", i, p, d.Len()-1)
		}
	}
	h, w, c := d.Shape()
	need, have := 2*int64(min(o.Size, max(1, len(o.Order))))*int64(h*w*c), AvailableMemory()
	if d.Streamed() && need > have {
		return nil, Errorf(ErrMemory,
			"data: two batches of %d images of %d×%d×%d need %.1f GiB, %.1f GiB are available: use smaller batches",
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

// chunk returns the positions of the first batch of those in order, which are the last in o.Order.
func (o *BatchOptions) chunk(order []int32) []int32 {
	size := o.Size
	if len(order) <= o.Last {
		size = o.LastSize
	}
	return order[:min(size, len(order))]
}

// start starts the goroutines that decode.
func (b *Batches) start() {
	s := b.view.store
	image := s.h * s.w * s.c
	size := min(b.o.Size, max(1, len(b.o.Order))) * image
	count := max(2, min(queueBytes/size, queueBatches, (len(b.o.Order)+b.o.Size-1)/b.o.Size))
	b.ready, b.free = make(chan *Batch, count), make(chan []uint8, count)
	for range count {
		b.free <- nil // allocated when first needed
	}
	jobs := make(chan job, 4*runtime.GOMAXPROCS(0))
	b.work.Go(func() {
		defer close(b.ready)
		defer close(jobs)
		b.guard(func() {
			for order := b.o.Order; len(order) > 0; {
				chunk := b.o.chunk(order)
				order = order[len(chunk):]
				buffer, ok := receive(b.ctx, b.free)
				if !ok {
					return
				}
				if buffer == nil {
					buffer = s.origin.pool.take(size)
				}
				batch := &Batch{
					Uint8:     buffer[:len(chunk)*image],
					Positions: chunk,
					from:      b,
					buffer:    buffer,
					filled:    make(chan struct{}),
				}
				batch.pending.Store(int64(len(chunk)))
				b.ready <- batch // does not block: there are no more batches than buffers
				for slot := range chunk {
					if !send(b.ctx, jobs, job{batch: batch, slot: slot}) {
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

// job is one image of a batch to decode.
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

// guard calls work. If work panics, Next returns the panic as an error and the other goroutines
// stop.
func (b *Batches) guard(work func()) {
	if err := recovered("decoding ahead", work); err != nil {
		b.defect.CompareAndSwap(nil, &err)
		b.stop()
	}
}

// done records that an image was decoded, or the error.
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

// Next returns the next batch, or io.EOF after the last one. If an image cannot be decoded, the
// error names it.
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

// fromMemory is Next for a set in memory. It does not copy pixels that are contiguous in memory.
func (b *Batches) fromMemory() (*Batch, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, Errorf(ErrCancelled, "data: stopped: %w", err)
	}
	positions := b.o.chunk(b.o.Order[b.at:])
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

// imagesAt returns the images with the given indices, size values each. It copies them if they are
// not contiguous, or if always is set.
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

// Release returns the batch's memory to the queue. The batch must not be used afterwards.
func (b *Batch) Release() {
	if b.buffer != nil {
		b.from.free <- b.buffer // does not block: the channel has room for all buffers
		b.buffer = nil
	}
}

// OnDevice copies the batch to the backend's first device. It repeats the last image until there
// are size images, so that one compiled program serves all batches.
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

// padded repeats the last of n images until there are want.
func padded[T any](flat []T, n, want int) []T {
	last := flat[len(flat)-len(flat)/n:]
	for ; n < want; n++ {
		flat = append(flat, last...) // reallocates, or writes to the unused rest of this batch's buffer
	}
	return flat
}

// Close stops the decoding and waits until it ends, which takes at most the time of one image.
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

func receive[T any](ctx context.Context, from <-chan T) (v T, ok bool) {
	select {
	case v, ok = <-from:
		return v, ok
	case <-ctx.Done():
		return v, false
	}
}

func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}
