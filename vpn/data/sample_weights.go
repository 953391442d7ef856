package data

import (
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// Weights returns how much each of this view's images counts in training: (N) numbers, finite and
// at least 0, in order. nil means that all count the same. Only training uses them, and only their
// ratios matter. They must not be changed.
func (d *Dataset) Weights() []float32 { return d.weights }

// WithWeights returns a view of the same images and labels with these weights: one per image, at
// least one of them above 0. nil removes the weights. The slice is kept without a copy.
func (d *Dataset) WithWeights(weights []float32) (*Dataset, error) {
	if err := checkWeights(weights, d.Len()); err != nil {
		return nil, err
	}
	v := d.view()
	v.weights = weights
	return d.attach(v)
}

// WithArrowWeights is [Dataset.WithWeights] with a copy of an array of float32.
func (d *Dataset) WithArrowWeights(weights arrow.Array) (*Dataset, error) {
	if err := checkWeightType(weights.DataType()); err != nil {
		return nil, err
	}
	given, err := values[float32]("weights", weights, 0)
	if err != nil {
		return nil, err
	}
	return d.WithWeights(append([]float32{}, given...)) // nil would mean no weights
}

// WeightColumns checks that arrays of this field can be weights. It returns nil: there are no
// columns to choose from.
func WeightColumns(field arrow.Field) ([]int, error) { return nil, checkWeightType(field.Type) }

func checkWeightType(t arrow.DataType) error {
	if t.ID() != arrow.FLOAT32 {
		return argErrorf("weights has type %s, want float32", t)
	}
	return nil
}

func checkWeights(weights []float32, n int) error {
	if weights == nil {
		return nil
	}
	if len(weights) != n {
		return argErrorf("weights has %d values, want %d: one per image", len(weights), n)
	}
	for i, w := range weights {
		if v := float64(w); !(v >= 0) || math.IsInf(v, 1) {
			return argErrorf("weights[%d] is %v, want a finite number, 0 or more", i, w)
		}
	}
	if slices.Max(weights) == 0 {
		return argErrorf("weights are all 0, want at least one above 0")
	}
	return nil
}
