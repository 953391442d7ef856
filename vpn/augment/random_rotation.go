package augment

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// RandomRotation rotates an image around a point.
type RandomRotation struct {
	Degrees       Floats `json:"degrees"`       // counter-clockwise: d for −d to d, or [low, high]
	Interpolation string `json:"interpolation"` // "nearest" or "bilinear"; "" means "nearest"
	// Fill is the value outside the image: one, or one per channel. None: 0.
	Fill Floats `json:"fill"`
	// Center is [x, y] in pixels from the upper left corner. None: the middle.
	Center Floats `json:"center"`
}

// Name returns torchvision's name.
func (RandomRotation) Name() string { return "RandomRotation" }

func (a RandomRotation) validate() error {
	if _, _, err := interval("RandomRotation.degrees", a.Degrees, math.Inf(-1), math.Inf(1), plusMinus); err != nil {
		return err
	}
	return validateSampling("RandomRotation", a.Interpolation, a.Fill, a.Center)
}

func (a RandomRotation) fits(_, _, c int) error { return fillFits("RandomRotation.fill", a.Fill, c) }

// draw returns the angle (N).
func (a RandomRotation) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	newState, u := uniforms(state, 1, images.Dim(0))
	return newState, []*Node{between(u[0], must(interval("", a.Degrees, math.Inf(-1), math.Inf(1), plusMinus)))}
}

func (a RandomRotation) apply(x *Node, params []*Node) *Node {
	zero := ZerosLike(params[0])
	affine := []*Node{Neg(params[0]), zero, zero, OnesLike(zero), zero, zero}
	return sample(x, inverseAffine(affine, center(x, a.Center)), a.Interpolation, a.Fill)
}
