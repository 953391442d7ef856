package models

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/nn"
)

// product is x·weightᵀ: x (M, in), weight (out, in) → (M, out).
//
// The gradient of the weight is a product that sums over rows. The pure-Go backend sums over
// columns of the left factor. GoMLX's gradient makes it transpose both factors, one of which may be
// the patches of a convolution. This one transposes the smaller factor.
func product(x, weight *Node) *Node {
	dense := func(x, weight *Node) *Node { return nn.Dense(x, weight, nil, compute.DenseLayoutOutputsInput) }
	if !pureGo(x) {
		return dense(x, weight)
	}
	again := x
	return withGradient(weight, func(weight *Node) *Node {
		seen := IdentityWithCustomGradient(x, func(x, v *Node) *Node { // evaluated before the gradient of the weight
			again = x
			return v
		})
		return dense(seen, weight)
	}, func(_, _, upstream *Node) *Node { return Dot(Transpose(upstream, 0, 1), again).Product() })
}

// withGradient returns y = f(x) with a gradient of its own for x: a function of x, y and the
// gradient of y. The function must use no other values of the block, because under [Remat] x and y
// are computed again.
func withGradient(x *Node, f func(x *Node) *Node, gradient func(x, y, upstream *Node) *Node) *Node {
	var y, upstream *Node // known when the gradient of x is asked for
	x = IdentityWithCustomGradient(x, func(x, _ *Node) *Node { return gradient(x, y, upstream) })
	return IdentityWithCustomGradient(f(x), func(result, v *Node) *Node {
		y, upstream = result, v
		return v
	})
}

// pureGo reports whether the pure-Go backend computes x.
func pureGo(x *Node) bool { return x.Graph().Backend().String() == gobackend.BackendName }
