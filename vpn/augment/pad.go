package augment

import (
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// pad puts so many rows (axis 1) or columns (axis 2) before and after x (N, H, W, C): of value fill in mode "constant",
// the outermost one in mode "edge", its mirror image without and with the outermost one in modes "reflect" and "symmetric".
func pad(x *Node, axis, before, after int, mode string, fill Floats) *Node {
	size := x.Shape().Dim(axis)
	cut := func(from, to int) *Node {
		axes := []SliceAxisSpec{AxisRange(), AxisRange(), AxisRange(), AxisRange()}
		axes[axis] = AxisRange(from, to)
		return Slice(x, axes...)
	}
	repeated := func(line *Node, count int) *Node { // line: 1 along axis
		dims := slices.Clone(x.Shape().Dimensions)
		dims[axis] = count
		return BroadcastToDims(line, dims...)
	}
	border := func(count int, first bool) *Node {
		line, mirror := size-1, size-count // of the last border: the line next to it, and where its mirror image begins
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
