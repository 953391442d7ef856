package models

import (
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/nn"
)

// sumsAtOnce is how many values XLA for CPU sums in one loop, fused with the computation of the
// values. Longer sums read the values from memory in a pass of their own (XLA's
// TreeReductionRewriter).
const sumsAtOnce = 32

// LayerNorm is torch.nn.LayerNorm over the last axis: (x − mean)/√(variance + epsilon)·weight +
// bias with the biased variance. It computes in float32 if x is bfloat16.
func LayerNorm(s *model.Scope, x *Node, epsilon float64) *Node {
	return inFloat32(x, func(x *Node) *Node {
		width := x.Shape().Dim(-1)
		weight := Param(s, x.Graph(), x.DType(), "weight", Constant(1), width, width)
		bias := Param(s, x.Graph(), x.DType(), "bias", Constant(0), width, width)
		if pureGo(x) || width%sumsAtOnce != 0 {
			return nn.LayerNorm(x, []int{-1}, epsilon, weight, bias, nil)
		}
		split := func(v *Node) *Node { // (…, D) → (…, D/32, 32)
			dims := slices.Clone(v.Shape().Dimensions)
			dims[len(dims)-1] /= sumsAtOnce
			return Reshape(v, append(dims, sumsAtOnce)...)
		}
		y := nn.LayerNorm(split(x), []int{-2, -1}, epsilon, split(weight), split(bias), nil)
		return Reshape(y, x.Shape().Dimensions...)
	})
}

// GELU is torch.nn.GELU: x·Φ(x) with the exact distribution function Φ(x) = (1 + erf(x/√2))/2. It
// computes in float32 if x is bfloat16.
//
// Its gradient is Φ(x) + x·Φ'(x). GoMLX's activation.Gelu computes erf twice for a gradient; on the
// pure-Go backend erf is the slow part. XLA should compute it twice, since keeping Φ(x) until then
// costs more. For XLA, the gradient therefore has the equivalent (1 − erf(−x/√2))/2, which XLA does
// not recognise as the value it has.
func GELU(x *Node) *Node {
	return inFloat32(x, func(x *Node) *Node {
		gelu := func(x *Node) *Node { return Mul(x, MulScalar(OnePlus(Erf(MulScalar(x, 1/math.Sqrt2))), 0.5)) }
		if pureGo(x) {
			return gelu(x)
		}
		return withGradient(x, gelu, func(x, _, upstream *Node) *Node {
			cdf := MulScalar(OneMinus(Erf(MulScalar(x, -1/math.Sqrt2))), 0.5)
			density := MulScalar(Exp(MulScalar(Square(x), -0.5)), 1/math.Sqrt(2*math.Pi))
			return Mul(upstream, Add(cdf, Mul(x, density)))
		})
	})
}

// softmax is torch.softmax over the last axis. It computes in float32 if x is bfloat16. Its
// gradient, y·(u − Σ u·y) for the gradient u of the result, only needs the result y.
func softmax(x *Node) *Node {
	return inFloat32(x, func(x *Node) *Node {
		return withGradient(x, func(x *Node) *Node { return Softmax(x) }, func(_, y, upstream *Node) *Node {
			v := Mul(upstream, y)
			return Sub(v, Mul(y, ReduceAndKeep(v, ReduceSum, -1)))
		})
	})
}

// inFloat32 computes f(x) in float32 if x is bfloat16, whose 8 bits are too few for sums and tails.
// The result has the dtype of x.
func inFloat32(x *Node, f func(x *Node) *Node) *Node {
	if x.DType() != dtypes.BFloat16 {
		return f(x)
	}
	return ConvertDType(f(ConvertDType(x, dtypes.Float32)), dtypes.BFloat16)
}
