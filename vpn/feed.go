package vpn

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/vpn/data"
)

// feed serves batches of a data set from the device: the images are there as a whole, in their own dtype, and a
// batch is gathered there by position, so that positions are all that crosses.
type feed struct {
	set    *data.Dataset // a view of its own: the caller may close theirs meanwhile
	images *tensors.Tensor
	rows   *tensors.Tensor // row of each of the view's images in images
	labels *tensors.Tensor // in the view's order; zeros where unlabelled
	gather *program
	size   int
}

// gatherBatch is the graph behind feed.batch: images (S, H, W, C), rows (N), labels (N), positions (B) →
// (B, H, W, C), (B).
func gatherBatch(_ *model.Scope, in []*Node) ([]*Node, []update) {
	images, rows, labels, positions := in[0], in[1], in[2], InsertAxes(in[3], -1)
	return []*Node{Gather(images, InsertAxes(Gather(rows, positions), -1)), Gather(labels, positions)}, nil
}

func (m *Model) newFeed(d *data.Dataset) (*feed, error) {
	set, err := d.Share()
	if err != nil {
		return nil, err
	}
	images, err := set.OnDevice(m.backend)
	if err != nil {
		set.Close()
		return nil, err
	}
	f := &feed{set: set, images: images, gather: m.gather, size: set.Len()}
	rows, labels := set.Indices(), set.Labels()
	if rows == nil {
		rows = make([]int32, f.size)
		for i := range rows {
			rows[i] = int32(i)
		}
	}
	if labels == nil {
		labels = make([]int32, f.size)
	}
	f.rows = tensors.FromFlatDataAndDimensions(rows, f.size)
	f.labels = tensors.FromFlatDataAndDimensions(labels, f.size)
	return f, nil
}

// batch gathers the images and labels at the given positions of the view.
func (f *feed) batch(positions []int32) (images, labels *tensors.Tensor, err error) {
	out, err := f.gather.call(f.images, f.rows, f.labels, tensors.FromFlatDataAndDimensions(positions, len(positions)))
	if err != nil {
		return nil, nil, err
	}
	return out[0], out[1], nil
}

func (f *feed) close() {
	_ = f.rows.FinalizeAll()
	_ = f.labels.FinalizeAll()
	f.set.Close()
}

// chunks calls fn for consecutive chunks of size positions. The last chunk repeats its last image up to size, so that
// one compiled program serves all; valid is how many of its images count.
func (f *feed) chunks(size int, fn func(images, labels *tensors.Tensor, start, valid int) error) error {
	positions := make([]int32, size)
	for start := 0; start < f.size; start += size {
		valid := min(size, f.size-start)
		for i := range positions {
			positions[i] = int32(start + min(i, valid-1))
		}
		images, labels, err := f.batch(positions)
		if err != nil {
			return err
		}
		err = fn(images, labels, start, valid)
		free(images, labels)
		if err != nil {
			return err
		}
	}
	return nil
}

// free releases tensors at once, not at the next garbage collection: device memory does not press on Go's heap.
func free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		_ = t.FinalizeAll()
	}
}
