package vpn

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/govpn/govpn/vpn/data"
)

// Where data have weights ([data.Dataset.Weights]), training multiplies what every image adds to the loss by its weight, divided by the
// mean weight of the training set. The training program compiles with weights or without.

// relativeWeights are the weights of a set divided by their mean: (N); nil where it has none.
func relativeWeights(d *data.Dataset) ([]float32, error) {
	weights := d.Weights()
	if weights == nil {
		return nil, nil
	}
	var sum float64
	for _, w := range weights {
		sum += float64(w)
	}
	if sum == 0 { // of a part of a set
		return nil, argumentError("the training set has weights that are all 0, want at least one above 0")
	}
	mean, relative := sum/float64(len(weights)), make([]float32, len(weights))
	for i, w := range weights {
		relative[i] = float32(float64(w) / mean)
	}
	return relative, nil
}

// weightedMean is the mean of w_i·v over images i and their values v: values (N, …), weights (N), or nil for 1 → scalar.
func weightedMean(values, weights *Node) *Node {
	if weights != nil {
		weights.AssertDims(values.Shape().Dim(0))
		weights = ConvertDType(weights, values.DType())
		for weights.Rank() < values.Rank() {
			weights = InsertAxes(weights, -1)
		}
		values = Mul(values, weights)
	}
	return ReduceAllMean(values)
}
