package augment

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// RandomCrop pads an image and cuts a random part of the original size out of it. All positions are
// equally likely.
type RandomCrop struct {
	Size Ints `json:"size"` // size or [height, width], which must be that of the images; nil for the same
	// Padding is for all sides, [left and right, top and bottom] or [left, top, right, bottom].
	// None: 0.
	Padding     Ints   `json:"padding"`
	Fill        Floats `json:"fill"`         // the value of mode "constant": one, or one per channel; nil: 0
	PaddingMode string `json:"padding_mode"` // "constant", "edge", "reflect" or "symmetric"; "" means "constant"
}

// maxPadding keeps a typing error from asking for all memory.
const maxPadding = 1024

// Name returns torchvision's name.
func (RandomCrop) Name() string { return "RandomCrop" }

func (a RandomCrop) validate() error {
	if len(a.Size) > 2 || slices.ContainsFunc(a.Size, func(s int) bool { return s < 1 }) {
		return argumentError("RandomCrop.size is %s, want size or [height, width], from 1", a.Size)
	}
	outside := func(p int) bool { return p < 0 || p > maxPadding }
	if !slices.Contains([]int{0, 1, 2, 4}, len(a.Padding)) || slices.ContainsFunc(a.Padding, outside) {
		return argumentError("RandomCrop.padding is %s, want one, two (left and right, top and bottom) "+
			"or four (left, top, right, bottom) numbers from 0 to %d", a.Padding, maxPadding)
	}
	modes := []string{"constant", "edge", "reflect", "symmetric"}
	if a.PaddingMode != "" && !slices.Contains(modes, a.PaddingMode) {
		return argumentError("RandomCrop.padding_mode is %q, want one of %s", a.PaddingMode, oneOf(modes...))
	}
	if len(a.Fill) > 1 && a.mode() != "constant" {
		return argumentError("RandomCrop.fill is %s, want one value with padding_mode %q", a.Fill, a.PaddingMode)
	}
	return validateFill("RandomCrop.fill", a.Fill)
}

func (a RandomCrop) fits(h, w, c int) error {
	if len(a.Size) > 0 && (a.Size[0] != h || a.Size[len(a.Size)-1] != w) {
		return argumentError(
			"RandomCrop.size is %s, want none or [%d, %d], the size of the images: the result must be as large",
			a.Size, h, w)
	}
	left, top, right, bottom := a.sides()
	most := map[string]int{"reflect": -1, "symmetric": 0}
	if beyond, limited := most[a.mode()]; limited && (max(left, right) > w+beyond || max(top, bottom) > h+beyond) {
		return argumentError(
			"RandomCrop.padding is %s, want at most %d and %d: padding_mode %q mirrors images of %d×%d (height×width)",
			a.Padding, w+beyond, h+beyond, a.mode(), h, w)
	}
	return fillFits("RandomCrop.fill", a.Fill, c)
}

func (a RandomCrop) mode() string {
	if a.PaddingMode == "" {
		return "constant"
	}
	return a.PaddingMode
}

// sides returns the padding of each side.
func (a RandomCrop) sides() (left, top, right, bottom int) {
	switch p := a.Padding; len(p) {
	case 0:
		return 0, 0, 0, 0
	case 1:
		return p[0], p[0], p[0], p[0]
	case 2:
		return p[0], p[1], p[0], p[1]
	default:
		return p[0], p[1], p[2], p[3]
	}
}

// draw returns the crop's first row and column (N) in the padded image.
func (a RandomCrop) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	left, top, right, bottom := a.sides()
	newState, u := uniforms(state, 2, images.Dim(0))
	return newState, []*Node{below(u[0], top+bottom+1), below(u[1], left+right+1)}
}

func (a RandomCrop) apply(x *Node, params []*Node) *Node {
	n, h, w, c := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	left, top, right, bottom := a.sides()
	padded := pad(x, 1, top, bottom, a.mode(), a.Fill)
	padded = pad(padded, 2, left, right, a.mode(), a.Fill) // (N, top+H+bottom, left+W+right, C)
	image := Iota(x.Graph(), shapes.Make(dtypes.Int32, n), 0)
	row, column := ConvertDType(params[0], dtypes.Int32), ConvertDType(params[1], dtypes.Int32)
	start := Stack([]*Node{image, row, column}, -1)                            // (N, 3)
	crop := GatherSlices(padded, []int{0, 1, 2}, start, []int{1, h, w}, false) // (N, 1, H, W, C)
	return Reshape(crop, n, h, w, c)
}
