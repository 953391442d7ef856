package vpn

import "github.com/govpn/govpn/vpn/data"

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
