package vpn

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// generatorFunc builds a generator's network in scope s for images x (N, H, W, C) under L labels each → o (N·L, out…), where out is
// (height, width, channels) of the images or of a hidden layer's maps, (tokens, width) of a ViT, or the width of a vector. It computes
// in dtype inner but for the first layer, which keeps the dtype of x: bfloat16 would merge the labels in it.
type generatorFunc func(s *model.Scope, x *Node, l labels, out []int, inner dtypes.DType) *Node

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

// dnn3Generator is the paper's d → 1024 → 1024 → d perceptron with ReLU, weights N(0, 0.002²), biases 0; for a hidden layer, with
// as many outputs as that has.
func dnn3Generator(s *model.Scope, x *Node, l labels, out []int, inner dtypes.DType) *Node {
	init, fusion := models.Normal(0.002), fusionByName[l.n.cfg.LabelFusion]
	h := fusion.linear(l, s.In("fc1"), x, models.Hidden, init)
	h = fusion.features(l, h) // (N·L, 1024)
	o := models.MLPAfterFirst(s, h, shapes.Make(inner, out...).Size(), init, inner)
	return Reshape(o, append([]int{-1}, out...)...)
}

// resNet18Generator is the paper's: torchvision's stem, stages of two BasicBlocks that end at width 64, bilinear
// upsampling to the size of the image and a 3×3 convolution to its channels (parameter head.weight). The paper gives no
// initial values: torchvision's, and for the last convolution PyTorch's. For a hidden layer, the size and the channels are that
// layer's; a vector is a map of one pixel, the mean over all of them, and a 1×1 convolution.
func resNet18Generator(s *model.Scope, x *Node, l labels, out []int, inner dtypes.DType) *Node {
	image, fusion := x.Shape().Dimensions[1:], fusionByName[l.n.cfg.LabelFusion]
	x = models.StemFeatures(s, fusion.images(l, x), inner)
	x = models.MaxPool3x3(models.ReLU(fusion.features(l, x))) // (N·L, ~H/4, ~W/4, 64)
	for i, width := range []int{64, 128, 256, 64} {
		x = models.Stage(s.In("layer%d", i+1), x, models.BasicBlock, 2, width, min(i+1, 2))
	}
	switch len(out) {
	case 1:
		return vectorHead(s.In("head"), x, out[0])
	case 2:
		return tokensHead(s, x, out, image)
	default:
		return mapHead(s.In("head"), x, out[0], out[1], out[2])
	}
}

// mapHead is features (N, h, w, 64) → (N, height, width, channels).
func mapHead(s *model.Scope, x *Node, height, width, channels int) *Node {
	return models.Conv(s, models.Upsample(x, height, width), channels, 3, 1, models.TorchUniform)
}

// vectorHead is features (N, h, w, 64) → (N, width).
func vectorHead(s *model.Scope, x *Node, width int) *Node {
	return models.Flatten(models.Conv(s, ReduceAndKeep(x, ReduceMean, 1, 2), width, 1, 1, models.TorchUniform))
}

// tokensHead is features (N, h, w, 64) → (N, tokens, width) of a ViT: the class token is a vector (parameter class_head.weight), the
// others are a map with a pixel per patch.
func tokensHead(s *model.Scope, x *Node, out, image []int) *Node {
	patches, width := out[0]-1, out[1]
	side := int(math.Round(math.Sqrt(float64(image[0]*image[1]) / float64(patches))))
	class := vectorHead(s.In("class_head"), x, width)
	others := mapHead(s.In("head"), x, image[0]/side, image[1]/side, width)
	return Concatenate([]*Node{InsertAxes(class, 1), Reshape(others, -1, patches, width)}, 1)
}

// std is σ = g(x, y): x (N, H, W, C), labels (N) or soft labels (N, K) → (N, H, W, C), or N of the hidden layer's shape; so of the others below.
func (n *network) std(s *model.Scope, x, labels *Node) *Node {
	if !isSoft(labels) {
		labels = InsertAxes(labels, -1)
	}
	sigma := n.stdOf(s, x, labels)
	sigma.AssertDims(append([]int{x.Shape().Dim(0)}, n.noiseDims(x)...)...)
	return sigma
}

// stdOfAll is σ = g(x, k) for every class k: x (N, H, W, C) → (N·K, H, W, C).
func (n *network) stdOfAll(s *model.Scope, x *Node) *Node {
	return n.stdOf(s, x, Iota(x.Graph(), shapes.Make(labelDType, 1, n.cfg.Classes), 1))
}

// stdOf is σ = g(x, y) under L labels each: x (N, H, W, C), y (N, L), or (1, L) for all images, or soft (N, K) → (N·L, H, W, C).
func (n *network) stdOf(s *model.Scope, x, y *Node) *Node {
	generator := s.At("generator")
	o := n.generator(generator, x, labels{n, generator.In("label"), y}, n.noiseDims(x), n.computeDType(x.Graph()))
	return stdByName[n.cfg.Std](&n.cfg, ConvertDType(o, n.dtype))
}

// labelBias is κ·ȳ of any shape, the label as a bias on every pixel: ȳ = y/(K−1) where scaled (0 for K = 1), y where index; of soft
// labels (N, K) its mean κ·Σ_k Y_k·k̄ (N).
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
