package vpn

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/random"
	"github.com/govpn/govpn/models"
)

// network is the base classifier f and the generator g of one configuration, as functions that build graphs.
type network struct {
	cfg       Config
	base      models.Func
	generator generatorFunc
	dtype     dtypes.DType // of weights, pixels, noise, σ and losses
}

func newNetwork(cfg Config) (*network, error) {
	base, err := models.ByName(cfg.Base)
	if err != nil {
		return nil, argumentError("Base: %v", err)
	}
	gen, err := generator(cfg.Generator)
	if err != nil {
		return nil, err
	}
	n := &network{cfg: cfg, base: base, generator: gen, dtype: dtypes.Float32}
	if cfg.ComputeDType == "float64" {
		n.dtype = dtypes.Float64
	}
	return n, nil
}

// computeDType is that of the layers' products. GoMLX's pure-Go backend loses half of the sum in bfloat16's on processors that have
// AVX2 but not AVX-512 (compute v0.1.6, transposed right factor): there they stay float32.
func (n *network) computeDType(g *Graph) dtypes.DType {
	if n.cfg.ComputeDType == "bfloat16" && fuses(g.Backend()) {
		return dtypes.BFloat16
	}
	return n.dtype
}

// trained are the parts that the mode trains.
func (n *network) trained() []string {
	return map[string][]string{
		"joint": {"base", "generator"}, "frozen": {"generator"}, "plain": {"base"}, "gaussian": {"base"},
	}[n.cfg.Mode]
}

// setTraining puts the batch norms of what the mode trains into training mode.
func (n *network) setTraining(s *model.Scope, g *Graph) {
	s.SetGraphParam(g, models.Remat, n.cfg.Remat)
	for _, part := range n.trained() {
		s.At("%s", part).SetGraphParam(g, models.Training, true)
	}
}

// pixels turns stored images (N, H, W, C), uint8 0–255 or float [0, 1], into the network's input.
func (n *network) pixels(images *Node) *Node { return n.trainingPixels(images, nil, nil) }

// trainingPixels is pixels with what training makes of images, of a random state; nil: nothing. Of a part of a batch it is what it
// makes of them within the batch.
func (n *network) trainingPixels(images, augmentState *Node, part *random.Part) *Node {
	x := ConvertDType(images, n.dtype)
	if images.DType() == dtypes.Uint8 {
		x = MulScalar(x, 1.0/255)
	}
	if augmentState != nil && part == nil {
		x = StopGradient(n.cfg.Augment.Apply(x, augmentState)) // on go, fused layers would ask for it
	} else if augmentState != nil {
		x = StopGradient(n.cfg.Augment.ApplyPart(x, augmentState, part.Of, part.Start))
	}
	if n.cfg.Normalize.Where == "input" {
		x = n.normalize(x)
	}
	return x
}

// logits is f(x): (N, H, W, C) → (N, K), or a row for each of the images that a hook makes of them.
func (n *network) logits(s *model.Scope, x *Node) *Node {
	if n.cfg.Normalize.Where == "image" {
		x = n.normalize(x)
	}
	logits := n.base(s.At("base"), ConvertDType(x, n.computeDType(x.Graph())), n.cfg.Classes)
	logits.AssertDims(-1, n.cfg.Classes)
	return ConvertDType(logits, n.dtype)
}

// noisyLogits is f(x̃), with the auxiliary batch norms where the configuration has them: add makes noisy ones of the images x, or of
// the output of the hidden layer that gets the noise, and a row of logits each.
func (n *network) noisyLogits(s *model.Scope, x *Node, add func(*Node) *Node) *Node {
	base, g := s.At("base"), x.Graph()
	base.SetGraphParam(g, models.Auxiliary, n.separate())
	defer base.SetGraphParam(g, models.Auxiliary, false)
	if n.cfg.NoiseLayer == 0 {
		return n.logits(s, add(x))
	}
	base.SetGraphParam(g, models.HiddenHook, n.hook(add))
	defer base.SetGraphParam(g, models.HiddenHook, models.Hook(nil))
	return n.logits(s, x)
}

// separate says whether noisy images have batch norms of their own.
func (n *network) separate() bool { return n.cfg.NoisyBatchNorm == "separate" }

// normalize is (x − mean)/std per channel.
func (n *network) normalize(x *Node) *Node {
	if len(n.cfg.Normalize.Mean) == 0 {
		return x
	}
	channel := func(values []float64) *Node { // (1, 1, 1, C)
		return InsertAxes(ConstAsDType(x.Graph(), x.DType(), values), 0, 0, 0)
	}
	return Div(Sub(x, channel(n.cfg.Normalize.Mean)), channel(n.cfg.Normalize.Std))
}

// noisy is x̃ = x + σ⊙z for m noises per image: x and σ (N, H, W, C), z (N, m, H, W, C) → (N·m, H, W, C); and so for the output of a
// hidden layer, of any rank.
func (n *network) noisy(x, sigma, z *Node) *Node {
	noisy := Add(InsertAxes(x, 1), Mul(InsertAxes(sigma, 1), z)) // (N, m, H, W, C)
	if n.cfg.ClipNoisy {
		noisy = ClipScalar(noisy, 0, 1)
	}
	return Reshape(noisy, append([]int{-1}, x.Shape().Dimensions[1:]...)...)
}
