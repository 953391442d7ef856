package vpn

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// generatorFunc builds a generator's network in scope s for images x (N, H, W, C) under K labels each, whose biases κ·ȳ are
// (N, K): u = x + κ·ȳ → o (N·K, H, W, C). It computes in dtype inner but for the first layer, which keeps the dtype of x:
// bfloat16 would merge the labels in it.
type generatorFunc func(s *model.Scope, x, bias *Node, inner dtypes.DType) *Node

var generatorByName = map[string]generatorFunc{
	"dnn3":     dnn3Generator,
	"resnet18": resNet18Generator,
}

// GeneratorNames lists the generators, sorted.
func GeneratorNames() []string { return slices.Sorted(maps.Keys(generatorByName)) }

func generator(name string) (generatorFunc, error) {
	if g, ok := generatorByName[name]; ok {
		return g, nil
	}
	return nil, argumentError("Generator is %q, want one of %s", name, strings.Join(GeneratorNames(), ", "))
}

// dnn3Generator is the paper's d → 1024 → 1024 → d perceptron with ReLU, weights N(0, 0.002²), biases 0.
func dnn3Generator(s *model.Scope, x, bias *Node, inner dtypes.DType) *Node {
	dims, init := x.Shape().Dimensions, models.Normal(0.002)
	d := dims[1] * dims[2] * dims[3]
	var o *Node
	if bias.Shape().Dim(1) == 1 {
		o = models.MLP(s, labelled(x, bias), d, init, inner)
	} else {
		o = models.BiasedMLP(s, x, bias, d, init, inner)
	}
	return Reshape(o, -1, dims[1], dims[2], dims[3])
}

// labelled is u = x + κ·ȳ: x (N, H, W, C), bias (N, K) → (N·K, H, W, C).
func labelled(x, bias *Node) *Node {
	dims := x.Shape().Dimensions
	return Reshape(Add(InsertAxes(x, 1), InsertAxes(bias, -1, -1, -1)), -1, dims[1], dims[2], dims[3])
}

// resNet18Generator is the paper's: torchvision's stem, stages of two BasicBlocks that end at width 64, bilinear
// upsampling to the size of the image and a 3×3 convolution to its channels (parameter head.weight). The paper gives no
// initial values: torchvision's, and for the last convolution PyTorch's.
func resNet18Generator(s *model.Scope, x, bias *Node, inner dtypes.DType) *Node {
	u := labelled(x, bias)
	x = models.Stem(s, u, inner) // (N·K, ~H/4, ~W/4, 64)
	for i, width := range []int{64, 128, 256, 64} {
		x = models.Stage(s.In("layer%d", i+1), x, models.BasicBlock, 2, width, min(i+1, 2))
	}
	x = models.Upsample(x, u.Shape().Dim(1), u.Shape().Dim(2)) // (N·K, H, W, 64)
	return models.Conv(s.In("head"), x, u.Shape().Dim(3), 3, 1, models.TorchUniform)
}

// std is σ = g(x, y): x (N, H, W, C), labels (N) → (N, H, W, C).
func (n *network) std(s *model.Scope, x, labels *Node) *Node {
	sigma := n.stdOf(s, x, InsertAxes(n.labelBias(labels, x), -1))
	sigma.AssertDims(x.Shape().Dimensions...)
	return sigma
}

// stdOfAll is σ = g(x, k) for every class k: x (N, H, W, C) → (N·K, H, W, C).
func (n *network) stdOfAll(s *model.Scope, x *Node) *Node {
	size, k := x.Shape().Dimensions[0], n.cfg.Classes
	classes := Iota(x.Graph(), shapes.Make(labelDType, k), 0)
	return n.stdOf(s, x, BroadcastToDims(InsertAxes(n.labelBias(classes, x), 0), size, k))
}

func (n *network) stdOf(s *model.Scope, x, bias *Node) *Node {
	o := n.generator(s.At("generator"), x, bias, n.computeDType(x.Graph()))
	return stdByName[n.cfg.Std](&n.cfg, ConvertDType(o, n.dtype))
}

// labelBias is κ·ȳ (N), the label as a bias on every pixel: ȳ = y/(K−1) where scaled (0 for K = 1), y where index; of soft labels (N, K)
// its mean κ·Σ_k Y_k·k̄.
func (n *network) labelBias(labels, x *Node) *Node {
	scale := n.cfg.LabelCoefficient
	switch n.cfg.LabelEncoding {
	case "scaled":
		scale /= float64(max(n.cfg.Classes-1, 1))
	case "index":
	default:
		panic(fmt.Errorf("LabelEncoding is %q", n.cfg.LabelEncoding))
	}
	return MulScalar(expectedLabel(labels, x.DType()), scale)
}
