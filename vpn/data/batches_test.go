package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data/internal/imaging"
)

// pixelSource is a source of images of at least 1×1×1. All values of an image are the image's
// number. Some images fail.
type pixelSource struct {
	size   int
	fails  map[int]error
	reads  atomic.Int64
	closed atomic.Int64
	panics bool
}

func (p *pixelSource) read(i int, buffer []byte) ([]byte, error) {
	p.reads.Add(1)
	if p.panics {
		panic("a defect")
	}
	if err := p.fails[i]; err != nil {
		return nil, err
	}
	for range p.size {
		buffer = append(buffer, uint8(i))
	}
	return buffer, nil
}
func (p *pixelSource) name(i int) string { return fmt.Sprintf("test: image %d", i) }
func (p *pixelSource) close() error      { p.closed.Add(1); return nil }

// opened returns a set of n images of side×side×1 from p.
func opened(t *testing.T, p *pixelSource, n, side int, o OpenOptions) *Dataset {
	p.size = side * side
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = int32(i % 2)
	}
	f := &found{source: p, count: n, labels: labels, names: []string{"even", "odd"}, shape: [3]int{side, side, 1}}
	d, err := f.dataset(o)
	require.NoError(t, err)
	return d
}

func collect(t *testing.T, b *Batches) (pixels []uint8, sizes []int) {
	defer b.Close()
	for {
		batch, err := b.Next()
		if errors.Is(err, io.EOF) {
			return pixels, sizes
		}
		require.NoError(t, err)
		pixels = append(pixels, batch.Uint8...)
		sizes = append(sizes, len(batch.Positions))
		batch.Release()
	}
}

// A streamed view returns the same batches as the same view in memory, in any order. The last batch
// has the images that are left.
func TestBatches(t *testing.T) {
	for _, stream := range []bool{true, false} {
		d := opened(t, &pixelSource{}, 7, 1, OpenOptions{Stream: stream})
		assert.Equal(t, stream, d.Streamed())
		view, err := d.Subset([]int32{6, 4, 2, 0, 1})
		require.NoError(t, err)
		d.Close()

		b, err := view.Batches(t.Context(), BatchOptions{Size: 2})
		require.NoError(t, err)
		pixels, sizes := collect(t, b)
		assert.Equal(t, []uint8{6, 4, 2, 0, 1}, pixels)
		assert.Equal(t, []int{2, 2, 1}, sizes)

		b, err = view.Batches(t.Context(), BatchOptions{Order: []int32{4, 0, 0, 3}, Size: 3})
		require.NoError(t, err)
		pixels, _ = collect(t, b)
		assert.Equal(t, []uint8{1, 6, 6, 0}, pixels)
		assert.Equal(t, []float32{4.0 / 255}, view.Image(1))

		b, err = view.Batches(t.Context(), BatchOptions{Order: []int32{4, 0, 0, 3, 1, 2}, Size: 4, Last: 2, LastSize: 1})
		require.NoError(t, err)
		pixels, sizes = collect(t, b)
		assert.Equal(t, []uint8{1, 6, 6, 0, 4, 2}, pixels)
		assert.Equal(t, []int{4, 1, 1}, sizes)
		_, err = view.Batches(t.Context(), BatchOptions{Size: 2, Last: 2, LastSize: 1})
		assert.ErrorContains(t, err, "the last 2 of 5 images come 1 at a time")
		view.Close()
	}
}

// However slow the consumer is, no more is decoded than the queue holds. Its memory is reported,
// and used again.
func TestQueueIsBounded(t *testing.T) {
	const side, size = 2048, 4 // 16 MiB a batch, 4 batches
	p := &pixelSource{}
	d := opened(t, p, 100, side, OpenOptions{Stream: true})
	defer d.Close()
	for range 2 {
		before := p.reads.Load()
		b, err := d.Batches(t.Context(), BatchOptions{Size: size})
		require.NoError(t, err)
		assert.Eventually(t, func() bool { return p.reads.Load()-before == 4*size }, 10*time.Second, time.Millisecond)
		time.Sleep(20 * time.Millisecond)
		assert.EqualValues(t, 4*size, p.reads.Load()-before)
		batch, err := b.Next()
		require.NoError(t, err)
		assert.EqualValues(t, 4*size, p.reads.Load()-before, "its memory is in use")
		batch.Release()
		assert.Eventually(t, func() bool { return p.reads.Load()-before == 5*size }, 10*time.Second, time.Millisecond)
		b.Close()
		assert.EqualValues(t, 64<<20, d.Info().MemoryBytes)
	}
	data := opened(t, &pixelSource{}, 3, 2, OpenOptions{})
	defer data.Close()
	assert.EqualValues(t, 12, data.Info().MemoryBytes)
}

