package random

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Part says where the images of a program lie in a larger batch. Random numbers are drawn for the
// whole batch, so that a batch that is computed in parts sees the same numbers. Of is how many
// images the batch has, and Start, a scalar of int32, is the position of the part's first image. A
// nil Part is the whole batch.
type Part struct {
	Of    int
	Start *Node
}

// Dims returns dims (N, …) of a part as those of the whole batch (Of, …).
func (p *Part) Dims(dims []int) []int {
	if p == nil {
		return dims
	}
	return append([]int{p.Of}, dims[1:]...)
}

// Cut returns the part's n rows of values (Of, …).
func (p *Part) Cut(values *Node, n int) *Node {
	if p == nil {
		return values
	}
	if pureGo(values) { // it has no dynamic slice
		rows := Add(Iota(values.Graph(), shapes.Make(p.Start.DType(), n, 1), 0), p.Start)
		return Gather(values, rows)
	}
	dims := slices.Clone(values.Shape().Dimensions)
	dims[0] = n
	starts := make([]*Node, len(dims))
	for i := range starts {
		starts[i] = ScalarZero(values.Graph(), p.Start.DType())
	}
	starts[0] = p.Start
	return DynamicSlice(values, starts, dims)
}
