package method

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// StdStatistics is the program that describes σ per image: images (B, H, W, C), labels (B) →
// (B, 4): mean, minimum, maximum and standard deviation of σ over the values of an image.
func (n *Network) StdStatistics(s *model.Scope, in []*Node) ([]*Node, []Update) {
	std := flat(n.Std(s, n.Pixels(in[0]), in[1])) // (B, d)
	mean := ReduceMean(std, -1)
	spread := Sqrt(ReduceMean(Square(Sub(std, InsertAxes(mean, -1))), -1))
	return []*Node{Stack([]*Node{mean, ReduceMin(std, -1), ReduceMax(std, -1), spread}, -1)}, nil
}

// StdChanges is the program that tells what σ depends on: images (B, H, W, C), labels (B) → (B, 3):
// the mean of σ over an image; its mean absolute change from label y to y+1 mod K; and its mean
// absolute change from one image of the batch to the next, at the same label. The next image of the
// last one is the first.
func (n *Network) StdChanges(s *model.Scope, in []*Node) ([]*Node, []Update) {
	x := n.Pixels(in[0])
	std := flat(n.Std(s, x, in[1])) // (B, d)
	change := func(other *Node) *Node { return ReduceMean(Abs(Sub(std, flat(other))), -1) }
	label := Mod(AddScalar(in[1], 1), ConstAs(in[1], n.Config.Classes))
	next := x
	if x.Shape().Dim(0) > 1 { // XLA has no empty slice
		next = Concatenate([]*Node{Slice(x, AxisRange(1)), Slice(x, AxisRange(0, 1))}, 0)
	}
	return []*Node{Stack([]*Node{
		ReduceMean(std, -1), change(n.Std(s, x, label)), change(n.Std(s, next, in[1])),
	}, -1)}, nil
}

// flat is σ (B, …) → (B, d).
func flat(std *Node) *Node { return Reshape(std, std.Shape().Dimensions[0], -1) }
