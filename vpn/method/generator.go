package method

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

// generatorFunc builds a generator's network in scope s: images x (N, H, W, C) under L labels each
// → output o (N·L, out…).
//
// out is the shape of the noise for one image: (height, width, channels) of images or of a hidden
// layer's maps, (tokens, width) of a ViT, or (width) of a vector. The network computes in dtype
// inner, but for its first layer. That one keeps the dtype of x, because bfloat16 would merge
// labels.
type generatorFunc func(s *model.Scope, x *Node, l labels, out []int, inner dtypes.DType) *Node

// The generators (Config.Generator).
var generatorByName = map[string]generatorFunc{
	"dnn3":     dnn3Generator,
	"resnet18": resNet18Generator,
}

// GeneratorNames lists the generators, sorted.
func GeneratorNames() []string { return slices.Sorted(maps.Keys(generatorByName)) }

func generatorNamed(name string) (generatorFunc, error) {
	if g, ok := generatorByName[name]; ok {
		return g, nil
	}
	return nil, argumentError("Generator is %q, want one of %s", name, strings.Join(GeneratorNames(), ", "))
}

// dnn3Generator is the paper's perceptron d → 1024 → 1024 → d with ReLU, weights from N(0, 0.002²)
// and biases 0 (Section IV). For a hidden layer it has as many outputs as that layer.
func dnn3Generator(s *model.Scope, x *Node, l labels, out []int, inner dtypes.DType) *Node {
	init, fusion := models.Normal(0.002), fusionByName[l.n.Config.LabelFusion]
	h := fusion.linear(l, s.In("fc1"), x, models.Hidden, init)
	h = fusion.features(l, h) // (N·L, 1024)
	o := models.MLPAfterFirst(s, h, shapes.Make(inner, out...).Size(), init, inner)
	return Reshape(o, append([]int{-1}, out...)...)
}

// resNet18Generator is the paper's: torchvision's stem, stages of two BasicBlocks that end at width
// 64, bilinear upsampling to the size of the image, and a 3×3 convolution to its channels
// (parameter head.weight). The paper gives no initial values. Here they are those of
// Config.InitialValues, and PyTorch's for the last convolution.
//
// For a hidden layer, size and channels are that layer's. A vector is the mean over all positions
// and a 1×1 convolution.
func resNet18Generator(s *model.Scope, x *Node, l labels, out []int, inner dtypes.DType) *Node {
	image, fusion := x.Shape().Dimensions[1:], fusionByName[l.n.Config.LabelFusion]
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

// tokensHead is features (N, h, w, 64) → (N, tokens, width) of a ViT. The class token is a vector
// (parameter class_head.weight), the other tokens are a map with a pixel per patch.
func tokensHead(s *model.Scope, x *Node, out, image []int) *Node {
	patches, width := out[0]-1, out[1]
	side := int(math.Round(math.Sqrt(float64(image[0]*image[1]) / float64(patches))))
	class := vectorHead(s.In("class_head"), x, width)
	others := mapHead(s.In("head"), x, image[0]/side, image[1]/side, width)
	return Concatenate([]*Node{InsertAxes(class, 1), Reshape(others, -1, patches, width)}, 1)
}

// Std is σ = g(x, y): images x (N, H, W, C) and labels (N), or soft labels (N, K) → (N, H, W, C).
// With Config.NoiseLayer, σ has the shape of that layer's output instead.
func (n *Network) Std(s *model.Scope, x, labels *Node) *Node {
	if !isSoft(labels) {
		labels = InsertAxes(labels, -1)
	}
	std := n.stdOf(s, x, labels)
	std.AssertDims(append([]int{x.Shape().Dim(0)}, n.NoiseDims(x)...)...)
	return std
}

// stdOfAll is σ = g(x, k) for every class k: x (N, H, W, C) → (N·K, H, W, C).
func (n *Network) stdOfAll(s *model.Scope, x *Node) *Node {
	return n.stdOf(s, x, Iota(x.Graph(), shapes.Make(LabelDType, 1, n.Config.Classes), 1))
}

// stdOf is σ = g(x, y) under L labels for each image: x (N, H, W, C) → (N·L, H, W, C). y is (N, L),
// (1, L) where all images have the same labels, or soft (N, K) with L = 1.
func (n *Network) stdOf(s *model.Scope, x, y *Node) *Node {
	generator := s.At("generator")
	l := labels{n: n, scope: generator.In("label"), y: y}
	o := n.generator(generator, x, l, n.NoiseDims(x), n.computeDType(x.Graph()))
	return stdByName[n.Config.Std](&n.Config, ConvertDType(o, n.DType))
}

// labelBias is κ·ȳ, the label as a bias on every pixel (Section III): labels of any shape → the
// same shape. ȳ is y/(K−1) with encoding "scaled" (0 for K = 1), and y with "index". Soft labels
// (N, K) give their mean κ·Σ_k Y_k·k̄ (N).
func (n *Network) labelBias(labels, x *Node) *Node {
	scale := n.Config.LabelCoefficient
	switch n.Config.LabelEncoding {
	case "scaled":
		scale /= float64(max(n.Config.Classes-1, 1))
	case "index":
	default:
		panic(fmt.Errorf("LabelEncoding is %q", n.Config.LabelEncoding))
	}
	return MulScalar(expectedLabel(labels, x.DType()), scale)
}
