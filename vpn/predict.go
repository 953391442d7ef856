package vpn

import (
	"context"
	"math"
	"math/bits"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/vpn/data"
)

// PredictOptions are those of Predict.
type PredictOptions struct {
	// Noise is "none" (also ""): argmax f(x); "classwise": for every class k, noise drawn for k and the score
	// s_k = softmax(f(x + ε_k))_k, predict argmax s_k; "label": argmax f(x + ε_y) with noise drawn for the image's own label y,
	// which the data set must have; or "gaussian": argmax f(x + Std·z), also without a generator. "label" is an oracle: it reads
	// the label, so its accuracy is leakage, for analysis only. For the same seed, label and gaussian draw the same z: they differ
	// in σ alone.
	Noise string `json:"noise"`
	// Samples are the noises per image (of classwise, per image and class) whose probabilities are averaged; 0 is 1.
	Samples int   `json:"samples"`
	Seed    int64 `json:"seed"` // of the noise; 0: Config.Seed
	// Std is σ of gaussian, ≥ 0, in units of the pixel range, or of the hidden layer with Config.NoiseLayer: needed there, and nil for all
	// other noise. z is of Config.NoiseDistribution.
	Std *float64 `json:"std"`
	// Output is "label" (also ""), "proba" (rows sum to 1; the normalised s_k for classwise), "scores" (the s_k, which
	// do not sum to 1; for all other noise the same as proba) or "logits" (of one sample, and not of classwise).
	Output string `json:"output"`
}

// Prediction holds a label per image and, unless Output is "label", Classes scores per image.
type Prediction struct {
	Labels  []int32
	Scores  []float32 // (N, Classes), row-major
	Classes int
}

// Images per chunk of inference, where Config.EvalBatchSize does not say. Classwise passes hold all classes at once.
const (
	chunkImages   = 512
	chunkPassages = 2560      // images × classes
	chunkBytes    = 256 << 20 // of the largest value that a pass computes; some few live at the same time
)

// classifyGraph is images (B, H, W, C) → logits (B, K).
func (m *Model) classifyGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	return []*Node{m.net.logits(s, m.net.pixels(in[0]))}, nil
}

// classwiseGraph is one draw of Algorithm 2 for all classes at once: images (B, H, W, C), random state (3) → scores (B, K).
func (m *Model) classwiseGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	x := m.net.pixels(in[0])
	z := m.net.draw(in[1], shapes.Make(x.DType(), m.net.classwiseDims(x)...))
	return []*Node{m.net.classwise(s, x, z)}, nil
}

// classwiseDims is (B·K, 1, H, W, C): an image, or a hidden layer's output, under every class, with one noise each.
func (n *network) classwiseDims(x *Node) []int {
	return append([]int{x.Shape().Dimensions[0] * n.cfg.Classes, 1}, n.noiseDims(x)...)
}

// classwise is s_k = softmax(f(x + σ(x, k)⊙z_k))_k: x (B, H, W, C), z (B·K, 1, H, W, C) → (B, K).
func (n *network) classwise(s *model.Scope, x, z *Node) *Node {
	k, size := n.cfg.Classes, x.Shape().Dimensions[0]
	sigma := n.stdOfAll(s, x)      // (B·K, H, W, C)
	noisy := func(x *Node) *Node { // → (B·K, H, W, C)
		one := x.Shape().Dimensions[1:]
		x = BroadcastToDims(InsertAxes(x, 1), append([]int{size, k}, one...)...)
		return n.noisy(Reshape(x, append([]int{size * k}, one...)...), sigma, z)
	}
	probabilities := Softmax(n.noisyLogits(s, x, noisy), -1)   // (B·K, K)
	probabilities = Reshape(probabilities, size, k, k)         // of image, noise's class, class
	own := Iota(x.Graph(), shapes.Make(labelDType, k), 0)      // (K)
	own = InsertAxes(OneHot(own, k, probabilities.DType()), 0) // (1, K, K): the class's own column
	return ReduceSum(Mul(probabilities, own), -1)              // (B, K)
}

// Predict classifies the images of d.
func (m *Model) Predict(ctx context.Context, d *data.Dataset, o PredictOptions) (*Prediction, error) {
	if err := m.checkPredict(&o); err != nil {
		return nil, err
	}
	f, ctx, done, err := m.inference(ctx, d, o.Noise == "label")
	if err != nil {
		return nil, err
	}
	defer done()
	k := m.net.cfg.Classes
	scores, logits, err := m.rowsOf(ctx, f, o)
	if err != nil {
		return nil, err
	}
	if logits && o.Output != "logits" && o.Output != "label" {
		softmaxRows(scores, k)
	}
	p := &Prediction{Labels: argmaxRows(scores, k), Classes: k}
	if o.Output == "proba" && o.Noise == "classwise" {
		normalizeRows(scores, k)
	}
	if o.Output != "label" {
		p.Scores = scores
	}
	return p, nil
}

