package augment

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// uniforms draws k numbers from [0, 1) for each of n images: k nodes (n). They are float64, as torchvision's, whatever
// the images are: there are few.
func uniforms(state *Node, k, n int) (newState *Node, u []*Node) {
	newState, all := RandomUniform(state, shapes.Make(dtypes.Float64, k, n))
	return newState, rows(all)
}

// rows cuts x (k, n) in its rows (n).
func rows(x *Node) []*Node {
	parts := make([]*Node, x.Shape().Dim(0))
	for i := range parts {
		parts[i] = Squeeze(Slice(x, AxisElem(i), AxisRange()), 0)
	}
	return parts
}

// between moves u from [0, 1) to [low, high). It is low, exactly, where high is low.
func between(u *Node, bounds [2]float64) *Node {
	return AddScalar(MulScalar(u, bounds[1]-bounds[0]), bounds[0])
}

// below turns u from [0, 1) into whole numbers 0 … n−1, as floats.
func below(u *Node, n int) *Node {
	return MinScalar(Floor(MulScalar(u, float64(n))), float64(n-1))
}

// standardNormal draws z ~ N(0, 1). All its values are finite, which graph.RandomNormal's are not.
func standardNormal(state *Node, shape shapes.Shape) (newState, z *Node) {
	n := shape.Size()
	newState, u := RandomUniform(state, shapes.Make(shape.DType, 2, (n+1)/2))
	return newState, Reshape(Slice(boxMuller(u), AxisRange(0, n)), shape.Dimensions...)
}

// boxMuller turns uniform draws u (2, k) from [0, 1) into 2k independent standard normal ones:
// √(−2 ln u₀)·cos 2πu₁ and √(−2 ln u₀)·sin 2πu₁ (G. E. P. Box, M. E. Muller, Ann. Math. Statist. 29, 1958).
// A draw of 0 stands for (0, 2⁻³²) and becomes its middle, 2⁻³³.
func boxMuller(u *Node) *Node {
	u0 := MaxScalar(Slice(u, AxisElem(0), AxisRange()), 0x1p-33)                   // (1, k)
	angle := MulScalar(Slice(u, AxisElem(1), AxisRange()), 2*math.Pi)              // (1, k)
	radius := Sqrt(MulScalar(Log(u0), -2))                                         // (1, k)
	z := Concatenate([]*Node{Mul(radius, Cos(angle)), Mul(radius, Sin(angle))}, 0) // (2, k)
	return Reshape(z, -1)                                                          // (2k)
}

// like turns a parameter per image (N) into the dtype of x and the shape (N, 1, …) of the given rank.
func like(x, param *Node, rank int) *Node {
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = 1
	}
	dims[0] = param.Shape().Dim(0)
	return Reshape(ConvertDType(param, x.DType()), dims...)
}
