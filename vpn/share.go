package vpn

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/data"
)

// Share makes a model one of several, in processes of their own, that train together: each computes its part of every batch, Sum adds
// up what they have found, and all make the same step. All must have the same configuration, weights and data set, and then keep the
// same weights. Noise and augmentation are those of the whole batch; batch norm's statistics are those of each part, as with
// Config.Accumulate, which divides a share further.
type Share struct {
	Rank, Workers int // the number of this one, from 0, and how many there are
	// Sum replaces values by their sums over all of them, of the same bits everywhere. False stops the training.
	Sum func(values []float32) bool
}

// SetShare makes the following calls of Fit and TrainBatch train a share of every batch; nil: the whole.
func (m *Model) SetShare(s *Share) error {
	if s != nil && (s.Workers < 1 || s.Rank < 0 || s.Rank >= s.Workers || s.Sum == nil) {
		return argumentError("Share has Rank %d of %d Workers, want Rank from 0 to Workers − 1, and a Sum", s.Rank, s.Workers)
	}
	if s != nil && m.net.dtype == dtypes.Float64 {
		return argumentError("ComputeDType is float64, want another: models share sums of float32")
	}
	_, end, err := m.startTraining(context.Background())
	if err != nil {
		return err
	}
	defer end()
	m.share = s
	return nil
}

// of are the images of a share, of batches of so many.
func (s *Share) of(order []int32, batch int) []int32 {
	if s == nil {
		return order
	}
	n := batch / s.Workers
	own := make([]int32, 0, len(order)/s.Workers)
	for ; len(order) >= batch; order = order[batch:] {
		own = append(own, order[s.Rank*n:(s.Rank+1)*n]...)
	}
	return own
}

// workers is how many share a batch.
func (s *Share) workers() int {
	if s == nil {
		return 1
	}
	return s.Workers
}

// parts is into how many a batch is cut of which each share is cut into so many, and what its images must be a multiple of.
func (s *Share) parts(accumulate int) (n int, want string) {
	if s == nil {
		return accumulate, "Accumulate"
	}
	return accumulate * s.Workers, fmt.Sprintf("Accumulate times %d workers", s.Workers)
}

// start is the position in the batch of the first of n images that the share has.
func (s *Share) start(n int) int {
	if s == nil {
		return 0
	}
	return s.Rank * n
}

// add makes a sum of this model's parts one over all models. Each tells its least and largest σ in a place of its own.
func (s *Share) add(own *sum) error {
	if s == nil {
		return nil
	}
	var all []float32
	err := reading(func() error {
		size := own.values.Shape().Size()
		all = make([]float32, size+2*s.Workers)
		tensors.MustConstFlatData(own.values, func(flat []float32) { copy(all, flat) })
		for i, v := range floats(own.extremes) {
			all[size+2*s.Rank+i] = float32(v)
		}
		if !s.Sum(all) {
			return data.Errorf(ErrCancelled, "vpn: the sum over all workers was stopped")
		}
		least, largest := math.Inf(1), math.Inf(-1)
		for i := size; i < len(all); i += 2 {
			least, largest = min(least, float64(all[i])), max(largest, float64(all[i+1]))
		}
		own.free()
		own.values = tensors.FromFlatDataAndDimensions(all[:size], size)
		own.extremes = tensors.FromFlatDataAndDimensions([]float32{float32(least), float32(largest)}, 2)
		return nil
	})
	return err
}
