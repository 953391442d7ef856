package vpn

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// generatorFunc builds a generator's network in scope s: u (N, H, W, C) → o (N, H, W, C). It computes in dtype inner but
// for the first layer, which keeps the dtype of u: bfloat16 would merge the labels in it.
type generatorFunc func(s *model.Scope, u *Node, inner dtypes.DType) *Node

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
func dnn3Generator(s *model.Scope, u *Node, inner dtypes.DType) *Node {
	d := u.Shape().Size() / u.Shape().Dimensions[0]
	return Reshape(models.MLP(s, u, d, models.Normal(0.002), inner), u.Shape().Dimensions...)
}

// resNet18Generator is the paper's: torchvision's stem, stages of two BasicBlocks that end at width 64, bilinear
// upsampling to the size of the image and a 3×3 convolution to its channels (parameter head.weight). The paper gives no
// initial values: torchvision's, and for the last convolution PyTorch's.
func resNet18Generator(s *model.Scope, u *Node, inner dtypes.DType) *Node {
	x := models.Stem(s, u, inner) // (N, ~H/4, ~W/4, 64)
	for i, width := range []int{64, 128, 256, 64} {
		x = models.Stage(s.In("layer%d", i+1), x, models.BasicBlock, 2, width, min(i+1, 2))
	}
	x = models.Upsample(x, u.Shape().Dim(1), u.Shape().Dim(2)) // (N, H, W, 64)
	return models.Conv(s.In("head"), x, u.Shape().Dim(3), 3, 1, models.TorchUniform)
}

// std is σ = g(x, y): x (N, H, W, C), labels (N) → (N, H, W, C).
func (n *network) std(s *model.Scope, x, labels *Node) *Node {
	u := Add(x, InsertAxes(n.labelBias(labels, x), -1, -1, -1)) // (N, H, W, C)
	o := ConvertDType(n.generator(s.At("generator"), u, n.computeDType()), n.dtype)
	sigma := stdByName[n.cfg.Std](&n.cfg, o)
	sigma.AssertDims(x.Shape().Dimensions...)
	return sigma
}

// labelBias is κ·ȳ (N), the label as a bias on every pixel: ȳ = y/(K−1) where scaled (0 for K = 1), y where index.
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
