package vpn

import (
	"context"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
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
	set     *data.Dataset // a view of its own: the caller may close theirs meanwhile
	images  *tensors.Tensor
	rows    *tensors.Tensor // row of each of the view's images in images
	labels  *tensors.Tensor // in the view's order; zeros where unlabelled
	soft    column          // in their place
	weights column
	size    int
}

// gatherBatch is the graph behind feed.batch: images (S, H, W, C), rows (N), positions (B), and of each image labels (N), or soft labels
// (N, K), and perhaps weights (N) → (B, H, W, C), (B) or (B, K), and perhaps (B).
func gatherBatch(_ *model.Scope, in []*Node) ([]*Node, []update) {
	images, rows, positions := in[0], in[1], InsertAxes(in[2], -1)
	out := []*Node{Gather(images, InsertAxes(Gather(rows, positions), -1))}
	for _, values := range in[3:] {
		out = append(out, Gather(values, positions))
	}
	return out, nil
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
	for _, c := range []column{f.soft, f.weights} {
		if c.onDevice != nil {
			free(c.onDevice)
		}
	}
	f.set.Close()
}

// serveTraining makes a feed serve what training alone uses, where its set has it: probabilities in place of classes, and weights.
func (f *feed) serveTraining() (err error) {
	if f.soft, err = f.column("soft labels", f.set.SoftLabels(), f.set.Classes()); err != nil {
		return err
	}
	weights, err := relativeWeights(f.set)
	if err != nil {
		return err
	}
	f.weights, err = f.column("weights", weights)
	return err
}

// column is a value of each image of a feed, or a row of them: weights (N), or soft labels (N, K). Without values there is none.
type column struct {
	values   []float32       // in the view's order
	row      []int           // the shape of an image's: (), or (K)
	onDevice *tensors.Tensor // all values, of a set in memory
}

// column makes a column of a feed, and sends it to the device where the images are.
func (f *feed) column(name string, values []float32, row ...int) (c column, err error) {
	c = column{values: values, row: row}
	if values == nil || f.images == nil {
		return c, nil
	}
	shape := shapes.Make(dtypes.Float32, append([]int{f.size}, row...)...)
	buffer, err := f.backend.BufferFromFlatData(0, values, shape)
	if err == nil {
		c.onDevice, err = tensors.FromBuffer(buffer)
	}
	if err != nil {
		return column{}, data.Errorf(ErrDevice, "vpn: sending %s %s to the device: %w", name, shape, err)
	}
	return c, nil
}

// at are the values of the images at some positions.
func (c *column) at(positions []int32) *tensors.Tensor {
	size := 1
	for _, n := range c.row {
		size *= n
	}
	values := make([]float32, 0, len(positions)*size)
	for _, p := range positions {
		values = append(values, c.values[int(p)*size:(int(p)+1)*size]...)
	}
	return tensors.FromFlatDataAndDimensions(values, append([]int{len(positions)}, c.row...)...)
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

// next returns the next batch, of size images always: a last one repeats its last image, and valid is how many count. It is images, labels,
// and weights where the feed has them.
func (b *batches) next() (batch []*tensors.Tensor, valid int, err error) {
	valid = min(b.size, len(b.order))
	positions := make([]int32, b.size)
	for i := range positions {
		positions[i] = b.order[min(i, valid-1)]
	}
	b.order = b.order[valid:]
	if b.decoded == nil {
		batch, err = b.gathered(positions)
	} else {
		batch, err = b.sent(positions)
	}
	return batch, valid, err
}

// parts are the next n batches, also where there is an error.
func (b *batches) parts(n int) (parts [][]*tensors.Tensor, err error) {
	for range n {
		batch, _, err := b.next()
		if err != nil {
			return parts, err
		}
		parts = append(parts, batch)
	}
	return parts, nil
}

func freeParts(parts [][]*tensors.Tensor) {
	for _, p := range parts {
		free(p...)
	}
}

// whole is the whole set, or the model's share of it, as one batch, in the parts of Config.Accumulate.
func (f *feed) whole(ctx context.Context) (parts [][]*tensors.Tensor, err error) {
	size, err := f.partSize(f.size)
	if err != nil {
		return nil, err
	}
	b, err := f.batches(ctx, f.share.of(sequence(f.size), f.size), size, f.state.run.Epoch)
	if err != nil {
		return nil, err
	}
	defer b.close()
	return b.parts(f.net.cfg.Accumulate)
}

// partSize is how many images the parts of a batch have.
func (f *feed) partSize(images int) (int, error) {
	parts, want := f.share.parts(f.net.cfg.Accumulate)
	if images%parts != 0 {
		return 0, argumentError("a batch of %d images has no %d parts of one size: want a number of images that is a multiple of %s",
			images, parts, want)
	}
	part, n := images/parts, f.spread.count()
	if part%n != 0 {
		return 0, argumentError("%d images at a time do not divide among %d devices: want batches (of each of Accumulate's parts) of a multiple", part, n)
	}
	return part, nil
}

// gathered is a batch of a set in memory.
func (b *batches) gathered(positions []int32) ([]*tensors.Tensor, error) {
	in := []any{b.images, b.rows, tensors.FromFlatDataAndDimensions(positions, b.size), b.labels}
	if b.soft.onDevice != nil {
		in[3] = b.soft.onDevice
	}
	if b.weights.onDevice != nil {
		in = append(in, b.weights.onDevice)
	}
	return b.gather.call(in...)
}

// sent is the next batch of a streamed set.
func (b *batches) sent(positions []int32) ([]*tensors.Tensor, error) {
	decoded, err := b.decoded.Next()
	if err != nil {
		return nil, err
	}
	defer decoded.Release()
	images, err := decoded.OnDevice(b.backend, b.size)
	if err != nil {
		return nil, err
	}
	batch := []*tensors.Tensor{images, b.labelsAt(positions)}
	if b.weights.values != nil {
		batch = append(batch, b.weights.at(positions))
	}
	return batch, nil
}

// labelsAt are those of the images at some positions; zeros where the set is unlabelled.
func (f *feed) labelsAt(positions []int32) *tensors.Tensor {
	if f.soft.values != nil {
		return f.soft.at(positions)
	}
	labels := make([]int32, len(positions))
	if all := f.set.Labels(); all != nil {
		for i, p := range positions {
			labels[i] = all[p]
		}
	}
	return tensors.FromFlatDataAndDimensions(labels, len(positions))
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
		batch, valid, err := b.next()
		if err != nil {
			return err
		}
		err = reading(func() error { return fn(batch[0], batch[1], start, valid) })
		free(batch...)
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
