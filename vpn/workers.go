package vpn

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// Share makes a model one of several workers, each a process of its own, that train together. Each
// worker computes its share of every batch, Sum adds up what they have found, and all make the same
// step. All must start with the same configuration, weights and data set. They then keep the same
// weights.
//
// Noise and augmentation are those of the whole batch. Batch norms take their statistics of each
// share, or of each of its Config.Accumulate parts.
type Share struct {
	Rank    int // the number of this worker, from 0
	Workers int // how many workers there are
	// Sum replaces values by their sums over all workers, with the same bits everywhere. False
	// stops the training.
	Sum func(values []float32) bool
}

// SetShare makes the following calls of Fit and TrainBatch train a share of every batch. nil stands
// for the whole batch.
func (m *Model) SetShare(s *Share) error {
	if s != nil && (s.Workers < 1 || s.Rank < 0 || s.Rank >= s.Workers || s.Sum == nil) {
		return argumentError("Share has Rank %d of %d Workers, want Rank from 0 to Workers − 1, and a Sum",
			s.Rank, s.Workers)
	}
	if s != nil && m.net.DType == dtypes.Float64 {
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

// of returns the positions of a share's images, given those of whole batches of so many images.
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

// workers returns how many workers share a batch.
func (s *Share) workers() int {
	if s == nil {
		return 1
	}
	return s.Workers
}

// parts returns into how many equal parts the global batch is split: accumulate parts for each
// worker. want names that divisor in error messages.
func (s *Share) parts(accumulate int) (n int, want string) {
	if s == nil {
		return accumulate, "Accumulate"
	}
	return accumulate * s.Workers, fmt.Sprintf("Accumulate times %d workers", s.Workers)
}

// start returns the position in the batch of the share's first image. The share has n images.
func (s *Share) start(n int) int {
	if s == nil {
		return 0
	}
	return s.Rank * n
}

// add turns the sum over this worker's parts into the sum over all workers. Each worker writes its
// least and largest σ to a place of its own, because these are not sums.
func (s *Share) add(own *sum) error {
	if s == nil {
		return nil
	}
	var all []float32
	err := engine.Reading(func() error {
		size := own.values.Shape().Size()
		all = make([]float32, size+2*s.Workers)
		tensors.MustConstFlatData(own.values, func(flat []float32) { copy(all, flat) })
		for i, v := range engine.Floats(own.extremes) {
			all[size+2*s.Rank+i] = float32(v)
		}
		if !s.Sum(all) {
			return fault.Errorf(ErrCancelled, "vpn: the sum over all workers was stopped")
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
