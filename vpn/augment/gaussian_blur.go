package augment

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// GaussianBlur blurs an image with a Gaussian kernel. Beyond its borders the image is continued by
// its mirror image.
type GaussianBlur struct {
	KernelSize Ints   `json:"kernel_size"` // size or [width, height], odd
	Sigma      Floats `json:"sigma"`       // in pixels: s, or [low, high]; nil for torchvision's [0.1, 2]
}

// Name returns torchvision's name.
func (GaussianBlur) Name() string { return "GaussianBlur" }

func (a GaussianBlur) validate() error {
	odd := len(a.KernelSize) == 1 || len(a.KernelSize) == 2
	for _, k := range a.KernelSize {
		odd = odd && k > 0 && k%2 == 1
	}
	if !odd {
		return argumentError("GaussianBlur.kernel_size is %s, want size or [width, height], odd numbers from 1",
			a.KernelSize)
	}
	low, high, err := a.bounds()
	if err == nil && !(low > 0 && high <= math.MaxFloat32) {
		err = argumentError("GaussianBlur.sigma is %s, want more than 0", a.Sigma)
	}
	return err
}

func (a GaussianBlur) bounds() (low, high float64, err error) {
	if len(a.Sigma) == 0 {
		return 0.1, 2, nil
	}
	return interval("GaussianBlur.sigma", a.Sigma, 0, math.Inf(1), func(v float64) (low, high float64) { return v, v })
}

// size returns the size of the kernel.
func (a GaussianBlur) size() (width, height int) {
	return a.KernelSize[0], a.KernelSize[len(a.KernelSize)-1]
}

func (a GaussianBlur) fits(h, w, _ int) error {
	if kw, kh := a.size(); kw/2 >= w || kh/2 >= h {
		return argumentError("GaussianBlur.kernel_size is %s, want at most [%d, %d] for images of %d×%d (height×width)",
			a.KernelSize, 2*w-1, 2*h-1, h, w)
	}
	return nil
}

// draw returns σ (N).
func (a GaussianBlur) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	newState, u := uniforms(state, 1, images.Dim(0))
	return newState, []*Node{between(u[0], must(a.bounds()))}
}

func (a GaussianBlur) apply(x *Node, params []*Node) *Node {
	w, h := a.size()
	return blur(blur(x, 1, gaussian(params[0], h)), 2, gaussian(params[0], w))
}

// gaussian returns a kernel of k weights for each σ (N): exp(−i²/2σ²) at distance i from the
// middle, normalised to sum 1: (N, k).
func gaussian(sigma *Node, k int) *Node {
	at := AddScalar(Iota(sigma.Graph(), shapes.Make(dtypes.Float64, 1, k), 1), -float64(k-1)/2)
	return Softmax(MulScalar(Square(Div(at, InsertAxes(sigma, -1))), -0.5), -1)
}

// blur convolves x (N, H, W, C) along axis 1 or 2 with each image's own kernel, kernels (N, k).
func blur(x *Node, axis int, kernels *Node) *Node {
	k := kernels.Shape().Dim(1)
	if k == 1 {
		return x
	}
	size := x.Shape().Dim(axis)
	padded := pad(x, axis, k/2, k/2, "reflect", nil)
	var sum *Node
	for i, weight := range unstack(Transpose(kernels, 0, 1)) {
		axes := []SliceAxisSpec{AxisRange(), AxisRange(), AxisRange(), AxisRange()}
		axes[axis] = AxisRange(i, i+size)
		term := Mul(Slice(padded, axes...), like(x, weight, 4))
		if sum == nil {
			sum = term
		} else {
			sum = Add(sum, term)
		}
	}
	return sum
}
