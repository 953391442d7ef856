// Package normal draws normally distributed numbers in GoMLX graphs.
package normal

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Standard draws z ~ N(0, 1) of a shape from a state (3 × uint64) of GoMLX's generator. All its values are finite, which
// graph.RandomNormal's are not.
//
// On XLA, float32 values are functions of their positions, which it fuses into their reader. On the pure-Go backend, which computes
// operation by operation, they are Box and Muller's pairs; so are float64 values, for which 32 bits are too few.
func Standard(state *Node, shape shapes.Shape) (newState, z *Node) {
	if shape.DType == dtypes.Float32 && state.Graph().Backend().String() != gobackend.BackendName {
		return AddScalar(state, 1), Reshape(byPosition(state, shape.Size()), shape.Dimensions...)
	}
	n := shape.Size()
	newState, u := RandomUniform(state, shapes.Make(shape.DType, 2, (n+1)/2))
	return newState, Reshape(Slice(BoxMuller(u), AxisRange(0, n)), shape.Dimensions...)
}

// BoxMuller turns uniform draws u (2, k) from [0, 1) into 2k independent standard normal ones:
// √(−2 ln u₀)·cos 2πu₁ and √(−2 ln u₀)·sin 2πu₁ (G. E. P. Box, M. E. Muller, Ann. Math. Statist. 29, 1958).
// graph.RandomUniform scales 32 random bits, all zero once in 2³² draws, and ln 0 is not finite: those draws stand
// for (0, 2⁻³²) and become its middle, 2⁻³³.
func BoxMuller(u *Node) *Node {
	r := radius(MaxScalar(Slice(u, AxisElem(0), AxisRange()), 0x1p-33))  // (1, k)
	angle := MulScalar(Slice(u, AxisElem(1), AxisRange()), 2*math.Pi)    // (1, k)
	z := Concatenate([]*Node{Mul(r, Cos(angle)), Mul(r, Sin(angle))}, 0) // (2, k)
	return Reshape(z, -1)                                                // (2k)
}

// radius is √(−2 ln u), Box and Muller's.
func radius(u *Node) *Node { return Sqrt(MulScalar(Log(u), -2)) }

// byPosition draws n values, of which each is the cosine half of Box and Muller's pair for the 64 bits that Philox2x32 has for
// its position: bits i stand for (i + ½)/2³².
func byPosition(state *Node, n int) *Node {
	g := state.Graph()
	word := Slice(state, AxisElem(0))
	key := BroadcastToDims(ConvertDType(word, dtypes.Uint32), n)
	high := BroadcastToDims(ConvertDType(BitwiseShiftRightLogicalScalar(word, uint64(32)), dtypes.Uint32), n)
	first, second := Philox2x32(Iota(g, shapes.Make(dtypes.Uint32, n), 0), high, key)
	uniform := func(bits *Node) *Node {
		return MulScalar(AddScalar(ConvertDType(bits, dtypes.Float32), 0.5), 0x1p-32)
	}
	return Mul(radius(uniform(first)), cosineOfTurn(uniform(second)))
}

// Philox2x32 is ten rounds of the counter-based generator of that name, constants included: J. K. Salmon, M. A. Moraes,
// R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. All are uint32 of one shape.
func Philox2x32(counter0, counter1, key *Node) (bits0, bits1 *Node) {
	for range 10 {
		wide := MulScalar(ConvertDType(counter0, dtypes.Uint64), uint64(0xD256D193))
		high := ConvertDType(BitwiseShiftRightLogicalScalar(wide, uint64(32)), dtypes.Uint32)
		counter0, counter1 = BitwiseXor(BitwiseXor(high, key), counter1), ConvertDType(wide, dtypes.Uint32)
		key = AddScalar(key, uint32(0x9E3779B9))
	}
	return counter0, counter1
}

// cosineOfTurn is cos 2πu for u in [0, 1]: that is sin a, a = 2π(|u − ½| − ¼) from [−π/2, π/2], whose Taylor series to a¹¹ is
// within 6e-8. Cos would take three quarters of the time of a draw: XLA for CPU calls the C library for each value.
func cosineOfTurn(u *Node) *Node {
	a := MulScalar(AddScalar(Abs(AddScalar(u, -0.5)), -0.25), 2*math.Pi)
	square, series := Square(a), OnesLike(a)
	for _, k := range []float64{10 * 11, 8 * 9, 6 * 7, 4 * 5, 2 * 3} {
		series = OneMinus(MulScalar(Mul(square, series), 1/k))
	}
	return Mul(a, series)
}
