package vpn

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// gradientPasses is how many passes without gradients one with them counts for in the memory of a chunk.
const gradientPasses = 4

// gradientGraph is the input gradient (K. Simonyan, A. Vedaldi, A. Zisserman, ICLR 2014 workshop, of the loss in place of the score):
// images (B, H, W, C), labels (B) → ∂(−log softmax(f(x))_y)/∂x (B, H, W, C).
func (m *Model) gradientGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	x := m.net.pixels(in[0])
	logits := m.net.logits(s, x)                                             // (B, K)
	own := OneHot(in[1], m.net.cfg.Classes, logits.DType())                  // (B, K)
	return Gradient(Neg(ReduceAllSum(Mul(own, LogSoftmax(logits)))), x), nil // the sum: each image has its own
}
