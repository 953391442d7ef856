package augment

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// planes are the channels of images, (N, H·W) each: grey, or red, green and blue.
type planes []*Node

func planesOf(x *Node) planes {
	n, pixels, c := x.Shape().Dim(0), x.Shape().Dim(1)*x.Shape().Dim(2), x.Shape().Dim(3)
	p := make(planes, c)
	for i := range p {
		p[i] = Reshape(Slice(x, AxisRange(), AxisRange(), AxisRange(), AxisElem(i)), n, pixels)
	}
	return p
}

// join is the inverse of planesOf.
func (p planes) join(images shapes.Shape) *Node {
	return Reshape(Stack(p, -1), images.Dimensions...)
}

// blend applies the given adjustments (brightness, contrast, saturation) to the images for which
// when is true. Their order is that of the numbers in order.
//
// Each adjustment is clip(f·x + (1−f)·y, 0, 1). y is black for brightness, the mean of the grey
// image for contrast, and the grey image for saturation. For an image without the adjustment, f is
// 1.
func (p planes) blend(adjustments []int, factors, order []*Node, when func(adjustment int) *Node) planes {
	for place := range adjustments {
		one := OnesLike(factors[0])
		f, y := one, map[int]*Node{contrast: nil, saturation: nil}
		for _, i := range adjustments {
			active := And(when(i), Equal(rank(i, adjustments, order), Scalar(one.Graph(), dtypes.Int32, place)))
			f = Where(active, factors[i], f)
			y[i] = Where(active, OneMinus(factors[i]), ZerosLike(one))
		}
		p = p.mix(f, y[contrast], y[saturation])
	}
	return p
}

// rank returns the place of adjustment i in the order: how many adjustments have a smaller number.
func rank(i int, adjustments []int, order []*Node) *Node {
	place := Zeros(order[i].Graph(), shapes.Make(dtypes.Int32, order[i].Shape().Dim(0)))
	for _, j := range adjustments {
		first := LessThan(order[j], order[i])
		if j < i {
			first = LessOrEqual(order[j], order[i])
		}
		if j != i {
			place = Add(place, ConvertDType(first, dtypes.Int32))
		}
	}
	return place
}

// mix returns clip(f·x + toMean·mean(grey) + toGrey·grey, 0, 1). f, toMean and toGrey are factors
// (N) per image; nil means 0.
func (p planes) mix(f, toMean, toGrey *Node) planes {
	var y *Node
	if toGrey != nil {
		y = Mul(p.grey(), like(p[0], toGrey, 2))
	}
	if toMean != nil {
		mean := Mul(InsertAxes(ReduceMean(p.grey(), 1), -1), like(p[0], toMean, 2)) // (N, 1)
		if y == nil {
			y = mean
		} else {
			y = Add(y, mean)
		}
	}
	mixed := make(planes, len(p))
	for i, x := range p {
		mixed[i] = Mul(x, like(x, f, 2))
		if y != nil {
			mixed[i] = Add(mixed[i], y)
		}
		mixed[i] = ClipScalar(mixed[i], 0, 1)
	}
	return mixed
}

// grey returns torchvision's rgb_to_grayscale (ITU-R BT.601).
func (p planes) grey() *Node {
	if len(p) == 1 {
		return p[0]
	}
	return Add(Add(MulScalar(p[0], 0.2989), MulScalar(p[1], 0.587)), MulScalar(p[2], 0.114))
}

// turn rotates the hue of each image by turns (N), in turns of the colour wheel. In HSV, let h be
// the hue in sixths of a turn and Δ = max − min the chroma. Then each colour is max − Δ·clip(min(k,
// 4−k), 0, 1) with k = (n + h) mod 6 and n = 5, 3, 1 for red, green, blue (A. R. Smith, SIGGRAPH
// 1978, as one formula).
func (p planes) turn(turns *Node) planes {
	r, g, b := p[0], p[1], p[2]
	largest := Max(Max(r, g), b)
	chroma := Sub(largest, Min(Min(r, g), b))
	isR, isG := Equal(largest, r), Equal(largest, g)
	number := func(v float64) *Node { return Scalar(r.Graph(), r.DType(), v) }
	sixths := Div(
		Where(isR, Sub(g, b), Where(isG, Sub(b, r), Sub(r, g))),
		Where(Equal(chroma, number(0)), number(1), chroma)) // grey has no hue, so any divisor is right
	sixths = Add(sixths, Where(isR, number(0), Where(isG, number(2), number(4))))
	sixths = Add(sixths, like(r, MulScalar(turns, 6), 2))

	turned := make(planes, 3)
	for i, n := range []float64{5, 3, 1} {
		k := AddScalar(sixths, n)
		k = Sub(k, MulScalar(Floor(MulScalar(k, 1.0/6)), 6))
		ramp := ClipScalar(Min(k, AddScalar(Neg(k), 4)), 0, 1)
		turned[i] = Sub(largest, Mul(chroma, ramp))
	}
	return turned
}
