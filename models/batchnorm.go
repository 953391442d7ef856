package models

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// The defaults of torch.nn.BatchNorm2d.
const (
	batchNormMomentum = 0.1
	batchNormEpsilon  = 1e-5
)

// Graph parameters (booleans) that batch norm reads from its scope, or from the nearest scope above
// that sets them. They are false if no scope sets them.
const (
	// Training normalises by the statistics of the batch, and updates the running statistics. The
	// graph holds their new values (Variable.ChangedInGraph); a program must return them.
	Training = model.GraphParamIsTraining
	// Auxiliary uses a second set of parameters and statistics, for noisy images: AdvProp (C. Xie
	// et al., CVPR 2020).
	Auxiliary = "auxiliary_batch_norm"
)

// AuxiliaryScope is where timm's SplitBatchNorm2d keeps its second sets. Here there is one:
// bn1.aux_bn.0.weight.
const AuxiliaryScope = "aux_bn"

var buffers = []string{"running_mean", "running_var", "num_batches_tracked"}

// IsBuffer reports whether a variable is a "buffer" in PyTorch's sense: state of batch norm, not a
// parameter. name is the last part of its path. Buffers stay Trainable for GoMLX, which may compile
// other variables into a program as constants.
func IsBuffer(name string) bool { return slices.Contains(buffers, name) }

// BatchNorm is torch.nn.BatchNorm2d: x (N, H, W, C) → the same shape. Its parameters are weight (C)
// and bias (C), its buffers running_mean (C), running_var (C) and num_batches_tracked.
//
//	training:   (x − mean)/√(var + ε)·weight + bias of the batch, var = E(x − mean)²;
//	            running ← 0.9·running + 0.1·(mean, var·n/(n−1)), n = N·H·W
//	inference:  the same with the running values
//
// Statistics are computed in float32 if x is bfloat16.
func BatchNorm(s *model.Scope, x *Node) *Node {
	return inFloat32(x, func(x *Node) *Node { return batchNorm(s, x) })
}

func batchNorm(s *model.Scope, x *Node) *Node {
	g, c := x.Graph(), x.Shape().Dim(-1)
	if model.GetGraphParamOr(s, g, Auxiliary, false) {
		s = s.In(AuxiliaryScope).In("0")
	}
	param := func(name string, initial float64) *Node {
		return Param(s, g, x.DType(), name, Constant(initial), 1, c)
	}
	weight, bias := param("weight", 1), param("bias", 0)
	mean, variance := param("running_mean", 0), param("running_var", 1)
	batches := Variable(s, "num_batches_tracked", shapes.Make(dtypes.Int64), func() *tensors.Tensor { return tensors.FromScalar(int64(0)) })
	if model.GetGraphParamOr(s, g, Training, false) {
		n := x.Shape().Size() / c
		if n < 2 {
			panic(OneValueError(fmt.Sprintf("models: batch norm of %s in training mode: one value per channel has no variance; "+
				"want larger batches or images", s.Scope())))
		}
		running := func(name string, old, batch *Node) {
			moved := Add(MulScalar(old, 1-batchNormMomentum), MulScalar(batch, batchNormMomentum))
			s.GetVariable(name).SetNodeValue(moved)
		}
		oldMean, oldVariance := mean, variance
		mean = ReduceMean(x, 0, 1, 2)                                  // (C)
		variance = ReduceMean(Square(Sub(x, channels(mean))), 0, 1, 2) // (C)
		running("running_mean", oldMean, mean)
		running("running_var", oldVariance, MulScalar(variance, float64(n)/float64(n-1)))
		batches.SetNodeValue(AddScalar(batches.NodeValue(g), 1))
	}
	scale := Div(weight, Sqrt(AddScalar(variance, batchNormEpsilon)))
	return Add(Mul(Sub(x, channels(mean)), channels(scale)), channels(bias))
}

// channels returns v (C) as (1, 1, 1, C), which broadcasts over images.
func channels(v *Node) *Node { return InsertAxes(v, 0, 0, 0) }
