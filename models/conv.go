package models

import (
	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Conv is torch.nn.Conv2d with padding (kernel−1)/2 and no bias, for odd kernels: x (N, H, W, in) →
// (N, ⌈H/stride⌉, ⌈W/stride⌉, out). Its parameter is weight (out, in, kernel, kernel).
func Conv(s *model.Scope, x *Node, out, kernel, stride int, init Init) *Node {
	in := x.Shape().Dim(-1)
	weight := Param(s, x.Graph(), x.DType(), "weight", init, in*kernel*kernel, out, in, kernel, kernel)
	return convolve(x, weight, stride)
}

// convolve computes a convolution in the way that is fast on the graph's backend: x (N, H, W, in),
// weight (out, in, k, k) → (N, H', W', out). XLA has the operation. The pure-Go backend has it only
// as a naive loop, so there the convolution is a matrix product.
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
	case k == 3 && stride == 2 && x.Shape().Dim(1)%2 == 0 && x.Shape().Dim(2)%2 == 0:
		return convolveHalving(x, weight)
	}
	pad := [2]int{(k - 1) / 2, (k - 1) / 2}
	return convolution(x, weight, false, pad, pad).Strides(stride).Done()
}

// convolution calls the backend's operation. If transposed, the weight is (in, out, k, k).
func convolution(x, weight *Node, transposed bool, rows, columns [2]int) *ConvolutionBuilder {
	in, out := 1, 0
	if transposed {
		in, out = out, in
	}
	return Convolve(x, weight).PaddingPerDim([][2]int{rows, columns}).AxesConfig(compute.ConvolveAxesConfig{
		InputBatch: 0, InputSpatial: []int{1, 2}, InputChannels: 3,
		KernelOutputChannels: out, KernelInputChannels: in, KernelSpatial: []int{2, 3},
		OutputBatch: 0, OutputSpatial: []int{1, 2}, OutputChannels: 3,
	})
}

// convolveHalving is a 3×3 convolution of stride 2 over maps with even sides. Its gradient with
// respect to x is computed as four convolutions, one for each combination of even and odd
// positions. Along an axis, one element of the kernel sees a pixel at an even position, and two see
// a pixel at an odd one. The backend's own gradient is one convolution over an upstream gradient
// that is three quarters zeros.
func convolveHalving(x, weight *Node) *Node {
	native := func(x *Node) *Node {
		return convolution(x, weight, false, [2]int{1, 1}, [2]int{1, 1}).Strides(2).Done()
	}
	return withGradient(x, native, func(_, _, upstream *Node) *Node { // (N, H/2, W/2, out)
		var rows []*Node
		for odd := range 2 {
			even := convolution(upstream, seenAt(weight, odd, 0), true, [2]int{0, odd}, [2]int{0, 0}).Done()
			next := convolution(upstream, seenAt(weight, odd, 1), true, [2]int{0, odd}, [2]int{0, 1}).Done()
			rows = append(rows, Stack([]*Node{even, next}, 3)) // (N, H/2, W/2, 2, in)
		}
		return Reshape(Stack(rows, 2), x.Shape().Dimensions...)
	})
}

// seenAt returns the elements of 3×3 kernels of stride 2 that see pixels at even (0) or odd (1)
// positions along each axis. Their order is that of the results for which they see the pixels.
func seenAt(weight *Node, row, column int) *Node {
	of := func(odd int) SliceAxisSpec {
		if odd == 1 {
			return AxisRange(0, 3).Stride(2)
		}
		return AxisRange(1, 2)
	}
	return Reverse(Slice(weight, AxisRange(), AxisRange(), of(row), of(column)), 2, 3)
}

// seen returns how many positions a kernel of k elements has along a side of that many pixels, if
// the kernel covers all pixels at each of them. Otherwise it returns 0.
func seen(side, k, stride int) int {
	positions, pad := (side+stride-1)/stride, (k-1)/2
	if pad < (positions-1)*stride || pad < side-1 {
		return 0
	}
	return positions
}

// convolveDense is for small maps that the kernel covers at every position. It is one product of
// all pixels with the elements of the kernel over them. The other elements only ever meet the
// padding: 8 of 9 in a 3×3 kernel over a map of one pixel.
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

// convolvePatches lays the k×k pixels under each position of the kernel side by side, and
// multiplies once.
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

// windows pads x (N, H, W, C) by (k−1)/2 pixels of value fill. It returns k·k views, (N, H', W', C)
// each: for each element of a k×k kernel, row by row, the pixel under it at every position.
func windows(x *Node, k, stride int, fill float64) []*Node {
	h, w, pad := x.Shape().Dim(1), x.Shape().Dim(2), (k-1)/2
	if pad > 0 {
		side := PadAxis{Start: pad, End: pad}
		x = Pad(x, Scalar(x.Graph(), x.DType(), fill), PadAxis{}, side, side, PadAxis{})
	}
	last := func(size int) int { return (size + 2*pad - k) / stride * stride } // of the kernel's last position
	views := make([]*Node, 0, k*k)
	for i := range k {
		for j := range k {
			views = append(views, Slice(x, AxisRange(),
				AxisRange(i, i+last(h)+1).Stride(stride), AxisRange(j, j+last(w)+1).Stride(stride)))
		}
	}
	return views
}
