package method

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// InputGradient is the program of the loss's gradient in the pixels: images (B, H, W, C), labels
// (B) → ∂(−log softmax(f(x))_y)/∂x (B, H, W, C). K. Simonyan, A. Vedaldi, A. Zisserman (ICLR 2014
// workshop) take that of the score in place of the loss.
func (n *Network) InputGradient(s *model.Scope, in []*Node) ([]*Node, []Update) {
	x := n.Pixels(in[0])
	logits := n.Logits(s, x)                                // (B, K)
	own := OneHot(in[1], n.Config.Classes, logits.DType())  // (B, K)
	loss := Neg(ReduceAllSum(Mul(own, LogSoftmax(logits)))) // a sum: each image has a gradient of its own
	return Gradient(loss, x), nil
}
