package models

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Hidden is the width of both hidden layers of DNN3 and of the dnn3 generator (VPN paper, Section
// IV).
const Hidden = 1024

// DNN3 ("dnn3") is the paper's three-layer perceptron: d → 1024 → 1024 → classes with ReLU. Its
// parameters are fc1.weight … fc3.bias.
func DNN3(s *model.Scope, images *Node, classes int) *Node {
	return MLP(s, images, classes, TorchUniform, images.DType())
}

// MLP is the perceptron of DNN3 with a choice of initial values and of the number of outputs: x (N,
// …) → (N, outputs). It computes in dtype inner after the first layer.
func MLP(s *model.Scope, x *Node, outputs int, init Init, inner dtypes.DType) *Node {
	return MLPAfterFirst(s, Linear(s.In("fc1"), Flatten(x), Hidden, init), outputs, init, inner)
}

// MLPAfterFirst is an MLP after its first linear layer: (N, 1024) → (N, outputs).
func MLPAfterFirst(s *model.Scope, x *Node, outputs int, init Init, inner dtypes.DType) *Node {
	x = hidden(s, 1, ConvertDType(ReLU(x), inner))
	x = remat(s, x, func(x *Node) *Node { return ReLU(Linear(s.In("fc2"), x, Hidden, init)) })
	x = hidden(s, 2, x)                          // (N, 1024)
	return Linear(s.In("fc3"), x, outputs, init) // (N, outputs)
}

// ReLU is max(x, 0) with PyTorch's gradient, which is 0 at x = 0. The gradient of GoMLX's
// activation.Relu is 1 there. A layer with zero biases starts there for a black image.
func ReLU(x *Node) *Node {
	return Where(GreaterThan(x, ScalarZero(x.Graph(), x.DType())), x, ZerosLike(x))
}

// Flatten keeps the batch axis: (N, …) → (N, d).
func Flatten(x *Node) *Node {
	return Reshape(x, x.Shape().Dimensions[0], -1)
}

// Linear is torch.nn.Linear: x (…, in) → x·weightᵀ + bias (…, out), with weight (out, in) and bias
// (out).
func Linear(s *model.Scope, x *Node, out int, init Init) *Node {
	weight, bias := LinearParams(s, x, x.Shape().Dim(-1), out, init)
	return Affine(x, weight, bias)
}

// LinearParams returns the parameters of a Linear layer with `in` inputs, in the graph and dtype of
// x: weight (out, in), bias (out).
func LinearParams(s *model.Scope, x *Node, in, out int, init Init) (weight, bias *Node) {
	weight = Param(s, x.Graph(), x.DType(), "weight", init, in, out, in)
	return weight, Param(s, x.Graph(), x.DType(), "bias", init, in, out)
}

// Affine is x·weightᵀ + bias as one matrix product: x (…, in), weight (out, in), bias (out) → (…,
// out). It adds the bias itself because nn.Dense cannot do so in bfloat16 on the pure-Go backend.
func Affine(x, weight, bias *Node) *Node {
	dims := slices.Clone(x.Shape().Dimensions)
	dims[len(dims)-1] = weight.Shape().Dim(0)
	x = product(Reshape(x, -1, weight.Shape().Dim(1)), weight)
	return Reshape(Add(x, ExpandLeftToRank(bias, 2)), dims...)
}
