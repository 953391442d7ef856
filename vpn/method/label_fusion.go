package method

import (
	"maps"
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// labels are the labels under which a generator looks at N images, L labels for each image.
type labels struct {
	n     *Network
	scope *model.Scope // of what the fusion learns: generator.label
	y     *Node        // (M, L), where M is N, or 1 if all images have the same; or soft (N, K), L = 1
}

// dims are (M, L).
func (l labels) dims() []int {
	if isSoft(l.y) {
		return []int{l.y.Shape().Dim(0), 1}
	}
	return slices.Clone(l.y.Shape().Dimensions)
}

// probabilities are the labels as probabilities of the classes, one-hot or soft: (M·L, K). All
// fusions but "bias" use labels through them alone. Soft labels therefore bring the mean of what
// the classes bring.
func (l labels) probabilities(dtype dtypes.DType) *Node {
	if isSoft(l.y) {
		return StopGradient(ConvertDType(l.y, dtype))
	}
	return Reshape(OneHot(l.y, l.n.Config.Classes, dtype), -1, l.n.Config.Classes)
}

// lookUp returns the rows of a table (K, …) that belong to the labels: (M, L, …).
func (l labels) lookUp(table *Node) *Node {
	dims := slices.Clone(table.Shape().Dimensions)
	found := Dot(l.probabilities(table.DType()), Reshape(table, dims[0], -1)).Product() // (M·L, …)
	return Reshape(found, append(l.dims(), dims[1:]...)...)
}

// table is a parameter of the fusion with a row per class: (K, dims…).
func (l labels) table(x *Node, name string, init models.Init, dims ...int) *Node {
	return models.Param(l.scope, x.Graph(), x.DType(), name, init, 1, append([]int{l.n.Config.Classes}, dims...)...)
}

// addEach adds to every image what each of its labels brings: a (N, …), b (M, L, …) → (N·L, …).
func addEach(a, b *Node) *Node {
	return Reshape(Add(InsertAxes(a, 1), b), append([]int{-1}, a.Shape().Dimensions[1:]...)...)
}

// fusion is a way of the label into the generator. It computes in the dtype of x, which keeps
// labels apart that bfloat16 would merge.
type fusion struct {
	// images returns the generator's input u as convolutions see it: x (N, H, W, C) →
	// (N·L, H, W, C'). It returns x itself where the label does not enter the images.
	images func(l labels, x *Node) *Node
	// linear is models.Linear of u in scope s: x (N, H, W, C) → (N·L, out). It is (N, out) where
	// the label does not enter the images. Because it is linear, one product of x serves all
	// labels.
	linear func(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node
	// features changes the first features before their ReLU: h → (N·L, …, width).
	features func(l labels, h *Node) *Node
}

// The fusions (Config.LabelFusion).
var fusionByName = map[string]fusion{
	// u = x + κ·ȳ, the same bias on every pixel: the paper, Section III.
	"bias": {images: biased, linear: biasedLinear, features: unchanged},
	// u has a channel per class besides those of x, 1 in the label's and 0 in the others: one-hot
	// labels beside the input, as in conditional GANs (M. Mirza, S. Osindero, 2014, arXiv
	// 1411.1784).
	"plane": {images: withPlanes, linear: planesLinear, features: unchanged},
	// u = x + E_y, a learned image per class: label.weight (K, H, W, C).
	"embedding": {
		images: func(l labels, x *Node) *Node { return addEach(x, l.lookUp(l.embedding(x))) },
		linear: embeddedLinear, features: unchanged,
	},
	// h becomes h·(1 + γ_y) + δ_y (E. Perez et al., FiLM, AAAI 2018): label.gamma.weight and
	// label.delta.weight (K, width).
	"film": {
		images: func(_ labels, x *Node) *Node { return x },
		linear: func(_ labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
			return models.Linear(s, models.Flatten(x), out, init)
		},
		features: film,
	},
}

// LabelFusionNames lists the ways of a label y into the generator, sorted: "bias" adds κ·ȳ to every
// pixel; "plane" adds a channel per class, 1 in the label's; "embedding" adds a learned image per
// class to x; "film" scales and shifts the generator's first features, learned per class.
func LabelFusionNames() []string { return slices.Sorted(maps.Keys(fusionByName)) }

func unchanged(_ labels, h *Node) *Node { return h }

func (l labels) bias(x *Node) *Node { return Reshape(l.n.labelBias(l.y, x), l.dims()...) } // (M, L)

func biased(l labels, x *Node) *Node { return addEach(x, InsertAxes(l.bias(x), -1, -1, -1)) }

// biasedLinear is W(x + b·1) = Wx + b·W1.
func biasedLinear(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
	if l.dims()[1] == 1 {
		return models.Linear(s, models.Flatten(biased(l, x)), out, init)
	}
	h := models.Linear(s, models.Flatten(x), out, init)                       // (N, out)
	ones := ReduceSum(s.GetVariable("weight").NodeValue(x.Graph()), -1)       // W1 (out)
	return addEach(h, Mul(InsertAxes(l.bias(x), -1), InsertAxes(ones, 0, 0))) // (N·L, out)
}

// withPlanes appends K channels: (N, H, W, C) → (N·L, H, W, C + K).
func withPlanes(l labels, x *Node) *Node {
	d, k, each := x.Shape().Dimensions, l.n.Config.Classes, l.dims()[1]
	planes := Reshape(l.probabilities(x.DType()), -1, each, 1, 1, k)
	planes = BroadcastToDims(planes, d[0], each, d[1], d[2], k)
	x = BroadcastToDims(InsertAxes(x, 1), d[0], each, d[1], d[2], d[3])
	return Reshape(Concatenate([]*Node{x, planes}, -1), -1, d[1], d[2], d[3]+k)
}

// planesLinear is the product of x with the weights of its own channels, plus the sum over all
// pixels of the weights of the label's channel.
func planesLinear(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
	pixels, channels := x.Shape().Dim(1)*x.Shape().Dim(2), x.Shape().Dim(3)
	weight, bias := models.LinearParams(s, x, pixels*(channels+l.n.Config.Classes), out, init)
	weight = Reshape(weight, out, pixels, -1)
	own := Reshape(Slice(weight, AxisRange(), AxisRange(), AxisRange(0, channels)), out, -1) // (out, H·W·C)
	planes := ReduceSum(Slice(weight, AxisRange(), AxisRange(), AxisRange(channels)), 1)     // (out, K)
	return addEach(models.Affine(models.Flatten(x), own, bias), l.lookUp(Transpose(planes, 0, 1)))
}

// embedding is E (K, H, W, C). Its images start from N(0, 0.3²), about the spread of pixels.
func (l labels) embedding(x *Node) *Node {
	return l.table(x, "weight", models.Normal(0.3), x.Shape().Dimensions[1:]...)
}

// embeddedLinear is W(x + E_y) = Wx + (WE)_y.
func embeddedLinear(l labels, s *model.Scope, x *Node, out int, init models.Init) *Node {
	h := models.Linear(s, models.Flatten(x), out, init) // (N, out)
	weight := s.GetVariable("weight").NodeValue(x.Graph())
	images := Dot(models.Flatten(l.embedding(x)), Transpose(weight, 0, 1)).Product() // EWᵀ (K, out)
	return addEach(h, l.lookUp(images))
}

// film starts with γ from N(0, 0.1²) and δ = 0. It computes in the network's dtype, because
// bfloat16 would merge labels with nearly equal γ.
func film(l labels, h *Node) *Node {
	inner := h.DType()
	h = ConvertDType(h, l.n.DType)
	row := func(name string, init models.Init) *Node { // (M, L, 1, …, width)
		l := labels{n: l.n, scope: l.scope.In("%s", name), y: l.y}
		values := l.lookUp(l.table(h, "weight", init, h.Shape().Dim(-1)))
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
