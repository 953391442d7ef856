package vpn

import (
	"context"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/data"
)

// A batch of several workers. Each has a model of the same configuration and the same weights, calls Gradients with its own part of the
// batch, adds the results of all workers up, and calls ApplyGradients with the sum: all make the step that one model makes of the
// whole batch, and keep the same weights.

// PartOptions say which part of a batch Gradients is given.
type PartOptions struct {
	Start int `json:"start"` // position of the part's first image in the batch
	Of    int `json:"of"`    // images of the batch; 0: as many as the part has
}

// Gradients returns what the images of d, a part of a batch, add to the next step of the model, which it does not make: one flat tensor,
// float32 (float64 with Config.ComputeDType float64), that the caller finalizes. The sum of the tensors of all parts is what
// ApplyGradients takes; the parts may differ in size.
//
// Noise and augmentation are those that the images have within the whole batch. The tensor holds, of the mean over the part times the part's
// share of the batch, the gradients of everything that the mode trains, in the order of names; the running statistics of batch norms,
// among them, which are then the mean of the parts'; then loss, accuracy and mean of σ. Weights of images count as they are: divide them
// by the mean weight of the whole training set. The configuration must have ImageShape and Classes, as a part need not show every class.
func (m *Model) Gradients(ctx context.Context, d *data.Dataset, o PartOptions) (*tensors.Tensor, error) {
	ctx, end, err := m.startTraining(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if !m.shaped() {
		return nil, argumentError("ImageShape is %v and Classes is %d, want both for gradients of a part: it need not show every class",
			m.net.cfg.ImageShape, m.net.cfg.Classes)
	}
	f, err := m.trainingFeed(d, givenWeights)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if o.Of == 0 {
		o.Of = f.size
	}
	if o.Start < 0 || o.Of > math.MaxInt32 || o.Start > o.Of-f.size {
		return nil, argumentError("a part of %d images starts at %d of %d, want it to lie in the batch", f.size, o.Start, o.Of)
	}
	parts, err := f.whole(ctx)
	defer freeParts(parts)
	if err != nil {
		return nil, err
	}
	return m.gradients(parts, o)
}

func (m *Model) gradients(parts [][]*tensors.Tensor, o PartOptions) (*tensors.Tensor, error) {
	if err := m.partsOf(o.Of); err != nil {
		return nil, err
	}
	cfg, s := m.Config(), m.newSum()
	if err := m.add(s, &cfg, parts, o.Start); err != nil {
		s.free()
		return nil, err
	}
	least, largest := m.extremes[0], m.extremes[1]
	err := reading(func() error {
		got := floats(s.extremes)
		least, largest = min(least, got[0]), max(largest, got[1])
		return nil
	})
	free(s.extremes)
	m.extremes = [2]float64{least, largest}
	return s.values, err
}

// noExtremes are those of no value.
var noExtremes = [2]float64{math.Inf(1), math.Inf(-1)}

// GradientsOf sends a sum, []float32 or []float64 as the tensors of Gradients hold, to the device, for ApplyGradients.
func (m *Model) GradientsOf(sum any) (*tensors.Tensor, error) {
	shape := shapes.Make(dtypes.Float32, 0)
	switch values := sum.(type) {
	case []float32:
		shape = shapes.Make(dtypes.Float32, len(values))
	case []float64:
		shape = shapes.Make(dtypes.Float64, len(values))
	}
	if err := m.checkSum(shape); err != nil {
		return nil, err
	}
	buffer, err := m.backend.BufferFromFlatData(0, sum, shape)
	if err == nil {
		var t *tensors.Tensor
		if t, err = tensors.FromBuffer(buffer); err == nil {
			return t, nil
		}
	}
	return nil, data.Errorf(ErrDevice, "vpn: sending gradients %s to the device: %w", shape, err)
}

// checkSum refuses what is no sum of this model.
func (m *Model) checkSum(shape shapes.Shape) error {
	if !m.shaped() {
		return argumentError("the model has no weights yet: want a call of Gradients first")
	}
	if want := shapes.Make(m.net.dtype, m.sumSize()); !shape.Equal(want) {
		return argumentError("the gradients are %s, want %s, the sum of what Gradients returned on every worker", shape, want)
	}
	return nil
}

// ApplyOptions are those of one ApplyGradients.
type ApplyOptions struct {
	Epochs int `json:"epochs"` // of the schedule, in all; 0: Config.Epochs
}

// ApplyGradients makes the step of a whole batch: sum is that of the tensors which Gradients returned for all parts of the batch, of the
// present step, or from GradientsOf. It stays the caller's. The optimiser, the learning rate's schedule and the step count are those
// of Fit, and so is the history: training goes on where it is, as with Resume, and the epoch until FinishEpoch. The least and largest σ
// are of the parts that this model has seen.
func (m *Model) ApplyGradients(ctx context.Context, values *tensors.Tensor, o ApplyOptions) (Metrics, error) {
	_, end, err := m.startTraining(ctx)
	if err != nil {
		return Metrics{}, err
	}
	defer end()
	if o.Epochs < 0 || o.Epochs > math.MaxInt32 {
		return Metrics{}, argumentError("ApplyOptions.Epochs is %d, want 1 to 2³¹−1, or 0 for the configuration's", o.Epochs)
	}
	if err := m.checkSum(values.Shape()); err != nil {
		return Metrics{}, err
	}
	cfg, s := m.Config(), &sum{values, m.net.vector(m.extremes[:])}
	defer free(s.extremes)
	if o.Epochs == 0 {
		o.Epochs = cfg.Epochs
	}
	got, err := m.applySum(s, &cfg, min(m.state.run.Epoch, o.Epochs-1), o.Epochs)
	if err != nil {
		return Metrics{}, err
	}
	if math.IsInf(float64(got.StdMin), 0) {
		got.StdMin, got.StdMax = Float(math.NaN()), Float(math.NaN())
	}
	m.extremes = noExtremes
	m.state.Lock()
	defer m.state.Unlock()
	m.state.run.Batch++
	m.state.run.Sums.add(got)
	return got, nil
}

// FinishOptions are those of one FinishEpoch.
type FinishOptions struct {
	Seconds     float64  `json:"seconds"` // that the epoch took; 0: not known
	Images      int      `json:"images"`  // of a batch
	ValLoss     *float64 `json:"val_loss"`
	ValAccuracy *float64 `json:"val_accuracy"` // with Config.RestoreBest, the best epoch's weights are those of inference
}

// FinishEpoch ends the epoch of the steps that ApplyGradients has made, and adds its row to the history.
func (m *Model) FinishEpoch(o FinishOptions) error {
	_, end, err := m.startTraining(nil)
	if err != nil {
		return err
	}
	defer end()
	r := &m.state.run
	if r.Sums.Batches == 0 {
		return argumentError("the epoch has no step, want one of ApplyGradients before FinishEpoch")
	}
	r.Sums.Seconds = o.Seconds
	row := r.Sums.epoch(r.Epoch+1, o.Images)
	if o.Seconds == 0 || o.Images == 0 {
		row.ImagesPerSecond = Float(math.NaN())
	}
	if o.Seconds == 0 {
		row.Seconds, row.DataWait = Float(math.NaN()), Float(math.NaN())
	}
	if o.ValLoss != nil {
		row.ValLoss = Float(*o.ValLoss)
	}
	better := false
	if o.ValAccuracy != nil {
		row.ValAccuracy = Float(*o.ValAccuracy)
		better = r.BestEpoch == 0 || *o.ValAccuracy > r.BestScore || m.net.cfg.Mode == "frozen"
	}
	m.finishEpoch(row, better)
	m.useBest = m.best != nil
	return nil
}
