// Package augment changes images at random, as torchvision.transforms.v2 does: the same names, parameters, defaults,
// ranges and units, on float images in [0, 1] in the layout (N, H, W, C).
//
// Everything happens inside a GoMLX graph, so that it runs on the device where the images are. Every image of a batch
// draws parameters of its own, as if torchvision were applied to one image after another. The random numbers come from
// a state of GoMLX's generator that the caller passes: the same state, the same result.
//
// A List is what a configuration holds:
//
//	[{"name": "RandomCrop", "padding": 4}, {"name": "RandomHorizontalFlip"}]
//
// Deviations from torchvision:
//   - The result has the size of the image: RandomCrop.size can be left out, and RandomRotation has no "expand".
//   - "fill" is in the units of the pixels, 0 to 1, as it is there for float images.
//   - GaussianNoise has one parameter more, "fraction".
//   - Where nearest interpolation falls exactly between two pixels, rounding may choose the other one.
package augment

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/govpn/govpn/internal/random"
)

// Augmentation is one of the structs of this package. Their zero values of slices and strings mean torchvision's
// defaults, those of numbers mean 0: New sets all defaults.
type Augmentation interface {
	// Name is the name of the struct, torchvision's.
	Name() string

	// validate checks the parameters, fits whether images of h×w pixels and c channels can be augmented with them.
	validate() error
	fits(h, w, c int) error

	// draw makes the random parameters of the images of a shape, apply uses them: x (N, H, W, C) → the same shape.
	draw(state *Node, images shapes.Shape) (newState *Node, params []*Node)
	apply(x *Node, params []*Node) *Node
}

// defaults are the augmentations with torchvision's default parameters.
var defaults = []Augmentation{
	RandomCrop{PaddingMode: "constant", Fill: Floats{0}},
	RandomHorizontalFlip{P: 0.5},
	RandomRotation{Interpolation: "nearest", Fill: Floats{0}},
	RandomAffine{Interpolation: "nearest", Fill: Floats{0}},
	ColorJitter{Brightness: Floats{0}, Contrast: Floats{0}, Saturation: Floats{0}, Hue: Floats{0}},
	GaussianBlur{Sigma: Floats{0.1, 2}},
	GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 1},
}

// Names lists the augmentations that New knows.
func Names() []string {
	names := make([]string, len(defaults))
	for i, a := range defaults {
		names[i] = a.Name()
	}
	return names
}

// New returns the augmentation of that name with torchvision's defaults. Parameters without one (degrees, kernel_size)
// are left empty, which Validate refuses.
func New(name string) (Augmentation, error) {
	for _, a := range defaults {
		if a.Name() == name {
			return a, nil
		}
	}
	return nil, argumentError("name is %q, want one of %s", name, oneOf(Names()...))
}

// ArgumentError is the type of this package's errors: a parameter is wrong, or does not suit the images.
type ArgumentError string

func (e ArgumentError) Error() string { return string(e) }

func argumentError(format string, args ...any) error {
	return ArgumentError(fmt.Sprintf("augment: "+format, args...))
}

// List is a chain of augmentations, applied in order.
type List []Augmentation

// Validate checks the parameters.
func (l List) Validate() error {
	for _, a := range l {
		if err := a.validate(); err != nil {
			return err
		}
	}
	return nil
}

// Check checks the parameters, and whether images of height×width pixels can be augmented with them.
func (l List) Check(height, width, channels int) error {
	for _, a := range l {
		if err := a.validate(); err != nil {
			return err
		}
		if err := a.fits(height, width, channels); err != nil {
			return err
		}
	}
	return nil
}

// Apply augments float images x (N, H, W, C) in [0, 1], each with random parameters of its own, drawn from a state
// (3 × uint64) of GoMLX's generator. Like all graph-building code it panics, with the ArgumentError of Check.
func (l List) Apply(x, state *Node) (augmented *Node) { return l.apply(x, state, nil) }

// ApplyPart is what Apply makes of N images within a batch of so many, the first of them at position start (a scalar of int32): x
// (N, H, W, C) → the same shape.
func (l List) ApplyPart(x, state *Node, of int, start *Node) (augmented *Node) {
	return l.apply(x, state, &random.Part{Of: of, Start: start})
}

func (l List) apply(x, state *Node, part *random.Part) *Node {
	shape := x.Shape()
	if x.Rank() != 4 || (x.DType() != dtypes.Float32 && x.DType() != dtypes.Float64) {
		panic(argumentError("images are %s, want float32 or float64 of shape (N, H, W, C)", shape))
	}
	if err := l.Check(shape.Dim(1), shape.Dim(2), shape.Dim(3)); err != nil {
		panic(err)
	}
	for _, a := range l {
		var params []*Node
		state, params = a.draw(state, shapes.Make(shape.DType, part.Dims(shape.Dimensions)...))
		for i := range params {
			params[i] = part.Cut(params[i], shape.Dim(0))
		}
		x = a.apply(x, params)
		x.AssertDims(shape.Dimensions...)
	}
	return x
}
