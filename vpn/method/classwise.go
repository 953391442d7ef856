package method

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Classify is the program of inference without noise: images (B, H, W, C) → logits (B, K).
func (n *Network) Classify(s *model.Scope, in []*Node) ([]*Node, []Update) {
	return []*Node{n.Logits(s, n.Pixels(in[0]))}, nil
}

// Classwise is the program of one draw of Algorithm 2, for all classes at once: images
// (B, H, W, C), random state (3) → scores (B, K).
func (n *Network) Classwise(s *model.Scope, in []*Node) ([]*Node, []Update) {
	x := n.Pixels(in[0])
	z := n.draw(in[1], shapes.Make(x.DType(), n.classwiseDims(x)...))
	return []*Node{n.classwise(s, x, z)}, nil
}

// classwiseDims is (B·K, 1, H, W, C): each image, or hidden layer's output, under each class, with
// one noise.
func (n *Network) classwiseDims(x *Node) []int {
	return append([]int{x.Shape().Dimensions[0] * n.Config.Classes, 1}, n.NoiseDims(x)...)
}

// classwise is Algorithm 2's s_k = softmax(f(x + σ(x, k)⊙z_k))_k: x (B, H, W, C),
// z (B·K, 1, H, W, C) → (B, K).
func (n *Network) classwise(s *model.Scope, x, z *Node) *Node {
	k, size := n.Config.Classes, x.Shape().Dimensions[0]
	std := n.stdOfAll(s, x)        // (B·K, H, W, C)
	noisy := func(x *Node) *Node { // → (B·K, H, W, C)
		one := x.Shape().Dimensions[1:]
		x = BroadcastToDims(InsertAxes(x, 1), append([]int{size, k}, one...)...)
		return n.noisy(Reshape(x, append([]int{size * k}, one...)...), std, z)
	}
	probabilities := Softmax(n.NoisyLogits(s, x, noisy), -1)   // (B·K, K)
	probabilities = Reshape(probabilities, size, k, k)         // of image, noise's class, class
	own := Iota(x.Graph(), shapes.Make(LabelDType, k), 0)      // (K)
	own = InsertAxes(OneHot(own, k, probabilities.DType()), 0) // (1, K, K): the class's own column
	return ReduceSum(Mul(probabilities, own), -1)              // (B, K)
}
