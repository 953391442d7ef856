package augment

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// uniforms draws k numbers from [0, 1) for each of n images: k nodes (n). They are float64, as in
// torchvision, whatever the dtype of the images is; there are few of them.
func uniforms(state *Node, k, n int) (newState *Node, u []*Node) {
	newState, all := RandomUniform(state, shapes.Make(dtypes.Float64, k, n))
	return newState, unstack(all)
}

// unstack returns the rows of x: (k, n) → k nodes (n).
func unstack(x *Node) []*Node {
	rows := make([]*Node, x.Shape().Dim(0))
	for i := range rows {
		rows[i] = Squeeze(Slice(x, AxisElem(i), AxisRange()), 0)
	}
	return rows
}

// between maps u from [0, 1) to [low, high). The result is exactly low if high equals low.
func between(u *Node, bounds [2]float64) *Node {
	return AddScalar(MulScalar(u, bounds[1]-bounds[0]), bounds[0])
}

// below maps u from [0, 1) to whole numbers 0 … n−1, as floats.
func below(u *Node, n int) *Node {
	return MinScalar(Floor(MulScalar(u, float64(n))), float64(n-1))
}

// like converts a parameter per image (N) to the dtype of x and to shape (N, 1, …) of the given
// rank.
func like(x, param *Node, rank int) *Node {
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = 1
	}
	dims[0] = param.Shape().Dim(0)
	return Reshape(ConvertDType(param, x.DType()), dims...)
}
