package augment

import (
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// validateSampling checks the parameters that rotations and affine maps share.
func validateSampling(name, interpolation string, fill, center Floats) error {
	if modes := []string{"nearest", "bilinear"}; interpolation != "" && !slices.Contains(modes, interpolation) {
		return argumentError("%s.interpolation is %q, want one of %s", name, interpolation, oneOf(modes...))
	}
	finite := func(v float64) bool { return math.Abs(v) <= math.MaxFloat32 }
	if n := len(center); n != 0 && (n != 2 || !finite(center[0]) || !finite(center[1])) {
		return argumentError("%s.center is %s, want none or [x, y] in pixels", name, center)
	}
	return validateFill(name+".fill", fill)
}

// sample returns an image whose pixel at (x, y) is the pixel of x (N, H, W, C) at M⁻¹(x, y): see
// inverseAffine.
func sample(x *Node, inverse [6]*Node, interpolation string, fill Floats) *Node {
	h, w := x.Shape().Dim(1), x.Shape().Dim(2)
	// across and down are the coordinates of the result's pixels, from the middle of the image.
	// column and row are where the pixels come from; 0 is the middle of the first pixel.
	line := func(size int) *Node {
		return AddScalar(Iota(x.Graph(), shapes.Make(x.DType(), size), 0), float64(1-size)/2)
	}
	across, down := InsertAxes(line(w), 0, 0), InsertAxes(line(h), 0, -1) // (1, 1, W), (1, H, 1)
	source := func(m []*Node, size int) *Node {
		offset := AddScalar(like(x, m[2], 3), float64(size-1)/2)
		return Add(Mul(like(x, m[0], 3), across), Add(Mul(like(x, m[1], 3), down), offset)) // (N, H, W)
	}
	column, row := source(inverse[:3], w), source(inverse[3:], h)
	if interpolation == "bilinear" {
		return bilinear(x, column, row, fill)
	}
	return nearest(x, column, row, fill)
}

// nearest returns the pixels nearest to column, row (N, H, W), ties to even. Outside the image it
// returns fill.
func nearest(x, column, row *Node, fill Floats) *Node {
	n, h, w, c := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	column, row = Round(column), Round(row)
	i, j := ClipScalar(row, 0, float64(h-1)), ClipScalar(column, 0, float64(w-1))
	inside := And(Equal(i, row), Equal(j, column))

	// The pixels are the rows of one table. Its last row is fill.
	pixels := Reshape(x, n*h*w, c)
	pixels = Concatenate([]*Node{pixels, InsertAxes(ConstAsDType(x.Graph(), x.DType(), perChannel(fill, c)), 0)}, 0)
	index := Where(inside, pixelIndex(i, j, n, h, w), Scalar(x.Graph(), dtypes.Int32, n*h*w))
	return Reshape(Gather(pixels, InsertAxes(index, -1)), n, h, w, c)
}

// pixelIndex returns the index of pixel (i, j) of each of n images among all pixels, where images
// are h×w: (N, H', W') int32.
func pixelIndex(i, j *Node, n, h, w int) *Node {
	i, j = ConvertDType(i, dtypes.Int32), ConvertDType(j, dtypes.Int32)
	image := Iota(i.Graph(), shapes.Make(dtypes.Int32, n, 1, 1), 0)
	return Add(MulScalar(image, h*w), Add(MulScalar(i, w), j))
}

// bilinear interpolates between the four pixels around column, row (N, H, W), with zeros outside
// the image. A mask that is 1 inside the image is interpolated too. As in torchvision, the result
// is mask·(interpolated − fill) + fill, so pixels at the border are multiplied by mask twice.
func bilinear(x, column, row *Node, fill Floats) *Node {
	n, h, w, c := x.Shape().Dim(0), x.Shape().Dim(1), x.Shape().Dim(2), x.Shape().Dim(3)
	i, down, maskI := corner(row, h)
	j, right, maskJ := corner(column, w)
	mask := Mul(maskI, maskJ) // (N, H, W)

	zero := Scalar(x.Graph(), x.DType(), 0)
	x = Pad(x, zero, PadAxis{}, PadAxis{Start: 1, End: 1}, PadAxis{Start: 1, End: 1}, PadAxis{})
	pixels := Reshape(x, n*(h+2)*(w+2), c)
	var mixed *Node
	up, left := OneMinus(down), OneMinus(right)
	for k, weight := range []*Node{Mul(up, left), Mul(up, right), Mul(down, left), Mul(down, right)} {
		index := pixelIndex(AddScalar(i, float64(k/2)), AddScalar(j, float64(k%2)), n, h+2, w+2)
		term := Mul(Gather(pixels, InsertAxes(index, -1)), InsertAxes(Mul(weight, mask), -1)) // (N, H, W, C)
		if mixed == nil {
			mixed = term
		} else {
			mixed = Add(mixed, term)
		}
	}
	values := perChannel(fill, c)
	if slices.Max(values) == 0 {
		return mixed
	}
	return Add(mixed,
		Mul(InsertAxes(OneMinus(mask), -1), ConstAsDType(x.Graph(), x.DType(), [][][][]float64{{{values}}})))
}

// corner splits a coordinate in two: the pixel before it, in an image with one more pixel on each
// side, and the fraction of the way to the next pixel. mask is how much of the two pixels lies
// inside the image.
func corner(at *Node, size int) (pixel, fraction, mask *Node) {
	at = ClipScalar(at, -1, float64(size))
	floor := MinScalar(Floor(at), float64(size-1))
	mask = MinScalar(Min(AddScalar(at, 1), Neg(AddScalar(at, -float64(size)))), 1)
	return AddScalar(floor, 1), Sub(at, floor), mask
}
