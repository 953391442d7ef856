package method

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/random"
)

// The distributions of z (Config.NoiseDistribution). All have mean 0 and variance 1, so that σ is
// the standard deviation of the noise whatever its distribution.
var distributionByName = map[string]func(state *Node, shape shapes.Shape) (newState, z *Node){
	"normal": random.Normal, "laplace": random.Laplace, "uniform": random.Uniform,
}

// draw returns z of a shape, drawn from a random state (3).
func (n *Network) draw(state *Node, shape shapes.Shape) *Node { return n.drawPart(state, shape, nil) }

// drawPart returns the z that images get which are part of a larger batch: the values that drawing
// for the whole batch gives them. part nil is the whole batch.
func (n *Network) drawPart(state *Node, shape shapes.Shape, part *random.Part) *Node {
	whole := shapes.Make(shape.DType, part.Dims(shape.Dimensions)...)
	_, z := distributionByName[n.Config.NoiseDistribution](state, whole)
	return part.Cut(z, shape.Dim(0))
}

// DrawOne returns one z for each image x (N, H, W, C): (N, 1, H, W, C). With Config.NoiseLayer, z
// has the shape of that layer's output in place of (H, W, C).
func (n *Network) DrawOne(state, x *Node) *Node {
	dims := append([]int{x.Shape().Dim(0), 1}, n.NoiseDims(x)...)
	return n.draw(state, shapes.Make(x.DType(), dims...))
}

// noisy is x̃ = x + σ⊙z for m noises per image: x and σ (N, H, W, C), z (N, m, H, W, C) →
// (N·m, H, W, C). The output of a hidden layer, of any rank, may stand in the place of x.
func (n *Network) noisy(x, std, z *Node) *Node {
	noisy := Add(InsertAxes(x, 1), Mul(InsertAxes(std, 1), z)) // (N, m, H, W, C)
	if n.Config.ClipNoisy {
		noisy = ClipScalar(noisy, 0, 1)
	}
	return Reshape(noisy, append([]int{-1}, x.Shape().Dimensions[1:]...)...)
}

// onePass is f(x + σ⊙z): x, σ (N, H, W, C), z (N, 1, H, W, C) → logits (N, K).
func (n *Network) onePass(s *model.Scope, x, std, z *Node) *Node {
	return n.NoisyLogits(s, x, func(x *Node) *Node { return n.noisy(x, std, z) })
}

// LabelNoise is the program of a pass with noise drawn for the images' own labels: images
// (B, H, W, C), labels (B), random state (3) → logits (B, K).
func (n *Network) LabelNoise(s *model.Scope, in []*Node) ([]*Node, []Update) {
	x := n.Pixels(in[0])
	return []*Node{n.onePass(s, x, n.Std(s, x, in[1]), n.DrawOne(in[2], x))}, nil
}

// GaussianNoise is the program of a pass with noise of one σ for all pixels, or for all values of
// the hidden layer: images (B, H, W, C), σ (scalar), random state (3) → logits (B, K).
func (n *Network) GaussianNoise(s *model.Scope, in []*Node) ([]*Node, []Update) {
	x := n.Pixels(in[0])
	dims := append([]int{x.Shape().Dim(0)}, n.NoiseDims(x)...)
	std := BroadcastToDims(ConvertDType(in[1], x.DType()), dims...)
	return []*Node{n.onePass(s, x, std, n.DrawOne(in[2], x))}, nil
}

// StdOrSample is the program of σ, or of the noise itself: images (B, H, W, C), labels (B) → σ
// (B, H, W, C). With a random state (3) as third input it returns σ⊙z of that shape.
func (n *Network) StdOrSample(s *model.Scope, in []*Node) ([]*Node, []Update) {
	std := n.Std(s, n.Pixels(in[0]), in[1])
	if len(in) < 3 {
		return []*Node{std}, nil
	}
	z := n.draw(in[2], std.Shape())
	return []*Node{Mul(std, z)}, nil
}
