package vpn

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// Noise at a hidden layer (Config.NoiseLayer): h̃ = h + σ⊙z in place of x̃ = x + σ⊙z, with h the layer's output and σ = g(x, y) of
// its shape. The layers before it see no noise, and see each image once whatever the number of noises.

// noiseDims are the dimensions of σ for one of the images x (N, H, W, C).
func (n *network) noiseDims(x *Node) []int {
	image := x.Shape().Dimensions[1:]
	if n.cfg.NoiseLayer == 0 {
		return image
	}
	return n.hiddenDims(x.Graph().Backend(), image)
}

// hiddenDims are the dimensions of the hidden layer's output for one image: it builds the base without values.
func (n *network) hiddenDims(backend compute.Backend, image []int) (dims []int) {
	g := NewGraph(backend, "hidden layer")
	defer g.Finalize()
	plan := model.NewStore()
	plan.SetParam("/"+models.ShapesOnly, true)
	x := Parameter(g, "image", shapes.Make(n.dtype, append([]int{1}, image...)...))
	n.noisyLogits(plan.RootScope(), x, func(h *Node) *Node {
		dims = h.Shape().Dimensions[1:]
		return h
	})
	return dims
}

// noiseDims are the dimensions of σ for one image of a model whose sizes are known.
func (m *Model) noiseDims() (dims []int, err error) {
	if image := m.net.cfg.ImageShape; m.net.cfg.NoiseLayer == 0 {
		return image[:], nil
	}
	err = try(func() error {
		dims = m.net.hiddenDims(m.backend, m.net.cfg.ImageShape[:])
		return nil
	})
	return dims, err
}

// hook is what lets add change the output of the hidden layer, in the network's dtype.
func (n *network) hook(add func(h *Node) *Node) models.Hook {
	return func(layer int, h *Node) *Node {
		if layer != n.cfg.NoiseLayer {
			return h
		}
		return ConvertDType(add(ConvertDType(h, n.dtype)), h.DType())
	}
}
