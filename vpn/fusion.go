package vpn

import (
	"maps"
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// labels are those under which a generator looks at N images, L for each.
type labels struct {
	n     *network
	scope *model.Scope // of what the fusion learns: generator.label
	y     *Node        // (M, L): M is N, or 1 where all images have the same; or soft labels (N, K), L = 1
}

// dims are (M, L).
func (l labels) dims() []int {
	if isSoft(l.y) {
		return []int{l.y.Shape().Dim(0), 1}
	}
	return slices.Clone(l.y.Shape().Dimensions)
}

// weights are the shares of the classes in the labels, one-hot or soft: (M·L, K). All fusions but "bias" use the labels through them
// alone, so that soft labels bring the mean of what the classes do.
func (l labels) weights(dtype dtypes.DType) *Node {
	if isSoft(l.y) {
		return StopGradient(ConvertDType(l.y, dtype))
	}
	return Reshape(OneHot(l.y, l.n.cfg.Classes, dtype), -1, l.n.cfg.Classes)
}

// of are the rows of a table (K, …) that belong to the labels: (M, L, …).
func (l labels) of(table *Node) *Node {
	dims := slices.Clone(table.Shape().Dimensions)
	rows := Dot(l.weights(table.DType()), Reshape(table, dims[0], -1)).Product() // (M·L, …)
	return Reshape(rows, append(l.dims(), dims[1:]...)...)
}

// param is a table that the fusion learns, a row per class.
func (l labels) param(x *Node, name string, init models.Init, dims ...int) *Node {
	return models.Param(l.scope, x.Graph(), x.DType(), name, init, 1, append([]int{l.n.cfg.Classes}, dims...)...)
}

// under adds to every image what each of its labels brings: a (N, …), b (M, L, …) → (N·L, …).
func under(a, b *Node) *Node {
	return Reshape(Add(InsertAxes(a, 1), b), append([]int{-1}, a.Shape().Dimensions[1:]...)...)
}

// fusion is how labels enter a generator. All is computed in the dtype of x, which keeps labels apart that bfloat16 would merge.
type fusion struct {
	// images is u, the images as convolutions see them: x (N, H, W, C) → (N·L, H, W, C'), or x itself where no label is in them.
	images func(l labels, x *Node) *Node
	// linear is models.Linear of u in scope s: x (N, H, W, C) → (N·L, out), or (N, out) where no label is in it. As it is linear, one
	// product of x serves all labels.
	linear func(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node
	// features is what becomes of the first features before their ReLU: h → (N·L, …, width).
	features func(l labels, h *Node) *Node
}

// The fusions (Config.LabelFusion).
var fusionByName = map[string]fusion{
	// u = x + κ·ȳ, the same bias on every pixel: the paper, Section III.
	"bias": {images: biased, linear: biasedLinear, features: asIs},
	// u has a channel per class besides those of x, 1 in the label's and 0 in the others: one-hot labels beside the input, as in
	// conditional GANs (M. Mirza, S. Osindero, 2014, arXiv 1411.1784).
	"plane": {images: withPlanes, linear: planesLinear, features: asIs},
	// u = x + E_y, a learned image per class: label.weight (K, H, W, C).
	"embedding": {
		images: func(l labels, x *Node) *Node { return under(x, l.of(l.embedding(x))) },
		linear: embeddedLinear, features: asIs,
	},
	// h becomes h·(1 + γ_y) + δ_y (E. Perez et al., FiLM, AAAI 2018): label.gamma.weight and label.delta.weight (K, width).
	"film": {
		images: func(_ labels, x *Node) *Node { return x },
		linear: func(_ labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
			return models.Linear(s, models.Flatten(x), out, init)
		},
		features: film,
	},
}

// LabelFusionNames lists the ways of a label y into the generator, sorted: "bias", κ·ȳ on every pixel; "plane", a plane per class
// besides the channels, 1 in the label's; "embedding", a learned image per class, added to x; "film", a learned scale and shift per
// class of the generator's first features.
func LabelFusionNames() []string { return slices.Sorted(maps.Keys(fusionByName)) }

func asIs(_ labels, h *Node) *Node { return h }

func (l labels) bias(x *Node) *Node { return Reshape(l.n.labelBias(l.y, x), l.dims()...) } // (M, L)

func biased(l labels, x *Node) *Node { return under(x, InsertAxes(l.bias(x), -1, -1, -1)) }

// biasedLinear is W(x + b·1) = Wx + b·W1.
func biasedLinear(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
	if l.dims()[1] == 1 {
		return models.Linear(s, models.Flatten(biased(l, x)), out, init)
	}
	h := models.Linear(s, models.Flatten(x), out, init)                     // (N, out)
	ones := ReduceSum(s.GetVariable("weight").NodeValue(x.Graph()), -1)     // W1 (out)
	return under(h, Mul(InsertAxes(l.bias(x), -1), InsertAxes(ones, 0, 0))) // (N·L, out)
}

// withPlanes puts K planes behind the channels: (N, H, W, C) → (N·L, H, W, C + K).
func withPlanes(l labels, x *Node) *Node {
	d, k, each := x.Shape().Dimensions, l.n.cfg.Classes, l.dims()[1]
	planes := Reshape(l.weights(x.DType()), -1, each, 1, 1, k)
	planes = BroadcastToDims(planes, d[0], each, d[1], d[2], k)
	x = BroadcastToDims(InsertAxes(x, 1), d[0], each, d[1], d[2], d[3])
	return Reshape(Concatenate([]*Node{x, planes}, -1), -1, d[1], d[2], d[3]+k)
}

// planesLinear is the product of x with the weights of its channels, plus the sum over the pixels of those of the label's plane.
func planesLinear(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
	pixels, channels := x.Shape().Dim(1)*x.Shape().Dim(2), x.Shape().Dim(3)
	weight, bias := models.LinearParams(s, x, pixels*(channels+l.n.cfg.Classes), out, init)
	weight = Reshape(weight, out, pixels, -1)
	own := Reshape(Slice(weight, AxisRange(), AxisRange(), AxisRange(0, channels)), out, -1) // (out, H·W·C)
	planes := ReduceSum(Slice(weight, AxisRange(), AxisRange(), AxisRange(channels)), 1)     // (out, K)
	return under(models.Affine(models.Flatten(x), own, bias), l.of(Transpose(planes, 0, 1)))
}

// embedding is E, whose images start from N(0, 0.3²), about the spread of pixels.
func (l labels) embedding(x *Node) *Node {
	return l.param(x, "weight", models.Normal(0.3), x.Shape().Dimensions[1:]...)
}

// embeddedLinear is W(x + E_y) = Wx + (WE)_y.
func embeddedLinear(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
	h := models.Linear(s, models.Flatten(x), out, init) // (N, out)
	weight := s.GetVariable("weight").NodeValue(x.Graph())
	images := Dot(models.Flatten(l.embedding(x)), Transpose(weight, 0, 1)).Product() // EWᵀ (K, out)
	return under(h, l.of(images))
}

// film starts with γ from N(0, 0.1²) and δ 0. It computes in the network's dtype: bfloat16 would merge labels whose γ are near.
func film(l labels, h *Node) *Node {
	inner := h.DType()
	h = ConvertDType(h, l.n.dtype)
	row := func(name string, init models.Init) *Node { // (M, L, 1, …, width)
		l := labels{l.n, l.scope.In("%s", name), l.y}
		values := l.of(l.param(h, "weight", init, h.Shape().Dim(-1)))
		for values.Rank() <= h.Rank() {
			values = InsertAxes(values, 2)
		}
		return values
	}
	gamma, delta := row("gamma", models.Normal(0.1)), row("delta", models.Constant(0))
	scaled := Mul(InsertAxes(h, 1), OnePlus(gamma)) // (N, L, …, width)
	h = Reshape(Add(scaled, delta), append([]int{-1}, h.Shape().Dimensions[1:]...)...)
	return ConvertDType(h, inner)
}
