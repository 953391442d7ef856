package models

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Hidden is the width of both hidden layers of DNN3 and of the dnn3 generator (VPN paper, Section IV).
const Hidden = 1024

// DNN3 ("dnn3") is the paper's three-layer perceptron: d → 1024 → 1024 → classes with ReLU, parameters
// fc1.weight … fc3.bias.
func DNN3(s *model.Scope, images *Node, classes int) *Node {
	return MLP(s, images, classes, TorchUniform, images.DType())
}

// MLP is the perceptron of DNN3 with a choice of initial values and of the number of outputs:
// x (N, …) → (N, outputs), in dtype inner after the first layer.
func MLP(s *model.Scope, x *Node, outputs int, init Init, inner dtypes.DType) *Node {
	return afterFirst(s, Linear(s.In("fc1"), Flatten(x), Hidden, init), outputs, init, inner)
}

// BiasedMLP is MLP of x + b·1 for K numbers b per row: x (N, …), bias (N, K) → (N·K, outputs). Its first layer is linear, so that
// one product of x serves them all: W(x + b·1) = Wx + b·W1.
func BiasedMLP(s *model.Scope, x, bias *Node, outputs int, init Init, inner dtypes.DType) *Node {
	first := s.In("fc1")
	h := Linear(first, Flatten(x), Hidden, init)                                    // (N, 1024)
	ones := ReduceSum(first.GetVariable("weight").NodeValue(x.Graph()), -1)         // W1 (1024)
	h = Add(InsertAxes(h, 1), Mul(InsertAxes(bias, -1), ExpandLeftToRank(ones, 3))) // (N, K, 1024)
	return afterFirst(s, Reshape(h, -1, Hidden), outputs, init, inner)
}

// afterFirst is the rest of a perceptron: the first layer's output (N, 1024) → (N, outputs).
func afterFirst(s *model.Scope, x *Node, outputs int, init Init, inner dtypes.DType) *Node {
	x = ConvertDType(ReLU(x), inner)
	x = ReLU(Linear(s.In("fc2"), x, Hidden, init)) // (N, 1024)
	return Linear(s.In("fc3"), x, outputs, init)   // (N, outputs)
}

// ReLU is max(x, 0) with PyTorch's gradient, 0 at x = 0; that of GoMLX's activation.Relu is 1 there, where the units of
// a layer with zero biases start on a black image.
func ReLU(x *Node) *Node {
	return Where(GreaterThan(x, ScalarZero(x.Graph(), x.DType())), x, ZerosLike(x))
}

// Flatten keeps the batch axis: (N, …) → (N, d).
func Flatten(x *Node) *Node {
	return Reshape(x, x.Shape().Dimensions[0], -1)
}

// Linear is torch.nn.Linear: x (…, in) → x·weightᵀ + bias (…, out), with weight (out, in) and bias (out).
func Linear(s *model.Scope, x *Node, out int, init Init) *Node {
	in := x.Shape().Dim(-1)
	weight := Param(s, x.Graph(), x.DType(), "weight", init, in, out, in)
	bias := Param(s, x.Graph(), x.DType(), "bias", init, in, out)
	return affine(x, weight, bias)
}

// affine is x·weightᵀ + bias as one matrix product: x (…, in), weight (out, in), bias (out) → (…, out). The bias is added
// here because that of nn.Dense has no bfloat16 on the pure-Go backend.
func affine(x, weight, bias *Node) *Node {
	dims := slices.Clone(x.Shape().Dimensions)
	dims[len(dims)-1] = weight.Shape().Dim(0)
	x = product(Reshape(x, -1, weight.Shape().Dim(1)), weight)
	return Reshape(Add(x, ExpandLeftToRank(bias, 2)), dims...)
}