func (m *Model) checkPredict(o *PredictOptions) error {
	if o.Noise == "" {
		o.Noise = "none"
	}
	if o.Output == "" {
		o.Output = "label"
	}
	if o.Samples == 0 {
		o.Samples = 1
	}
	cfg := m.Config()
	if err := checkNoise(o, &cfg); err != nil {
		return err
	}
	switch {
	case o.Samples < 1:
		return argumentError("Samples is %d, want at least 1", o.Samples)
	case o.Output != "label" && o.Output != "proba" && o.Output != "scores" && o.Output != "logits":
		return argumentError("Output is %q, want label, proba, scores or logits", o.Output)
	case o.Output == "logits" && o.Noise == "classwise":
		return argumentError("Output is logits with Noise classwise, which has one softmax per class; want scores or proba")
	case o.Output == "logits" && o.Noise != "none" && o.Samples > 1:
		return argumentError("Output is logits with Samples %d, whose probabilities are averaged; want Samples 1, or proba", o.Samples)
	}
	if o.Seed == 0 {
		o.Seed = cfg.Seed
	}
	return nil
}

// checkNoise checks the kind of noise, and what it needs.
func checkNoise(o *PredictOptions, cfg *Config) error {
	switch o.Noise {
	case "none", "gaussian":
	case "classwise", "label":
		if !cfg.hasGenerator() {
			return argumentError("Noise is %s, but the model was made with Mode %q, which has no generator; want none or gaussian", o.Noise, cfg.Mode)
		}
	default:
		return argumentError("Noise is %q, want none, classwise, label or gaussian", o.Noise)
	}
	switch {
	case o.Noise == "gaussian" && o.Std == nil:
		return argumentError("Std is missing with Noise gaussian, want the standard deviation of the noise")
	case o.Noise != "gaussian" && o.Std != nil:
		return argumentError("Std is %g with Noise %s, want it with gaussian only", *o.Std, o.Noise)
	case o.Std != nil && !(*o.Std >= 0 && *o.Std <= math.MaxFloat32):
		return argumentError("Std is %g, want a finite number ≥ 0", *o.Std)
	}
	return nil
}

// inference begins a call that reads the model: it checks d and sends it to the device.
func (m *Model) inference(ctx context.Context, d *data.Dataset, labelled bool) (*feed, context.Context, func(), error) {
	unlock, err := m.use()
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if unlock != nil { // also after a panic: Close locks
			unlock()
		}
	}()
	if err := m.accept(d, "the data set", labelled); err != nil {
		return nil, nil, nil, err
	}
	f, err := m.newFeed(d)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, release := m.cancellable(ctx)
	end := unlock
	unlock = nil
	return f, ctx, func() { release(); f.close(); end() }, nil
}

// chunkSize is how many images go through a program of that part at once: at most limit and what memory allows for that
// many passes per image; a power of two where there are fewer, so that data sets of many sizes share a few programs, and where
// that saves a twentieth of the work because less of the last chunk is empty.
func (m *Model) chunkSize(part string, images, limit, passes int) int {
	whole := 1 << bits.Len(uint(images-1)) // the power of two that holds all images
	if size := m.net.cfg.EvalBatchSize; size > 0 {
		return max(1, min(size, whole))
	}
	limit = max(1, min(limit, chunkBytes/max(1, m.imageBytes[part]*passes), whole))
	padded := func(size int) int { return (images + size - 1) / size * size }
	if power := 1 << (bits.Len(uint(limit)) - 1); 20*padded(power) < 19*padded(limit) {
		return power
	}
	return limit
}

// noneChunk and classwiseChunk are the chunks of Predict.
func (m *Model) noneChunk(images int) int { return m.chunkSize("base", images, chunkImages, 1) }

func (m *Model) classwiseChunk(images int) int {
	k := m.net.cfg.Classes
	return min(m.chunkSize("base", images, chunkPassages/k, k), m.chunkSize("generator", images, chunkPassages/k, k))
}

// rowsOf is what the noise of o makes of all images of a feed: (N, K), row-major; logits, or else probabilities or scores.
func (m *Model) rowsOf(ctx context.Context, f *feed, o PredictOptions) (rows []float32, logits bool, err error) {
	switch o.Noise {
	case "classwise":
		rows, err = m.classwiseScores(ctx, f, o)
		return rows, false, err
	case "none":
		rows, err = m.logitsOf(ctx, f)
		return rows, true, err
	}
	rows, err = m.noisyRows(ctx, f, o)
	return rows, o.Samples == 1, err
}

// logitsOf is f(x) of all images of a feed: (N, K), row-major.
func (m *Model) logitsOf(ctx context.Context, f *feed) ([]float32, error) {
	logits, err := results("the number of images", f.size, m.net.cfg.Classes)
	if err != nil {
		return nil, err
	}
	err = f.chunks(ctx, m.noneChunk(f.size), func(images, _ *tensors.Tensor, _, valid int) error {
		out, err := m.classify.call(images)
		if err != nil {
			return err
		}
		logits = appendRows(logits, out[0], valid)
		return nil
	})
	return logits, err
}

// classwiseScores is s_k of all images of a feed, averaged over the samples: (N, K), row-major.
func (m *Model) classwiseScores(ctx context.Context, f *feed, o PredictOptions) ([]float32, error) {
	return m.drawn(ctx, f, o, m.classwiseChunk(f.size), streamClasswise, func(images, _, state *tensors.Tensor, valid int) ([]float32, error) {
		return rowsFrom(valid, m.classwise, images, state)
	})
}
