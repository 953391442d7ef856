package models

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/nn"
)

// LayerNorm is torch.nn.LayerNorm over the last axis, (x − mean)/√(variance + epsilon)·weight + bias with the biased
// variance, computed in float32 where x is bfloat16.
func LayerNorm(s *model.Scope, x *Node, epsilon float64) *Node {
	return inFloat32(x, func(x *Node) *Node {
		width := x.Shape().Dim(-1)
		weight := Param(s, x.Graph(), x.DType(), "weight", Constant(1), width, width)
		bias := Param(s, x.Graph(), x.DType(), "bias", Constant(0), width, width)
		return nn.LayerNorm(x, []int{-1}, epsilon, weight, bias, nil)
	})
}

// GELU is torch.nn.GELU, x·Φ(x) with the exact distribution function Φ(x) = (1 + erf(x/√2))/2, computed in float32 where x
// is bfloat16. For a gradient, GoMLX's activation.Gelu takes erf, the slow part on the pure-Go backend, twice.
func GELU(x *Node) *Node {
	return inFloat32(x, func(x *Node) *Node {
		return Mul(x, MulScalar(OnePlus(Erf(MulScalar(x, 1/math.Sqrt2))), 0.5))
	})
}

// inFloat32 computes f(x) in float32 where x is bfloat16, whose 8 bits are too few for sums and tails, and gives the
// result the dtype of x.
func inFloat32(x *Node, f func(x *Node) *Node) *Node {
	if x.DType() != dtypes.BFloat16 {
		return f(x)
	}
	return ConvertDType(f(ConvertDType(x, dtypes.Float32)), dtypes.BFloat16)
}