// Close stops the decoding. The last view to close closes the files, once.
func TestCloseWhileDecoding(t *testing.T) {
	before := runtime.NumGoroutine()
	p := &pixelSource{}
	d := opened(t, p, 100, 1, OpenOptions{Stream: true})
	b, err := d.Batches(t.Context(), BatchOptions{Size: 1})
	require.NoError(t, err)
	d.Close()
	_, err = b.Next()
	require.NoError(t, err)
	assert.Zero(t, p.closed.Load())
	b.Close()
	b.Close()
	assert.EqualValues(t, 1, p.closed.Load())
	for wait := 0; runtime.NumGoroutine() > before && wait < 1000; wait++ {
		time.Sleep(time.Millisecond)
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	_, err = b.Next()
	assert.EqualError(t, err, "data: the batches are closed")
	_, err = d.Batches(t.Context(), BatchOptions{Size: 1})
	assert.EqualError(t, err, "data: the data set is closed")
}

func TestCancelDecoding(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, stream := range []bool{true, false} {
		d := opened(t, &pixelSource{}, 1000, 64, OpenOptions{Stream: stream})
		defer d.Close()
		b, err := d.Batches(ctx, BatchOptions{Size: 1})
		require.NoError(t, err)
		defer b.Close()
		cancel()
		_, err = b.Next()
		assert.ErrorIs(t, err, ErrCancelled)
	}
}

// Several goroutines stream views of one set at the same time.
func TestConcurrentBatches(t *testing.T) {
	d := opened(t, &pixelSource{}, 200, 3, OpenOptions{Stream: true})
	defer d.Close()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			b, err := d.Batches(t.Context(), BatchOptions{Size: 7})
			if assert.NoError(t, err) {
				pixels, _ := collect(t, b)
				for i, p := range pixels {
					assert.EqualValues(t, i/9, p)
				}
			}
		})
	}
	wait.Wait()
}

// An error names a broken image. SkipBroken leaves it out, in memory and in a stream, and lists it.
func TestBrokenImages(t *testing.T) {
	fails := map[int]error{
		1: fmt.Errorf("is truncated: %w", imaging.ErrFormat),
		4: fmt.Errorf("is odd: %w", imaging.ErrFormat),
	}
	f := func() *found {
		return &found{
			source: &pixelSource{size: 1, fails: fails},
			count:  5,
			labels: []int32{0, 1, 2, 3, 4},
			shape:  [3]int{1, 1, 1},
		}
	}
	_, err := f().dataset(OpenOptions{})
	assert.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, "data: test: image 1: is truncated")

	d, err := f().dataset(OpenOptions{Stream: true})
	require.NoError(t, err)
	b, err := d.Batches(t.Context(), BatchOptions{Size: 5})
	require.NoError(t, err)
	_, err = b.Next()
	assert.ErrorContains(t, err, "data: test: image 1: is truncated", "the first of several")
	b.Close()
	d.Close()

	for _, stream := range []bool{true, false} {
		d, err := f().dataset(OpenOptions{Stream: stream, SkipBroken: true})
		require.NoError(t, err)
		assert.Equal(t, []int32{0, 2, 3}, d.Labels())
		assert.Equal(t, []float32{2.0 / 255}, d.Image(1))
		assert.Len(t, d.Info().Skipped, 2)
		assert.Contains(t, d.Info().Skipped[1], "image 4: is odd")
		d.Close()
	}
	all := &found{source: &pixelSource{size: 1, fails: fails}, count: 5, shape: [3]int{1, 1, 1}}
	all.source.(*pixelSource).fails = map[int]error{0: fails[1], 1: fails[1], 2: fails[1], 3: fails[1], 4: fails[1]}
	_, err = all.dataset(OpenOptions{SkipBroken: true})
	assert.ErrorContains(t, err, "none of the 5 images can be decoded")
	unreadable := &found{
		source: &pixelSource{size: 1, fails: map[int]error{0: io.ErrClosedPipe}},
		count:  2,
		shape:  [3]int{1, 1, 1},
	}
	_, err = unreadable.dataset(OpenOptions{SkipBroken: true})
	assert.ErrorIs(t, err, ErrIO, "a file that cannot be read is not a broken image")
	panics := &found{source: &pixelSource{size: 1, panics: true}, count: 2, shape: [3]int{1, 1, 1}}
	_, err = panics.dataset(OpenOptions{SkipBroken: true})
	assert.ErrorIs(t, err, ErrInternal)
}

// A cancelled Open stops while it decodes, and while it unpacks an archive.
func TestCancelOpen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &pixelSource{size: 1}
	f := &found{source: p, count: 1000, shape: [3]int{1, 1, 1}}
	_, err := f.dataset(OpenOptions{ctx: ctx})
	assert.ErrorIs(t, err, ErrCancelled)
	assert.Zero(t, p.reads.Load())
	dir := t.TempDir()
	_, err = Open(ctx, OpenOptions{Format: "image-folder", Path: dir})
	assert.EqualError(t, err, "data: opening "+dir+" was stopped on request")
}

func TestStreamOnDevice(t *testing.T) {
	home := backend(t)
	d := opened(t, &pixelSource{}, 3, 1, OpenOptions{Stream: true})
	defer d.Close()
	_, err := d.OnDevice(home)
	assert.ErrorIs(t, err, ErrUnsupported)
	b, err := d.Batches(t.Context(), BatchOptions{Size: 2})
	require.NoError(t, err)
	defer b.Close()
	for _, want := range [][][][][]uint8{{{{{0}}}, {{{1}}}}, {{{{2}}}, {{{2}}}}} {
		batch, err := b.Next()
		require.NoError(t, err)
		images, err := batch.OnDevice(home, 2)
		require.NoError(t, err)
		assert.Equal(t, want, images.Value(), "a last batch repeats its last image")
		batch.Release()
	}
	assert.EqualValues(t, 4, d.Info().BytesCopied)
}
