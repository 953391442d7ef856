package models

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// MaxPool3x3 is torch.nn.MaxPool2d(3, stride=2, padding=1): (N, H, W, C) → (N, ⌈H/2⌉, ⌈W/2⌉, C). As
// in PyTorch, the gradient goes to the first of equal maxima in a window, row by row. GoMLX's
// MaxPool sends it elsewhere, and has no gradient on go.
func MaxPool3x3(x *Node) *Node {
	views := windows(x, 3, 2, math.Inf(-1))
	best := views[0]
	for _, view := range views[1:] {
		best = Where(GreaterThan(view, best), view, best)
	}
	return best
}

// Upsample is torch.nn.functional.interpolate(mode="bilinear", align_corners=True): (N, H, W, C) →
// (N, height, width, C). It multiplies by a constant matrix along each axis. GoMLX's Interpolate
// has no gradient for sides up to 3.
func Upsample(x *Node, height, width int) *Node {
	rows := ConstAsDType(x.Graph(), x.DType(), bilinear(x.Shape().Dim(1), height))
	columns := ConstAsDType(x.Graph(), x.DType(), bilinear(x.Shape().Dim(2), width))
	x = Einsum("oh,nhwc->nowc", rows, x)
	return Einsum("pw,nowc->nopc", columns, x)
}

// bilinear returns the (to, from) matrix that interpolates a line of pixels. Output i lies at
// i·(from−1)/(to−1), between two neighbouring pixels.
func bilinear(from, to int) [][]float64 {
	matrix := make([][]float64, to)
	for i := range matrix {
		matrix[i] = make([]float64, from)
		position := 0.0
		if to > 1 {
			position = float64(i) * float64(from-1) / float64(to-1)
		}
		left := min(int(position), from-1)
		right := min(left+1, from-1)
		matrix[i][left] += 1 - (position - float64(left))
		matrix[i][right] += position - float64(left)
	}
	return matrix
}
