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
	dense := func(x, weight *Node) *Node { return nn.Dense(x, weight, nil, compute.DenseLayoutOutputsInput) }
	if !pureGo(x) {
		return dense(x, weight)
	}
	again := x
	return withGradient(weight, func(weight *Node) *Node {
		seen := IdentityWithCustomGradient(x, func(x, v *Node) *Node { // comes before the gradient of the weight
			again = x
			return v
		})
		return dense(seen, weight)
	}, func(_, _, upstream *Node) *Node { return Dot(Transpose(upstream, 0, 1), again).Product() })
}

// withGradient is y = f(x), whose gradient for x, and only that, is a function of x, y and the gradient of y: of x and y as they are, or
// as [Remat] computes them again, so that it must use no other value of the block.
func withGradient(x *Node, f func(x *Node) *Node, gradient func(x, y, upstream *Node) *Node) *Node {
	var y, upstream *Node // known before the gradient of x is asked for
	x = IdentityWithCustomGradient(x, func(x, _ *Node) *Node { return gradient(x, y, upstream) })
	return IdentityWithCustomGradient(f(x), func(result, v *Node) *Node {
		y, upstream = result, v
		return v
	})
}

// pureGo says whether the pure-Go backend computes x.
func pureGo(x *Node) bool { return x.Graph().Backend().String() == gobackend.BackendName }
