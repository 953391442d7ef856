package random

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Part is where the images of a program lie in a batch whose random numbers are drawn as a whole, so that a batch that is computed
// in parts sees the same numbers: Of is how many images the batch has, Start the position of the first, a scalar of int32. A nil
// Part is the batch itself.
type Part struct {
	Of    int
	Start *Node
}

// Dims are dims (N, …) of a part as those of the whole batch.
func (p *Part) Dims(dims []int) []int {
	if p == nil {
		return dims
	}
	return append([]int{p.Of}, dims[1:]...)
}

// Cut are the n rows of values (Of, …) that are the part's.
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
