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
	dense := func(weight *Node) *Node { return nn.Dense(x, weight, nil, compute.DenseLayoutOutputsInput) }
	if !pureGo(x) {
		return dense(weight)
	}
	return withGradient(weight, dense, func(upstream *Node) *Node { return Dot(Transpose(upstream, 0, 1), x).Product() })
}

// withGradient is f(x), whose gradient for x, and only that, is a function of the gradient of the result.
func withGradient(x *Node, f, gradient func(*Node) *Node) *Node {
	var upstream *Node // known before the gradient of x is asked for
	x = IdentityWithCustomGradient(x, func(_, _ *Node) *Node { return gradient(upstream) })
	return IdentityWithCustomGradient(f(x), func(_, v *Node) *Node {
		upstream = v
		return v
	})
}

// pureGo says whether the pure-Go backend computes x.
func pureGo(x *Node) bool { return x.Graph().Backend().String() == gobackend.BackendName }
