// Package random draws numbers of zero mean and unit variance in GoMLX graphs.
package random

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Normal draws z ~ N(0, 1) of a shape from a state (3 × uint64) of GoMLX's generator. All values
// are finite, which those of graph.RandomNormal are not.
//
// On XLA, each float32 value is a function of its position, which XLA computes where the value is
// read. The pure-Go backend computes operation by operation, so there the values are Box and
// Muller's pairs. Float64 values are so everywhere, because 32 random bits are too few for them.
func Normal(state *Node, shape shapes.Shape) (newState, z *Node) {
	if fused(state, shape) {
		newState, u, v := uniform(state, shape)
		return newState, Mul(radius(u), cosineOfTurn(v))
	}
	n := shape.Size()
	newState, u := RandomUniform(state, shapes.Make(shape.DType, 2, (n+1)/2))
	return newState, Reshape(Slice(BoxMuller(u), AxisRange(0, n)), shape.Dimensions...)
}

// Laplace draws as Normal does, from Laplace's distribution of scale 1/√2, whose variance is 1. A
// value is ln(u)/√2 with a random sign.
func Laplace(state *Node, shape shapes.Shape) (newState, z *Node) {
	newState, u, v := uniform(state, shape)
	size := MulScalar(Log(u), -math.Sqrt2/2)
	return newState, Where(LessThan(v, ConstAs(v, 0.5)), Neg(size), size)
}

// Uniform draws as Normal does, from the uniform distribution over [−√3, √3], whose variance is 1.
func Uniform(state *Node, shape shapes.Shape) (newState, z *Node) {
	newState, u, _ := uniform(state, shape)
	return newState, MulScalar(AddScalar(u, -0.5), 2*math.Sqrt(3))
}

// uniform draws two independent numbers from (0, 1] for each value of a shape.
func uniform(state *Node, shape shapes.Shape) (newState, u, v *Node) {
	if fused(state, shape) {
		u, v = byPosition(state, shape.Size())
		return AddScalar(state, 1), Reshape(u, shape.Dimensions...), Reshape(v, shape.Dimensions...)
	}
	newState, both := RandomUniform(state, shapes.Make(shape.DType, append([]int{2}, shape.Dimensions...)...))
	both = MaxScalar(both, least)
	return newState, Squeeze(Slice(both, AxisElem(0)), 0), Squeeze(Slice(both, AxisElem(1)), 0)
}

// fused says whether values are drawn by position.
func fused(state *Node, shape shapes.Shape) bool {
	return shape.DType == dtypes.Float32 && !pureGo(state)
}

// pureGo says whether the pure-Go backend computes x.
func pureGo(x *Node) bool { return x.Graph().Backend().String() == gobackend.BackendName }

// least replaces a 0 of graph.RandomUniform, because ln 0 is not finite. That function scales 32
// random bits, which are all zero once in 2³² draws. Such a draw stands for the interval (0, 2⁻³²),
// and least is its middle.
const least = 0x1p-33

// BoxMuller turns uniform draws u (2, k) from [0, 1) into 2k independent standard normal ones: √(−2
// ln u₀)·cos 2πu₁ and √(−2 ln u₀)·sin 2πu₁ (G. E. P. Box, M. E. Muller, Ann. Math. Statist. 29,
// 1958).
func BoxMuller(u *Node) *Node {
	r := radius(MaxScalar(Slice(u, AxisElem(0), AxisRange()), least))    // (1, k)
	angle := MulScalar(Slice(u, AxisElem(1), AxisRange()), 2*math.Pi)    // (1, k)
	z := Concatenate([]*Node{Mul(r, Cos(angle)), Mul(r, Sin(angle))}, 0) // (2, k)
	return Reshape(z, -1)                                                // (2k)
}

// radius is √(−2 ln u), Box and Muller's.
func radius(u *Node) *Node { return Sqrt(MulScalar(Log(u), -2)) }

// byPosition draws two uniform numbers for each of n values, from the 64 bits that Philox2x32 has
// for the value's position. Bits i stand for (i + ½)/2³².
func byPosition(state *Node, n int) (u, v *Node) {
	g := state.Graph()
	word := Slice(state, AxisElem(0))
	key := BroadcastToDims(ConvertDType(word, dtypes.Uint32), n)
	high := BroadcastToDims(ConvertDType(BitwiseShiftRightLogicalScalar(word, uint64(32)), dtypes.Uint32), n)
	first, second := Philox2x32(Iota(g, shapes.Make(dtypes.Uint32, n), 0), high, key)
	middle := func(bits *Node) *Node {
		return MulScalar(AddScalar(ConvertDType(bits, dtypes.Float32), 0.5), 0x1p-32)
	}
	return middle(first), middle(second)
}

// Philox2x32 is ten rounds of the counter-based generator of that name, with its constants (J. K.
// Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). All arguments and results are uint32 of one shape.
func Philox2x32(counter0, counter1, key *Node) (bits0, bits1 *Node) {
	for range 10 {
		wide := MulScalar(ConvertDType(counter0, dtypes.Uint64), uint64(0xD256D193))
		high := ConvertDType(BitwiseShiftRightLogicalScalar(wide, uint64(32)), dtypes.Uint32)
		counter0, counter1 = BitwiseXor(BitwiseXor(high, key), counter1), ConvertDType(wide, dtypes.Uint32)
		key = AddScalar(key, uint32(0x9E3779B9))
	}
	return counter0, counter1
}

// cosineOfTurn is cos 2πu for u in [0, 1]. It equals sin a with a = 2π(|u − ½| − ¼) from [−π/2,
// π/2], whose Taylor series to a¹¹ is within 6e-8. Cos would take three quarters of the time of a
// draw, because XLA for CPU calls the C library for each value.
func cosineOfTurn(u *Node) *Node {
	a := MulScalar(AddScalar(Abs(AddScalar(u, -0.5)), -0.25), 2*math.Pi)
	square, series := Square(a), OnesLike(a)
	for _, k := range []float64{10 * 11, 8 * 9, 6 * 7, 4 * 5, 2 * 3} {
		series = OneMinus(MulScalar(Mul(square, series), 1/k))
	}
	return Mul(a, series)
}
