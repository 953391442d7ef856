package augment

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/govpn/govpn/internal/random"
)

// GaussianNoise adds noise of mean Mean and standard deviation Sigma to random pixels. It selects
// each pixel with probability Fraction, and changes all of its channels.
type GaussianNoise struct {
	Mean     float64 `json:"mean"`     // in units of the pixels
	Sigma    float64 `json:"sigma"`    // torchvision: 0.1
	Clip     bool    `json:"clip"`     // clip the result to [0, 1]; torchvision: true
	Fraction float64 `json:"fraction"` // 0 to 1; torchvision has no such parameter: 1
}

// Name returns torchvision's name.
func (GaussianNoise) Name() string { return "GaussianNoise" }

func (a GaussianNoise) validate() error {
	switch {
	case math.IsNaN(a.Mean) || math.IsInf(a.Mean, 0):
		return argumentError("GaussianNoise.mean is %g, want a finite number", a.Mean)
	case !(a.Sigma >= 0) || math.IsInf(a.Sigma, 0):
		return argumentError("GaussianNoise.sigma is %g, want a finite number from 0", a.Sigma)
	case !(a.Fraction >= 0 && a.Fraction <= 1):
		return argumentError("GaussianNoise.fraction is %g, want 0 to 1", a.Fraction)
	}
	return nil
}

func (GaussianNoise) fits(_, _, _ int) error { return nil }

// draw returns standard normal noise (N, H, W, C) and, unless all pixels get it, which pixels do
// (N, H, W).
func (a GaussianNoise) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	state, z := random.Normal(state, images)
	if a.Fraction == 1 {
		return state, []*Node{z}
	}
	state, u := RandomUniform(state, shapes.Make(images.DType, images.Dimensions[:3]...))
	return state, []*Node{z, LessThan(u, Scalar(u.Graph(), u.DType(), a.Fraction))}
}

func (a GaussianNoise) apply(x *Node, params []*Node) *Node {
	noisy := Add(x, AddScalar(MulScalar(params[0], a.Sigma), a.Mean))
	if len(params) > 1 {
		noisy = Where(params[1], noisy, x)
	}
	if a.Clip {
		noisy = ClipScalar(noisy, 0, 1)
	}
	return noisy
}
