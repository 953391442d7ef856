package method

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// Noise at a hidden layer (Config.NoiseLayer) is h̃ = h + σ⊙z in place of x̃ = x + σ⊙z. h is the
// layer's output, and σ = g(x, y) has its shape. The layers before it see no noise, and see each
// image once, whatever the number of noises. The paper does not have this.

// NoiseDims returns the dimensions of σ for one of the images x (N, H, W, C).
func (n *Network) NoiseDims(x *Node) []int {
	image := x.Shape().Dimensions[1:]
	if n.Config.NoiseLayer == 0 {
		return image
	}
	return n.hiddenDims(x.Graph().Backend(), image)
}

// ImageNoiseDims returns the dimensions of σ for one image of Config.ImageShape.
func (n *Network) ImageNoiseDims(backend compute.Backend) []int {
	if n.Config.NoiseLayer == 0 {
		return n.Config.ImageShape[:]
	}
	return n.hiddenDims(backend, n.Config.ImageShape[:])
}

// hiddenDims returns the dimensions of the hidden layer's output for one image. It builds the base
// without values.
func (n *Network) hiddenDims(backend compute.Backend, image []int) (dims []int) {
	g := NewGraph(backend, "hidden layer")
	defer g.Finalize()
	plan := model.NewStore()
	plan.SetParam("/"+models.ShapesOnly, true)
	x := Parameter(g, "image", shapes.Make(n.DType, append([]int{1}, image...)...))
	n.NoisyLogits(plan.RootScope(), x, func(h *Node) *Node {
		dims = h.Shape().Dimensions[1:]
		return h
	})
	return dims
}

// hiddenHook returns a hook of the base that lets addNoise change the output of layer
// Config.NoiseLayer, in the network's dtype.
func (n *Network) hiddenHook(addNoise func(h *Node) *Node) models.Hook {
	return func(layer int, h *Node) *Node {
		if layer != n.Config.NoiseLayer {
			return h
		}
		return ConvertDType(addNoise(ConvertDType(h, n.DType)), h.DType())
	}
}
