// Package augment changes images at random, as torchvision.transforms.v2 does. Names, parameters,
// defaults, ranges and units are torchvision's. Images are floats in [0, 1] of shape (N, H, W, C).
//
// Everything happens inside a GoMLX graph, so it runs on the device that holds the images. Each
// image of a batch gets random parameters of its own, as if torchvision were applied to one image
// after another. The caller passes the state of GoMLX's random generator. The same state gives the
// same result.
//
// A configuration holds a [List]:
//
//	[{"name": "RandomCrop", "padding": 4}, {"name": "RandomHorizontalFlip"}]
//
// Differences from torchvision:
//   - The result has the size of the image: RandomCrop.size is optional, and RandomRotation has no
//     "expand".
//   - "fill" is in the units of the pixels, 0 to 1, as torchvision has it for float images.
//   - GaussianNoise has one more parameter, "fraction".
//   - If nearest interpolation falls exactly between two pixels, rounding may choose the other one.
package augment

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/govpn/govpn/internal/random"
)

// Augmentation is one of the structs of this package. A nil slice or an empty string means
// torchvision's default. A zero number means 0. [New] returns a struct with all defaults set.
type Augmentation interface {
	// Name returns the name of the struct, which is also torchvision's name.
	Name() string

	// validate checks the parameters. fits checks whether they suit images of h×w pixels and c
	// channels.
	validate() error
	fits(h, w, c int) error

	// draw returns random parameters for images of this shape. apply uses them: x (N, H, W, C) →
	// the same shape.
	draw(state *Node, images shapes.Shape) (newState *Node, params []*Node)
	apply(x *Node, params []*Node) *Node
}

// defaults lists the augmentations with torchvision's default parameters.
var defaults = []Augmentation{
	RandomCrop{PaddingMode: "constant", Fill: Floats{0}},
	RandomHorizontalFlip{P: 0.5},
	RandomRotation{Interpolation: "nearest", Fill: Floats{0}},
	RandomAffine{Interpolation: "nearest", Fill: Floats{0}},
	ColorJitter{Brightness: Floats{0}, Contrast: Floats{0}, Saturation: Floats{0}, Hue: Floats{0}},
	GaussianBlur{Sigma: Floats{0.1, 2}},
	GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 1},
}

// Names returns the names that [New] knows.
func Names() []string {
	names := make([]string, len(defaults))
	for i, a := range defaults {
		names[i] = a.Name()
	}
	return names
}

// New returns the augmentation of that name with torchvision's defaults. Parameters without a
// default (degrees, kernel_size) are empty, which Validate rejects.
func New(name string) (Augmentation, error) {
	for _, a := range defaults {
		if a.Name() == name {
			return a, nil
		}
	}
	return nil, argumentError("name is %q, want one of %s", name, oneOf(Names()...))
}

// ArgumentError is the type of this package's errors: a parameter is wrong, or does not suit the
// images.
type ArgumentError string

func (e ArgumentError) Error() string { return string(e) }

func argumentError(format string, args ...any) error {
	return ArgumentError(fmt.Sprintf("augment: "+format, args...))
}

// List is a chain of augmentations that are applied in order.
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

// Check checks the parameters, and whether they suit images of height×width pixels.
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

// Apply augments float images x (N, H, W, C) in [0, 1]. Each image gets random parameters of its
// own, drawn from state, a state (3 × uint64) of GoMLX's generator. Like all code that builds
// graphs it panics, with the ArgumentError that Check returns.
func (l List) Apply(x, state *Node) (augmented *Node) { return l.apply(x, state, nil) }

// ApplyPart augments x (N, H, W, C), which is part of a larger batch, and returns the same shape.
// Each image gets exactly the augmentation that it would get in the whole batch. `of` is the number
// of images in that batch. start, an int32 scalar, is the position in it of the first image of x.
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
