package augment

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// RandomHorizontalFlip mirrors an image, left to right, with probability P.
type RandomHorizontalFlip struct {
	P float64 `json:"p"` // 0 to 1; torchvision: 0.5
}

// Name returns torchvision's name.
func (RandomHorizontalFlip) Name() string { return "RandomHorizontalFlip" }

func (a RandomHorizontalFlip) validate() error {
	if !(a.P >= 0 && a.P <= 1) {
		return argumentError("RandomHorizontalFlip.p is %g, want a probability, 0 to 1", a.P)
	}
	return nil
}

func (RandomHorizontalFlip) fits(_, _, _ int) error { return nil }

// draw returns which images are mirrored (N).
func (a RandomHorizontalFlip) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	newState, u := uniforms(state, 1, images.Dim(0))
	return newState, []*Node{LessThan(u[0], Scalar(u[0].Graph(), u[0].DType(), a.P))}
}

func (RandomHorizontalFlip) apply(x *Node, params []*Node) *Node {
	return Where(params[0], Reverse(x, 2), x)
}
