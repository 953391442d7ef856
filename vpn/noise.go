package vpn

import (
	"math/rand/v2"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/random"
)

// Streams keep the random numbers of different purposes apart.
const (
	streamTrain uint64 = iota + 1
	streamClasswise
	streamSample
	streamShuffle
	streamAugment
	streamNoisy
)

// randomState returns the state (3 × uint64) of the device's generator for draw number counter of a stream. It is
// a function of its arguments alone, so that a run resumes from the seed and the number of its steps.
func randomState(seed int64, stream uint64, counter int64) *tensors.Tensor {
	rng := rand.New(rand.NewPCG(uint64(seed), stream<<56|uint64(counter)))
	return tensors.FromFlatDataAndDimensions([]uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()}, 3)
}

// distributions are those of z, by the names of Config.NoiseDistribution; all have zero mean and unit variance.
var distributions = map[string]func(state *Node, shape shapes.Shape) (newState, z *Node){
	"normal": random.Normal, "laplace": random.Laplace, "uniform": random.Uniform,
}

// draw is z of a shape from a random state (3).
func (n *network) draw(state *Node, shape shapes.Shape) *Node { return n.drawPart(state, shape, nil) }

// drawPart is z of the images of a part of a batch, as drawn for the whole batch.
func (n *network) drawPart(state *Node, shape shapes.Shape, part *random.Part) *Node {
	_, z := distributions[n.cfg.NoiseDistribution](state, shapes.Make(shape.DType, part.Dims(shape.Dimensions)...))
	return part.Cut(z, shape.Dim(0))
}
