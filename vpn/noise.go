package vpn

import (
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Streams keep the random numbers of different purposes apart.
const (
	streamTrain uint64 = iota + 1
	streamClasswise
	streamSample
	streamShuffle
	streamAugment
)

// randomState returns the state (3 × uint64) of the device's generator for draw number counter of a stream. It is
// a function of its arguments alone, so that a run resumes from the seed and the number of its steps.
func randomState(seed int64, stream uint64, counter int64) *tensors.Tensor {
	rng := rand.New(rand.NewPCG(uint64(seed), stream<<56|uint64(counter)))
	return tensors.FromFlatDataAndDimensions([]uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()}, 3)
}

// standardNormal draws z ~ N(0, I). All its values are finite.
func standardNormal(state *Node, shape shapes.Shape) (newState, z *Node) {
	n := shape.Size()
	newState, u := RandomUniform(state, shapes.Make(shape.DType, 2, (n+1)/2))
	return newState, Reshape(Slice(boxMuller(u), AxisRange(0, n)), shape.Dimensions...)
}

// boxMuller turns uniform draws u (2, k) from [0, 1) into 2k independent standard normal ones:
// √(−2 ln u₀)·cos 2πu₁ and √(−2 ln u₀)·sin 2πu₁ (G. E. P. Box, M. E. Muller, Ann. Math. Statist. 29, 1958).
// graph.RandomUniform scales 32 random bits, all zero once in 2³² draws, and ln 0 is not finite: those draws stand
// for (0, 2⁻³²) and become its middle, 2⁻³³.
func boxMuller(u *Node) *Node {
	u0 := MaxScalar(Slice(u, AxisElem(0), AxisRange()), 0x1p-33) // (1, k)
	angle := MulScalar(Slice(u, AxisElem(1), AxisRange()), 2*math.Pi)
	radius := Sqrt(MulScalar(Log(u0), -2))
	z := Concatenate([]*Node{Mul(radius, Cos(angle)), Mul(radius, Sin(angle))}, 0) // (2, k)
	return Reshape(z, -1)                                                          // (2k)
}
