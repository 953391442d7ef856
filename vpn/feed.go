package vpn

import (
	"context"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/govpn/govpn/vpn/data"
)

// feed serves batches of a data set on the device. A set in memory is there as a whole, in its own dtype, and a batch is
// gathered there by position, so that positions are all that crosses; of a streamed set, decoded batches cross.
type feed struct {
	*Model
	set    *data.Dataset // a view of its own: the caller may close theirs meanwhile
	images *tensors.Tensor
	rows   *tensors.Tensor // row of each of the view's images in images
	labels *tensors.Tensor // in the view's order; zeros where unlabelled
	soft   softLabels      // in their place
	size   int
}

// gatherBatch is the graph behind feed.batch: images (S, H, W, C), rows (N), labels (N), positions (B) →
// (B, H, W, C), (B); or soft labels (N, K) → (B, K).
func gatherBatch(_ *model.Scope, in []*Node) ([]*Node, []update) {
	images, rows, labels, positions := in[0], in[1], in[2], InsertAxes(in[3], -1)
	return []*Node{Gather(images, InsertAxes(Gather(rows, positions), -1)), Gather(labels, positions)}, nil
}

func (m *Model) newFeed(d *data.Dataset) (*feed, error) {
	set, err := d.Share()
	if err != nil {
		return nil, err
	}
	f := &feed{Model: m, set: set, size: set.Len()}
	if set.Streamed() {
		return f, nil
	}
	if f.images, err = set.OnDevice(m.backend); err != nil {
		set.Close()
		return nil, err
	}
	rows, labels := set.Indices(), set.Labels()
	if rows == nil {
		rows = sequence(f.size)
	}
	if labels == nil {
		labels = make([]int32, f.size)
	}
	f.rows = tensors.FromFlatDataAndDimensions(rows, f.size)
	f.labels = tensors.FromFlatDataAndDimensions(labels, f.size)
	return f, nil
}

func (f *feed) close() {
	if f.images != nil {
		free(f.rows, f.labels)
	}
	if f.soft.onDevice != nil {
		free(f.soft.onDevice)
	}
	f.set.Close()
}

// batches serves the images of a feed at the given positions, size at a time.
type batches struct {
	*feed
	order   []int32
	size    int
	decoded *data.Batches // of a streamed set
}

// batches begins to serve; close must be called in the end. Random crops are those of the given epoch.
func (f *feed) batches(ctx context.Context, order []int32, size, epoch int) (*batches, error) {
	b := &batches{feed: f, order: order, size: size}
	if f.images != nil {
		return b, nil
	}
	var err error
	b.decoded, err = f.set.Batches(ctx, data.BatchOptions{Order: order, Size: size, Seed: f.net.cfg.Seed, Epoch: epoch})
	return b, err
}

// next returns the next batch, of size images always: a last one repeats its last image, and valid is how many count.
func (b *batches) next() (images, labels *tensors.Tensor, valid int, err error) {
	valid = min(b.size, len(b.order))
	positions := make([]int32, b.size)
	for i := range positions {
		positions[i] = b.order[min(i, valid-1)]
	}
	b.order = b.order[valid:]
	if b.decoded == nil {
		out, err := b.gather.call(b.images, b.rows, b.labelsOnDevice(), tensors.FromFlatDataAndDimensions(positions, b.size))
		if err != nil {
			return nil, nil, 0, err
		}
		return out[0], out[1], valid, nil
	}
	batch, err := b.decoded.Next()
	if err != nil {
		return nil, nil, 0, err
	}
	defer batch.Release()
	if images, err = batch.OnDevice(b.backend, b.size); err != nil {
		return nil, nil, 0, err
	}
	return images, b.labelsAt(positions), valid, nil
}

func (b *batches) close() {
	if b.decoded != nil {
		b.decoded.Close()
	}
}

// chunks calls fn for all images of the feed in order, in chunks of size, until it fails or ctx ends; valid is how many
// images of a chunk count.
func (f *feed) chunks(ctx context.Context, size int, fn func(images, labels *tensors.Tensor, start, valid int) error) error {
	b, err := f.batches(ctx, sequence(f.size), size, 0)
	if err != nil {
		return err
	}
	defer b.close()
	for start := 0; start < f.size; start += size {
		if err := cancelled(ctx); err != nil {
			return err
		}
		images, labels, valid, err := b.next()
		if err != nil {
			return err
		}
		err = reading(func() error { return fn(images, labels, start, valid) })
		free(images, labels)
		if err != nil {
			return err
		}
	}
	return nil
}

// reading calls fn, in which GoMLX panics where it cannot copy results from the device.
func reading(fn func() error) (err error) {
	if caught := exceptions.TryCatch[error](func() { err = fn() }); caught != nil {
		return graphError(caught, ErrDevice)
	}
	return err
}

// free releases tensors at once, not at the next garbage collection: device memory does not press on Go's heap.
func free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		_ = t.FinalizeAll()
	}
}
