package models

import (
	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Conv is torch.nn.Conv2d with padding (kernel−1)/2 and no bias: x (N, H, W, in) → (N, ⌈H/stride⌉, ⌈W/stride⌉, out) for
// odd kernels, with parameter weight (out, in, kernel, kernel).
func Conv(s *model.Scope, x *Node, out, kernel, stride int, init Init) *Node {
	in := x.Shape().Dim(-1)
	weight := Param(s, x.Graph(), x.DType(), "weight", init, in*kernel*kernel, out, in, kernel, kernel)
	return convolve(x, weight, stride)
}

// convolve lowers a convolution, in the way that is fast on the graph's backend: x (N, H, W, in), weight (out, in, k, k)
// → (N, H', W', out). XLA has it as an operation; the pure-Go backend's own is a naive loop, a matrix product is not.
func convolve(x, weight *Node, stride int) *Node {
	k := weight.Shape().Dim(-1)
	h, w := seen(x.Shape().Dim(1), k, stride), seen(x.Shape().Dim(2), k, stride)
	switch {
	case h > 0 && w > 0:
		return convolveDense(x, weight, stride, h, w)
	case k == 1:
		return convolvePixels(x, weight, stride)
	case pureGo(x):
		return convolvePatches(x, weight, stride)
	}
	pad := (k - 1) / 2
	return Convolve(x, weight).
		AxesConfig(compute.ConvolveAxesConfig{
			InputBatch: 0, InputSpatial: []int{1, 2}, InputChannels: 3,
			KernelOutputChannels: 0, KernelInputChannels: 1, KernelSpatial: []int{2, 3},
			OutputBatch: 0, OutputSpatial: []int{1, 2}, OutputChannels: 3,
		}).
		Strides(stride).PaddingPerDim([][2]int{{pad, pad}, {pad, pad}}).Done()
}

// seen is how many positions a kernel of k elements has on a side of so many pixels where each of them covers all pixels, else 0.
func seen(side, k, stride int) int {
	positions, pad := (side+stride-1)/stride, (k-1)/2
	if pad < (positions-1)*stride || pad < side-1 {
		return 0
	}
	return positions
}

// convolveDense is for maps that every position of the kernel covers: one product of all pixels with the elements of the kernel
// over them. The others, of which a 3×3 kernel has 8 of 9 over a map of one pixel, only ever meet the padding.
func convolveDense(x, weight *Node, stride, h, w int) *Node {
	n, rows, columns, in := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	out, pad := weight.Shape().Dim(0), (weight.Shape().Dim(-1)-1)/2
	weight = TransposeAllAxes(weight, 2, 3, 1, 0) // (k, k, in, out)
	var blocks []*Node
	for i := range h {
		for j := range w {
			top, left := pad-i*stride, pad-j*stride
			block := Slice(weight, AxisRange(top, top+rows), AxisRange(left, left+columns))
			blocks = append(blocks, Reshape(block, rows*columns*in, out))
		}
	}
	matrix := blocks[0]
	if len(blocks) > 1 {
		matrix = Concatenate(blocks, 1)
	}
	return Reshape(Dot(Reshape(x, n, rows*columns*in), matrix).Product(), n, h, w, out)
}

// convolvePixels is a 1×1 convolution: a product.
func convolvePixels(x, weight *Node, stride int) *Node {
	if stride > 1 {
		x = Slice(x, AxisRange(), AxisRange().Stride(stride), AxisRange().Stride(stride))
	}
	n, h, w, in, out := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3), weight.Shape().Dim(0)
	return Reshape(product(Reshape(x, n*h*w, in), Reshape(weight, out, in)), n, h, w, out)
}

// convolvePatches lays the k×k pixels under every position of the kernel side by side, and multiplies once.
func convolvePatches(x, weight *Node, stride int) *Node {
	out, in, k := weight.Shape().Dim(0), weight.Shape().Dim(1), weight.Shape().Dim(-1)
	views := windows(x, k, stride, 0)
	n, h, w := views[0].Shape().Dim(0), views[0].Shape().Dim(1), views[0].Shape().Dim(2)
	patches := views[0]
	if k > 1 {
		patches = Concatenate(views, -1) // (N, H', W', k·k·in)
	}
	patches = Reshape(patches, n*h*w, k*k*in)
	weight = Reshape(TransposeAllAxes(weight, 0, 2, 3, 1), out, k*k*in)
	return Reshape(product(patches, weight), n, h, w, out)
}

// windows pads x (N, H, W, C) by (k−1)/2 pixels of value fill and returns the k·k views of it, row by row, that hold the
// pixel under each element of a k×k kernel at every position: (N, H', W', C) each.
func windows(x *Node, k, stride int, fill float64) []*Node {
	h, w, pad := x.Shape().Dim(1), x.Shape().Dim(2), (k-1)/2
	if pad > 0 {
		side := PadAxis{Start: pad, End: pad}
		x = Pad(x, Scalar(x.Graph(), x.DType(), fill), PadAxis{}, side, side, PadAxis{})
	}
	last := func(size int) int { return (size + 2*pad - k) / stride * stride } // the kernel's last position
	views := make([]*Node, 0, k*k)
	for i := range k {
		for j := range k {
			views = append(views, Slice(x, AxisRange(),
				AxisRange(i, i+last(h)+1).Stride(stride), AxisRange(j, j+last(w)+1).Stride(stride)))
		}
	}
	return views
}
