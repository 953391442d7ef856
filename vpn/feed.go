package vpn

import (
	"context"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// feed serves batches of a data set on the device.
//
// A set in memory goes to the device once and as a whole, in its own dtype. A batch is gathered
// there by position, so that only positions cross. For a streamed set, decoded batches cross.
type feed struct {
	model   *Model
	set     *data.Dataset   // a view of its own: the caller may close theirs meanwhile
	images  *tensors.Tensor // all images of the set's storage; nil for a stream
	indices *tensors.Tensor // position in images of each of the view's images
	labels  *tensors.Tensor // in the view's order; zeros if the set has none
	soft    column          // soft labels in the place of labels, in training
	weights column          // sample weights, in training
	size    int             // images of the view
}

// newFeed sends a data set that accept returned to the device, unless it is streamed. The feed
// closes the set; so does a failure.
func (m *Model) newFeed(set *data.Dataset) (f *feed, err error) {
	f = &feed{model: m, set: set, size: set.Len()}
	if set.Streamed() {
		return f, nil
	}
	if f.images, err = set.OnDevice(m.backend); err != nil {
		set.Close()
		return nil, err
	}
	indices, labels := set.Indices(), set.Labels()
	if indices == nil {
		indices = sequence(f.size)
	}
	if labels == nil {
		labels = make([]int32, f.size)
	}
	f.indices = tensors.FromFlatDataAndDimensions(indices, f.size)
	f.labels = tensors.FromFlatDataAndDimensions(labels, f.size)
	return f, nil
}

func (f *feed) close() {
	if f.images != nil {
		engine.Free(f.indices, f.labels)
	}
	for _, c := range []column{f.soft, f.weights} {
		if c.onDevice != nil {
			engine.Free(c.onDevice)
		}
	}
	f.set.Close()
}

// serveTraining makes a feed serve what only training uses, if its set has it: soft labels in the
// place of labels, and sample weights.
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

// column holds one value per image, such as weights (N), or one row per image, such as soft labels
// (N, K). The zero column is that of a set without such values.
type column struct {
	values   []float32       // in the view's order
	shape    []int           // of one image's values: (), or (K)
	onDevice *tensors.Tensor // all values; nil for a stream
}

// column makes a column of a feed. It sends the values to the device if the images are there.
func (f *feed) column(name string, values []float32, one ...int) (c column, err error) {
	c = column{values: values, shape: one}
	if values == nil || f.images == nil {
		return c, nil
	}
	shape := shapes.Make(dtypes.Float32, append([]int{f.size}, one...)...)
	buffer, err := f.model.backend.BufferFromFlatData(0, values, shape)
	if err == nil {
		c.onDevice, err = tensors.FromBuffer(buffer)
	}
	if err != nil {
		return column{}, fault.Errorf(ErrDevice, "vpn: sending %s %s to the device: %w", name, shape, err)
	}
	return c, nil
}

// at returns the values of the images at these positions.
func (c *column) at(positions []int32) *tensors.Tensor {
	size := 1
	for _, n := range c.shape {
		size *= n
	}
	values := make([]float32, 0, len(positions)*size)
	for _, p := range positions {
		values = append(values, c.values[int(p)*size:(int(p)+1)*size]...)
	}
	return tensors.FromFlatDataAndDimensions(values, append([]int{len(positions)}, c.shape...)...)
}

// serving says which images of a feed are served, and how many at a time.
type serving struct {
	order []int32 // positions
	size  int     // at a time
	// The last images of order come lastSize at a time, which is less than size. last 0: none.
	last, lastSize int
}

// batches serves images of a feed.
type batches struct {
	serving // what is still to serve
	feed    *feed
	decoded *data.Batches // of a streamed set
}

// batches begins to serve. The caller must call close. Random crops of a stream are those of the
// given epoch.
func (f *feed) batches(ctx context.Context, s serving, epoch int) (*batches, error) {
	b := &batches{serving: s, feed: f}
	if f.images != nil {
		return b, nil
	}
	var err error
	b.decoded, err = f.set.Batches(ctx, data.BatchOptions{
		Order: s.order, Size: s.size, Last: s.last, LastSize: s.lastSize,
		Seed: f.model.net.Config.Seed, Epoch: epoch,
	})
	return b, err
}

// next returns the next batch: images, labels, and weights if the feed has them. Its size is that
// of the serving. If images for it are missing, it repeats the last one, and valid is how many
// count.
func (b *batches) next() (batch []*tensors.Tensor, valid int, err error) {
	size := b.size
	if len(b.order) <= b.last {
		size = b.lastSize
	}
	valid = min(size, len(b.order))
	positions := make([]int32, size)
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

// parts returns the next n batches. With an error it returns those before it, which the caller
// frees.
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

// freeParts frees what batches.parts returned.
func freeParts(parts [][]*tensors.Tensor) {
	for _, p := range parts {
		engine.Free(p...)
	}
}

// whole returns the whole set, or the model's share of it, as one batch in Config.Accumulate parts.
func (f *feed) whole(ctx context.Context) (parts [][]*tensors.Tensor, err error) {
	size, err := f.model.partSize(f.size)
	if err != nil {
		return nil, err
	}
	s := serving{order: f.model.share.of(sequence(f.size), f.size), size: size}
	b, err := f.batches(ctx, s, f.model.state.run.Epoch)
	if err != nil {
		return nil, err
	}
	defer b.close()
	return b.parts(f.model.net.Config.Accumulate)
}

// gathered makes the batch of these positions, for a set in memory.
func (b *batches) gathered(positions []int32) ([]*tensors.Tensor, error) {
	f := b.feed
	in := []any{f.images, f.indices, tensors.FromFlatDataAndDimensions(positions, len(positions)), f.labels}
	if f.soft.onDevice != nil {
		in[3] = f.soft.onDevice
	}
	if f.weights.onDevice != nil {
		in = append(in, f.weights.onDevice)
	}
	return f.model.programs[gatherProgram].Call(in...)
}

// sent makes the batch of these positions, which are the next ones of a streamed set.
func (b *batches) sent(positions []int32) ([]*tensors.Tensor, error) {
	decoded, err := b.decoded.Next()
	if err != nil {
		return nil, err
	}
	defer decoded.Release()
	images, err := decoded.OnDevice(b.feed.model.backend, len(positions))
	if err != nil {
		return nil, err
	}
	batch := []*tensors.Tensor{images, b.feed.labelsAt(positions)}
	if b.feed.weights.values != nil {
		batch = append(batch, b.feed.weights.at(positions))
	}
	return batch, nil
}

// labelsAt returns the labels of the images at these positions, and zeros if the set has none.
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

// chunks calls fn for all images of the feed in their order, in chunks of size, until fn fails or
// ctx ends. valid is how many images of a chunk count.
func (f *feed) chunks(ctx context.Context, size int, fn func(images, labels *tensors.Tensor, start, valid int) error) error {
	b, err := f.batches(ctx, serving{order: sequence(f.size), size: size}, 0)
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
		err = engine.Reading(func() error { return fn(batch[0], batch[1], start, valid) })
		engine.Free(batch...)
		if err != nil {
			return err
		}
	}
	return nil
}

// relativeWeights returns the weights of a set ([data.Dataset.Weights]) divided by their mean: (N),
// or nil if it has none. Training multiplies what every image adds to the loss by it. Its program
// compiles with weights or without.
func relativeWeights(d *data.Dataset) ([]float32, error) {
	weights := d.Weights()
	if weights == nil {
		return nil, nil
	}
	var sum float64
	for _, w := range weights {
		sum += float64(w)
	}
	if sum == 0 { // a slice of a set may have zeros alone
		return nil, argumentError("the training set has weights that are all 0, want at least one above 0")
	}
	mean, relative := sum/float64(len(weights)), make([]float32, len(weights))
	for i, w := range weights {
		relative[i] = float32(float64(w) / mean)
	}
	return relative, nil
}

// accept returns a view of a data set, for the caller to close, or an error if the set does not fit
// the model. If its labels are wanted, those of the view are the model's classes. name is what
// messages call the set.
func (m *Model) accept(d *data.Dataset, name string, labelled bool) (*data.Dataset, error) {
	if d == nil {
		return nil, argumentError("%s is nil, want a data set", name)
	}
	h, w, c := d.Shape()
	shape, want := [3]int{h, w, c}, m.net.Config.ImageShape
	if want != [3]int{} && shape != want {
		return nil, argumentError("%s has images of %d×%d×%d, want %d×%d×%d as the model",
			name, h, w, c, want[0], want[1], want[2])
	}
	if !labelled {
		return d.Share()
	}
	if d.Labels() == nil {
		return nil, argumentError("%s has no labels, want one per image", name)
	}
	set, err := m.byName(d, name)
	if err != nil {
		return nil, err
	}
	if err := m.checkLabels(set, name); err != nil {
		set.Close()
		return nil, err
	}
	return set, nil
}

// checkLabels returns an error if the labels of a set are not the model's classes.
func (m *Model) checkLabels(set *data.Dataset, name string) error {
	k := m.net.Config.Classes
	if k == 0 {
		return nil
	}
	if set.SoftLabels() != nil && set.Classes() != k {
		return argumentError("%s has soft labels of %d classes, want %d, the model's number of classes",
			name, set.Classes(), k)
	}
	for i, y := range set.Labels() {
		if int(y) >= k {
			return argumentError("%s has label %d at index %d, want labels below %d, the model's number of classes",
				name, y, i, k)
		}
	}
	return nil
}
