package vpn

import (
	"encoding/json"
	"math"
)

// Float is a float64 whose JSON is null for NaN and ±Inf.
type Float float64

// MarshalJSON writes NaN and ±Inf as null.
func (f Float) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// UnmarshalJSON reads null as NaN.
func (f *Float) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*f = Float(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(f))
}

// Epoch is one row of a model's history. A value that does not exist is NaN.
//
// Loss, in nats, is all that training minimises: the mean over the images that the epoch trained
// on. It is weighted if the data have weights. With Config.EntropyWeight the reward is in it, and
// it may be negative. Accuracy is over the same images, without noise if BaseLossWeight > 0, else
// with noise. The statistics of σ are in units of the pixel range, or of the hidden layer.
// Validation is without noise, and ValLoss is the cross-entropy alone.
type Epoch struct {
	Epoch           int   `json:"epoch"` // from 1
	Loss            Float `json:"loss"`
	Accuracy        Float `json:"accuracy"`
	ValLoss         Float `json:"val_loss"`
	ValAccuracy     Float `json:"val_accuracy"`
	StdMean         Float `json:"std_mean"`
	StdMin          Float `json:"std_min"`
	StdMax          Float `json:"std_max"`
	Seconds         Float `json:"seconds"` // wall time of the epoch, without its validation
	ImagesPerSecond Float `json:"images_per_second"`
	DataWait        Float `json:"data_wait"`     // fraction of Seconds spent waiting for batches, in [0, 1]
	LearningRate    Float `json:"learning_rate"` // of the epoch's last step, scheduled
}

// UnmarshalJSON reads a row. What the files of earlier versions lack is NaN.
func (e *Epoch) UnmarshalJSON(text []byte) error {
	type plain Epoch
	row := plain{LearningRate: Float(math.NaN())}
	err := json.Unmarshal(text, &row)
	*e = Epoch(row)
	return err
}

// Metrics is what one training step reports.
type Metrics struct {
	Loss         Float `json:"loss"`
	Accuracy     Float `json:"accuracy"`
	StdMean      Float `json:"std_mean"`
	StdMin       Float `json:"std_min"`
	StdMax       Float `json:"std_max"`
	LearningRate Float `json:"learning_rate"` // scheduled
}

// run is how far training has come. A resumed run needs it, the weights and the optimiser's state.
type run struct {
	Epoch     int     `json:"epoch"` // epochs finished
	Step      int64   `json:"step"`  // optimiser steps made
	Batch     int     `json:"batch"` // batches made of the next epoch
	Sums      sums    `json:"sums"`  // of those batches
	BestEpoch int     `json:"best_epoch"`
	BestScore float64 `json:"best_score"` // val_accuracy of BestEpoch
	History   []Epoch `json:"history"`
}

// maxSteps is where the number of steps stays: no training takes so many, but a file may say so.
const maxSteps = 1 << 53

// check returns an error for numbers that no training leaves. Training from numbers that it accepts
// leaves such numbers.
func (r *run) check() error {
	negative := min(r.Epoch, int(r.Step), r.Batch, r.BestEpoch) < 0 || !(r.Sums.Batches >= 0)
	beyond := max(r.Epoch, r.Batch) > math.MaxInt32 || r.Step > maxSteps || r.Sums.Batches > float64(r.Batch)
	if negative || beyond || r.BestEpoch > r.Epoch || len(r.History) > r.Epoch {
		return formatError("the run is epoch %d (best %d, %d in the history), step %d, batch %d, "+
			"want no negative number, no later epoch and none beyond 2³¹−1", r.Epoch, r.BestEpoch, len(r.History), r.Step, r.Batch)
	}
	return nil
}

// sums adds up the metrics of an epoch's batches, each times its size in whole batches. A mean is
// then one over images.
type sums struct {
	Batches      float64 `json:"batches"` // the sum of these sizes: a partial batch counts as a fraction
	Loss         Float   `json:"loss"`
	Correct      Float   `json:"correct"`
	StdMean      Float   `json:"std_mean"`
	StdMin       Float   `json:"std_min"`
	StdMax       Float   `json:"std_max"`
	LearningRate Float   `json:"learning_rate"` // of the last batch
	Seconds      float64 `json:"seconds"`
	Wait         float64 `json:"wait"` // for batches, part of Seconds
}

// add adds the metrics of a batch that has the given size in whole batches.
func (s *sums) add(m Metrics, size float64) {
	if s.Batches == 0 {
		s.StdMin, s.StdMax = m.StdMin, m.StdMax
	}
	s.Batches += size
	s.Loss += m.Loss * Float(size)
	s.Correct += m.Accuracy * Float(size)
	s.StdMean += m.StdMean * Float(size)
	s.StdMin, s.StdMax = min(s.StdMin, m.StdMin), max(s.StdMax, m.StdMax)
	s.LearningRate = m.LearningRate
}

// mean divides a sum by the number of batches.
func (s *sums) mean(sum Float) Float {
	if s.Batches == 0 {
		return 0
	}
	return sum / Float(s.Batches)
}

// epoch returns the row of epoch number (from 1) with whole batches of size images.
func (s *sums) epoch(number, size int) Epoch {
	n, nan := Float(s.Batches), Float(math.NaN())
	return Epoch{
		Epoch: number, Loss: s.Loss / n, Accuracy: s.Correct / n, ValLoss: nan, ValAccuracy: nan,
		StdMean: s.StdMean / n, StdMin: s.StdMin, StdMax: s.StdMax,
		Seconds: Float(s.Seconds), ImagesPerSecond: n * Float(size) / Float(s.Seconds),
		DataWait: Float(s.Wait / s.Seconds), LearningRate: s.LearningRate,
	}
}

// History returns a row per finished epoch.
func (m *Model) History() []Epoch {
	m.state.Lock()
	defer m.state.Unlock()
	return append([]Epoch(nil), m.state.run.History...)
}
