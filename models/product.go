package models

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/nn"
)

// product is x·weightᵀ: x (M, in), weight (out, in) → (M, out).
//
// The gradient of the weight is a product that sums over rows. The pure-Go backend sums over columns of the left factor, and
// GoMLX's gradient makes it transpose both factors, the patches of a convolution among them; this one transposes the smaller.
func product(x, weight *Node) *Node {
	if !pureGo(x) {
		return nn.Dense(x, weight, nil, compute.DenseLayoutOutputsInput)
	}
	var upstream *Node // gradient of the product (M, out): known before that of the weight is asked for
	weight = IdentityWithCustomGradient(weight, func(_, _ *Node) *Node {
		return Dot(Transpose(upstream, 0, 1), x).Product()
	})
	y := nn.Dense(x, weight, nil, compute.DenseLayoutOutputsInput)
	return IdentityWithCustomGradient(y, func(_, gradient *Node) *Node {
		upstream = gradient
		return gradient
	})
}

// pureGo says whether the pure-Go backend computes x.
func pureGo(x *Node) bool { return x.Graph().Backend().String() == gobackend.BackendName }
