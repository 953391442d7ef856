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

// generatorFunc builds a generator's network in scope s for images x (N, H, W, C) under L labels each → o (N·L, H, W, C). It
// computes in dtype inner but for the first layer, which keeps the dtype of x: bfloat16 would merge the labels in it.
type generatorFunc func(s *model.Scope, x *Node, l labels, inner dtypes.DType) *Node

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
func dnn3Generator(s *model.Scope, x *Node, l labels, inner dtypes.DType) *Node {
	dims, init, fusion := x.Shape().Dimensions, models.Normal(0.002), fusionByName[l.n.cfg.LabelFusion]
	h := fusion.linear(l, s.In("fc1"), x, models.Hidden, init)
	h = fusion.features(l, h) // (N·L, 1024)
	o := models.MLPAfterFirst(s, h, dims[1]*dims[2]*dims[3], init, inner)
	return Reshape(o, -1, dims[1], dims[2], dims[3])
}

// resNet18Generator is the paper's: torchvision's stem, stages of two BasicBlocks that end at width 64, bilinear
// upsampling to the size of the image and a 3×3 convolution to its channels (parameter head.weight). The paper gives no
// initial values: torchvision's, and for the last convolution PyTorch's.
func resNet18Generator(s *model.Scope, x *Node, l labels, inner dtypes.DType) *Node {
	dims, fusion := x.Shape().Dimensions, fusionByName[l.n.cfg.LabelFusion]
	x = models.StemFeatures(s, fusion.images(l, x), inner)
	x = models.MaxPool3x3(models.ReLU(fusion.features(l, x))) // (N·L, ~H/4, ~W/4, 64)
	for i, width := range []int{64, 128, 256, 64} {
		x = models.Stage(s.In("layer%d", i+1), x, models.BasicBlock, 2, width, min(i+1, 2))
	}
	x = models.Upsample(x, dims[1], dims[2]) // (N·L, H, W, 64)
	return models.Conv(s.In("head"), x, dims[3], 3, 1, models.TorchUniform)
}

// std is σ = g(x, y): x (N, H, W, C), labels (N) → (N, H, W, C).
func (n *network) std(s *model.Scope, x, labels *Node) *Node {
	sigma := n.stdOf(s, x, InsertAxes(labels, -1))
	sigma.AssertDims(x.Shape().Dimensions...)
	return sigma
}

// stdOfAll is σ = g(x, k) for every class k: x (N, H, W, C) → (N·K, H, W, C).
func (n *network) stdOfAll(s *model.Scope, x *Node) *Node {
	return n.stdOf(s, x, Iota(x.Graph(), shapes.Make(labelDType, 1, n.cfg.Classes), 1))
}

// stdOf is σ = g(x, y) under L labels each: x (N, H, W, C), y (N, L), or (1, L) for all images → (N·L, H, W, C).
func (n *network) stdOf(s *model.Scope, x, y *Node) *Node {
	generator := s.At("generator")
	o := n.generator(generator, x, labels{n, generator.In("label"), y}, n.computeDType(x.Graph()))
	return stdByName[n.cfg.Std](&n.cfg, ConvertDType(o, n.dtype))
}

// labelBias is κ·ȳ of any shape, the label as a bias on every pixel: ȳ = y/(K−1) where scaled (0 for K = 1), y where index.
func (n *network) labelBias(labels, x *Node) *Node {
	scale := n.cfg.LabelCoefficient
	switch n.cfg.LabelEncoding {
	case "scaled":
		scale /= float64(max(n.cfg.Classes-1, 1))
	case "index":
	default:
		panic(fmt.Errorf("LabelEncoding is %q", n.cfg.LabelEncoding))
	}
	return MulScalar(ConvertDType(labels, x.DType()), scale)
}
