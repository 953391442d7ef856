package models

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Vision transformers with timm's layout and names (A. Dosovitskiy et al., ICLR 2021, arXiv
// 2010.11929).

// vit is a row of the table: depth blocks on tokens of the given width D, each with that many
// attention heads. patch is the side of the square patches, in pixels.
type vit struct {
	name                       string
	width, depth, heads, patch int
}

// vits holds timm's three sizes. Each comes with each of vitPatches.
var vits = []vit{
	{name: "vit_tiny", width: 192, depth: 12, heads: 3},
	{name: "vit_small", width: 384, depth: 12, heads: 6},
	{name: "vit_base", width: 768, depth: 12, heads: 12},
}

var vitPatches = []int{4, 8, 16}

// vitRows returns the models of the table: vit_tiny_patch4 and so on, and "vit". That is vit_tiny
// with the patch that suits the size of the images: 4 up to 32×32, 8 up to 64×64, otherwise 16.
func vitRows() map[string]Func {
	rows := map[string]Func{}
	for _, v := range vits {
		for _, patch := range vitPatches {
			v.patch = patch
			rows[fmt.Sprintf("%s_patch%d", v.name, patch)] = v.build
		}
	}
	rows["vit"] = func(s *model.Scope, images *Node, classes int) *Node {
		name := "vit_tiny_patch16"
		switch side := max(images.Shape().Dim(1), images.Shape().Dim(2)); {
		case side <= 32:
			name = "vit_tiny_patch4"
		case side <= 64:
			name = "vit_tiny_patch8"
		}
		return rows[name](s, images, classes)
	}
	return rows
}

// The initial values of timm's VisionTransformer (init_weights with weight_init=""):
//   - weights of Linear layers and pos_embed: trunc_normal_(std=.02). It cuts at ±2, which is 100
//     standard
//     deviations, so it is a normal distribution.
//   - biases: 0
//   - cls_token: N(0, 1e-6²)
//   - patch_embed.proj: PyTorch's default
var (
	vitInit   = Normal(0.02)
	classInit = Normal(1e-6)
)

// vitEpsilon is the epsilon of timm's LayerNorm.
const vitEpsilon = 1e-6

// build is timm's VisionTransformer: images (N, H, W, C) → logits (N, classes).
func (v vit) build(s *model.Scope, images *Node, classes int) *Node {
	g, dtype, n := images.Graph(), images.DType(), images.Shape().Dim(0)

	x := v.patches(s.In("patch_embed").In("proj"), images) // (N, P, D)
	class := Param(s, g, dtype, "cls_token", classInit, v.width, 1, 1, v.width)
	x = Concatenate([]*Node{BroadcastToDims(class, n, 1, v.width), x}, 1) // (N, T, D), T = 1 + P
	x = Add(x, Param(s, g, dtype, "pos_embed", vitInit, v.width, 1, x.Shape().Dim(1), v.width))

	tokens := x.Shape().Dim(1)
	x = Reshape(x, -1, v.width) // (N·T, D), as products want them
	blocks := s.In("blocks")
	for i := range v.depth {
		x = remat(s, x, func(x *Node) *Node { return v.block(blocks.In("%d", i), x, n) })
		x = hidden(s, i+1, x, n, tokens, v.width)
		n = x.Shape().Dim(0) / tokens
	}
	x = Reshape(x, n, -1, v.width)                     // (N, T, D)
	x = Squeeze(Slice(x, AxisRange(), AxisElem(0)), 1) // (N, D): the class token, the only one that the head sees
	x = LayerNorm(s.In("norm"), x, vitEpsilon)
	return Linear(s.In("head"), x, classes, vitInit) // (N, classes)
}

// patches is timm's PatchEmbed, a convolution whose stride equals its kernel: each patch, as a row
// (C, p, p), times weight (D, C, p, p). (N, H, W, C) → (N, P, D), with the patches in the order of
// the image's rows.
func (v vit) patches(s *model.Scope, images *Node) *Node {
	g, dtype, p, dims := images.Graph(), images.DType(), v.patch, images.Shape().Dimensions
	n, h, w, c := dims[0], dims[1], dims[2], dims[3]
	v.checkSize(h, w)
	weight := Param(s, g, dtype, "weight", TorchUniform, c*p*p, v.width, c, p, p)
	bias := Param(s, g, dtype, "bias", TorchUniform, c*p*p, v.width)

	x := Reshape(images, n, h/p, p, w/p, p, c)
	x = TransposeAllAxes(x, 0, 1, 3, 5, 2, 4) // (N, H/p, W/p, C, p, p)
	x = Reshape(x, n, (h/p)*(w/p), c*p*p)     // (N, P, C·p·p)
	return Affine(x, Reshape(weight, v.width, c*p*p), bias)
}

// checkSize panics if patches do not tile images of that size.
func (v vit) checkSize(h, w int) {
	if h%v.patch == 0 && w%v.patch == 0 {
		return
	}
	want := fmt.Sprintf("sides that are multiples of %d", v.patch)
	for _, p := range vitPatches {
		if h%p == 0 && w%p == 0 {
			want += fmt.Sprintf(", or base %s_patch%d", v.name, p)
		}
	}
	panicArgument("base %s_patch%d is given images of %d×%d, want %s", v.name, v.patch, h, w, want)
}

// block is timm's Block, with the norm before each branch: x + attention(norm(x)), then x +
// MLP(norm(x)). It maps tokens of n images, (N·T, D) → (N·T, D).
func (v vit) block(s *model.Scope, x *Node, n int) *Node {
	x = Add(x, v.attention(s.In("attn"), LayerNorm(s.In("norm1"), x, vitEpsilon), n))

	y, mlp := LayerNorm(s.In("norm2"), x, vitEpsilon), s.In("mlp")
	y = Linear(mlp.In("fc1"), y, 4*v.width, vitInit)                // (N·T, 4·D)
	return Add(x, Linear(mlp.In("fc2"), GELU(y), v.width, vitInit)) // (N·T, D)
}

// attention is timm's Attention: softmax(q·kᵀ/√d)·v in each head of dimension d. It maps tokens of
// n images, (N·T, D) → (N·T, D).
func (v vit) attention(s *model.Scope, x *Node, n int) *Node {
	t, d := x.Shape().Dim(0)/n, v.width/v.heads
	qkv := Reshape(Linear(s.In("qkv"), x, 3*v.width, vitInit), n, t, 3, v.heads, d)
	part := func(i int) *Node { // query, key or value: (N, heads, T, d)
		x := Squeeze(Slice(qkv, AxisRange(), AxisRange(), AxisElem(i)), 2)
		return TransposeAllAxes(x, 0, 2, 1, 3)
	}
	query := MulScalar(part(0), 1/math.Sqrt(float64(d)))
	scores := Einsum("nhqd,nhkd->nhqk", query, part(1))        // (N, heads, T, T)
	weights := softmax(scores)                                 // over the keys
	x = Einsum("nhqk,nhkd->nhqd", weights, part(2))            // (N, heads, T, d)
	x = Reshape(TransposeAllAxes(x, 0, 2, 1, 3), n*t, v.width) // (N·T, D)
	return Linear(s.In("proj"), x, v.width, vitInit)
}
