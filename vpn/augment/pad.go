package augment

import (
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// pad adds rows (axis 1) or columns (axis 2) before and after x (N, H, W, C). What they hold
// depends on mode:
//   - "constant": the value fill;
//   - "edge": the outermost row or column;
//   - "reflect": the mirror image without the outermost row or column;
//   - "symmetric": the mirror image with it.
func pad(x *Node, axis, before, after int, mode string, fill Floats) *Node {
	size := x.Shape().Dim(axis)
	cut := func(from, to int) *Node {
		axes := []SliceAxisSpec{AxisRange(), AxisRange(), AxisRange(), AxisRange()}
		axes[axis] = AxisRange(from, to)
		return Slice(x, axes...)
	}
	repeated := func(line *Node, count int) *Node { // line has size 1 along axis
		dims := slices.Clone(x.Shape().Dimensions)
		dims[axis] = count
		return BroadcastToDims(line, dims...)
	}
	border := func(count int, first bool) *Node {
		// The line next to the last border, and where the lines that it mirrors begin.
		line, mirror := size-1, size-count
		if first {
			line, mirror = 0, 0
		}
		switch {
		case mode == "constant":
			values := ConstAsDType(x.Graph(), x.DType(), perChannel(fill, x.Shape().Dim(3)))
			return repeated(InsertAxes(values, 0, 0, 0), count)
		case mode == "edge":
			return repeated(cut(line, line+1), count)
		case mode == "reflect" && first:
			mirror++
		case mode == "reflect":
			mirror--
		}
		return Reverse(cut(mirror, mirror+count), axis)
	}
	pieces := []*Node{x}
	if before > 0 {
		pieces = []*Node{border(before, true), x}
	}
	if after > 0 {
		pieces = append(pieces, border(after, false))
	}
	return Concatenate(pieces, axis)
}
