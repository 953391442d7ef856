package method

import (
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/internal/random"
	"github.com/govpn/govpn/models"
)

// LabelDType is the dtype of class labels in graphs.
const LabelDType = dtypes.Int32

// Network is the base classifier f and the generator g of one configuration. Its methods build
// graphs: they compute nothing and hold no weights. The weights are variables of the scope that
// each method gets: those of f below "base", those of g below "generator".
type Network struct {
	Config    Config
	DType     dtypes.DType // of weights, pixels, noise, σ and losses
	base      models.Func
	generator generatorFunc
}

// New returns the network of a configuration.
func New(cfg Config) (*Network, error) {
	base, err := models.ByName(cfg.Base)
	if err != nil {
		return nil, argumentError("Base: %v", err)
	}
	generator, err := generatorNamed(cfg.Generator)
	if err != nil {
		return nil, err
	}
	n := &Network{Config: cfg, DType: dtypes.Float32, base: base, generator: generator}
	if cfg.ComputeDType == "float64" {
		n.DType = dtypes.Float64
	}
	return n, nil
}

// argumentError reports a wrong option: which one, what was got and what is wanted.
func argumentError(format string, args ...any) error {
	return fault.Errorf(fault.ErrArgument, "vpn: "+format, args...)
}

// Fuses says whether a backend computes element-wise operations where their results are read. XLA
// does, GoMLX's pure-Go backend does not.
func Fuses(backend compute.Backend) bool { return backend.String() != gobackend.BackendName }

// Variables lists the variables below the given scopes of a store, sorted by path.
func Variables(store *model.Store, scopes ...string) []*model.Variable {
	var found []*model.Variable
	for _, scope := range scopes {
		found = append(found, slices.Collect(store.Scope("/"+scope).IterVariables())...)
	}
	slices.SortFunc(found, func(a, b *model.Variable) int { return strings.Compare(a.Path(), b.Path()) })
	return found
}

// computeDType is the dtype of the layers' products. On the pure-Go backend it is never bfloat16:
// compute v0.1.6 loses half of the sum in bfloat16 products with a transposed right factor, on
// processors that have AVX2 but not AVX-512.
func (n *Network) computeDType(g *Graph) dtypes.DType {
	if n.Config.ComputeDType == "bfloat16" && Fuses(g.Backend()) {
		return dtypes.BFloat16
	}
	return n.DType
}

// Trained names the scopes that Config.Mode trains.
func (n *Network) Trained() []string {
	return map[string][]string{
		"joint": {"base", "generator"}, "frozen": {"generator"}, "plain": {"base"}, "gaussian": {"base"},
	}[n.Config.Mode]
}

// setTraining puts the batch norms of what the mode trains into training mode.
func (n *Network) setTraining(s *model.Scope, g *Graph) {
	s.SetGraphParam(g, models.Remat, n.Config.Remat)
	for _, scope := range n.Trained() {
		s.At("%s", scope).SetGraphParam(g, models.Training, true)
	}
}

// Pixels converts stored images (N, H, W, C), uint8 from 0 to 255 or floats from 0 to 1, to network
// input.
func (n *Network) Pixels(images *Node) *Node { return n.trainingPixels(images, nil, nil) }

// trainingPixels is Pixels, and augments the images unless augmentState is nil. If part is not nil,
// the images are a slice of a larger batch, and get exactly the augmentation that they would get in
// the whole batch.
func (n *Network) trainingPixels(images, augmentState *Node, part *random.Part) *Node {
	x := ConvertDType(images, n.DType)
	if images.DType() == dtypes.Uint8 {
		x = MulScalar(x, 1.0/255)
	}
	if augmentState != nil && part == nil {
		x = StopGradient(n.Config.Augment.Apply(x, augmentState)) // on go, fused layers would ask for it
	} else if augmentState != nil {
		x = StopGradient(n.Config.Augment.ApplyPart(x, augmentState, part.Of, part.Start))
	}
	if n.Config.Normalize.Where == "input" {
		x = n.normalize(x)
	}
	return x
}

// normalize is (x − mean)/std per channel.
func (n *Network) normalize(x *Node) *Node {
	if len(n.Config.Normalize.Mean) == 0 {
		return x
	}
	channel := func(values []float64) *Node { // (1, 1, 1, C)
		return InsertAxes(ConstAsDType(x.Graph(), x.DType(), values), 0, 0, 0)
	}
	return Div(Sub(x, channel(n.Config.Normalize.Mean)), channel(n.Config.Normalize.Std))
}

// Logits is f(x): (N, H, W, C) → (N, K). Where a hook of the base makes several rows of an image,
// there is a row of logits for each.
func (n *Network) Logits(s *model.Scope, x *Node) *Node {
	if n.Config.Normalize.Where == "image" {
		x = n.normalize(x)
	}
	logits := n.base(s.At("base"), ConvertDType(x, n.computeDType(x.Graph())), n.Config.Classes)
	logits.AssertDims(-1, n.Config.Classes)
	return ConvertDType(logits, n.DType)
}

// NoisyLogits is f(x̃). addNoise gets the images x, or the output of hidden layer
// Config.NoiseLayer, and returns the noisy ones. There is a row of logits for each of these. They
// pass the auxiliary batch norms where the configuration has such (Config.NoisyBatchNorm
// "separate").
func (n *Network) NoisyLogits(s *model.Scope, x *Node, addNoise func(*Node) *Node) *Node {
	base, g := s.At("base"), x.Graph()
	base.SetGraphParam(g, models.Auxiliary, n.hasNoisyBatchNorm())
	defer base.SetGraphParam(g, models.Auxiliary, false)
	if n.Config.NoiseLayer == 0 {
		return n.Logits(s, addNoise(x))
	}
	base.SetGraphParam(g, models.HiddenHook, n.hiddenHook(addNoise))
	defer base.SetGraphParam(g, models.HiddenHook, models.Hook(nil))
	return n.Logits(s, x)
}

// hasNoisyBatchNorm says whether noisy images have batch norms of their own.
func (n *Network) hasNoisyBatchNorm() bool { return n.Config.NoisyBatchNorm == "separate" }

// BuildVariables builds a graph of f and g for images x (N, H, W, C) and labels (N), and thereby
// creates their variables in the store of s. It returns how many nodes of the graph are f's: those
// that follow are g's.
func (n *Network) BuildVariables(s *model.Scope, x *Node, labels func() *Node) (baseNodes int) {
	n.Logits(s, x)
	n.NoisyLogits(s, x, func(x *Node) *Node { return x })
	baseNodes = len(x.Graph().Nodes())
	if n.Config.HasGenerator() {
		n.Std(s, x, labels())
	}
	return baseNodes
}
