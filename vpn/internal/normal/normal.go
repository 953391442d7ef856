// Package normal draws normally distributed numbers in GoMLX graphs.
package normal

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Standard draws z ~ N(0, 1) of a shape from a state (3 × uint64) of GoMLX's generator. All its values are finite, which
// graph.RandomNormal's are not.
func Standard(state *Node, shape shapes.Shape) (newState, z *Node) {
	n := shape.Size()
	newState, u := RandomUniform(state, shapes.Make(shape.DType, 2, (n+1)/2))
	return newState, Reshape(Slice(BoxMuller(u), AxisRange(0, n)), shape.Dimensions...)
}

// BoxMuller turns uniform draws u (2, k) from [0, 1) into 2k independent standard normal ones:
// √(−2 ln u₀)·cos 2πu₁ and √(−2 ln u₀)·sin 2πu₁ (G. E. P. Box, M. E. Muller, Ann. Math. Statist. 29, 1958).
// graph.RandomUniform scales 32 random bits, all zero once in 2³² draws, and ln 0 is not finite: those draws stand
// for (0, 2⁻³²) and become its middle, 2⁻³³.
func BoxMuller(u *Node) *Node {
	u0 := MaxScalar(Slice(u, AxisElem(0), AxisRange()), 0x1p-33)                   // (1, k)
	angle := MulScalar(Slice(u, AxisElem(1), AxisRange()), 2*math.Pi)              // (1, k)
	radius := Sqrt(MulScalar(Log(u0), -2))                                         // (1, k)
	z := Concatenate([]*Node{Mul(radius, Cos(angle)), Mul(radius, Sin(angle))}, 0) // (2, k)
	return Reshape(z, -1)                                                          // (2k)
}
