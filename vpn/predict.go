package vpn

import (
	"context"
	"math"
	"math/bits"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// PredictOptions say what Predict computes.
type PredictOptions struct {
	// Noise is the noise that images get:
	//   - "none", or "": none. The prediction is argmax f(x).
	//   - "classwise": the paper's Algorithm 2. Noise ε_k is drawn for every class k, the score is
	//     s_k = softmax(f(x + ε_k))_k, and the prediction is argmax s_k.
	//   - "label": noise for the image's own label y, which the data set must have. The prediction
	//     is argmax f(x + ε_y). It is an oracle: it reads the label, so that its accuracy is leakage,
	//     for analysis only.
	//   - "gaussian": noise of one σ for all pixels, also without a generator. The prediction is
	//     argmax f(x + Std·z).
	// For the same seed "label" and "gaussian" draw the same z: they differ in σ alone.
	Noise string `json:"noise"`
	// Samples is the number of noises per image whose probabilities are averaged; for "classwise",
	// per image and class. 0 is 1. It is at most MaxSamples.
	Samples int   `json:"samples"`
	Seed    int64 `json:"seed"` // of the noise; 0: Config.Seed
	// Std is σ ≥ 0 of Noise "gaussian", in units of the pixel range, or of the hidden layer with
	// Config.NoiseLayer. It is needed there, and must be nil for all other noise. z is drawn from
	// Config.NoiseDistribution.
	Std *float64 `json:"std"`
	// Output says what Prediction.Scores holds:
	//   - "label", or "": nothing.
	//   - "proba": probabilities; each row sums to 1. For "classwise" they are the normalised s_k.
	//   - "scores": for "classwise" the s_k, which do not sum to 1; for other noise as "proba".
	//   - "logits": logits, for one sample, and not for "classwise".
	Output string `json:"output"`
}

// Prediction holds a label per image and, unless Output is "label", Classes scores per image.
type Prediction struct {
	Labels  []int32
	Scores  []float32 // (N, Classes), row-major
	Classes int
}

// MaxSamples is the largest number of noises that one call draws for an image. Means of more would
// differ by less than the rounding of float32, and the call would not end within reason.
const MaxSamples = 1_000_000

// The limits of a chunk of inference, if Config.EvalBatchSize sets none. Classwise passes hold all
// classes at once.
const (
	chunkImages = 512       // images
	chunkPasses = 2560      // images × classes
	chunkBytes  = 256 << 20 // of the largest value that a pass computes; a few such are alive at once
)

// Predict classifies the images of d, in their order.
func (m *Model) Predict(ctx context.Context, d *data.Dataset, o PredictOptions) (*Prediction, error) {
	if err := m.checkPredict(&o); err != nil {
		return nil, err
	}
	f, ctx, done, err := m.inference(ctx, d, o.Noise == "label")
	if err != nil {
		return nil, err
	}
	defer done()
	k := m.net.Config.Classes
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

// checkPredict fills in what the options leave out, and checks them.
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
	case o.Samples < 1 || o.Samples > MaxSamples:
		return argumentError("Samples is %d, want 1 to %d", o.Samples, MaxSamples)
	case o.Output != "label" && o.Output != "proba" && o.Output != "scores" && o.Output != "logits":
		return argumentError("Output is %q, want label, proba, scores or logits", o.Output)
	case o.Output == "logits" && o.Noise == "classwise":
		return argumentError("Output is logits with Noise classwise, which has one softmax per class; want scores or proba")
	case o.Output == "logits" && o.Noise != "none" && o.Samples > 1:
		return argumentError("Output is logits with Samples %d, whose probabilities are averaged; want Samples 1, or proba",
			o.Samples)
	}
	if o.Seed == 0 {
		o.Seed = cfg.Seed
	}
	return nil
}

// checkNoise checks the kind of noise and what it needs.
func checkNoise(o *PredictOptions, cfg *Config) error {
	switch o.Noise {
	case "none", "gaussian":
	case "classwise", "label":
		if !cfg.HasGenerator() {
			return argumentError("Noise is %s, but the model was made with Mode %q, which has no generator; want none or gaussian",
				o.Noise, cfg.Mode)
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

// inference begins a call of inference: it checks d and sends it to the device. The function that
// it returns ends the call.
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
	set, err := m.accept(d, "the data set", labelled)
	if err != nil {
		return nil, nil, nil, err
	}
	f, err := m.newFeed(set)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, release := m.cancellable(ctx)
	end := unlock
	unlock = nil
	return f, ctx, func() { release(); f.close(); end() }, nil
}

// chunkSize returns how many images go through a program of a part ("base", "generator") at once.
// It is at most limit, and at most what memory allows for so many passes per image.
//
// With fewer images than that it is a power of two, so that data sets of many sizes share a few
// compiled programs. It is also a power of two if that saves a twentieth of the work, because less
// of the last chunk is empty.
func (m *Model) chunkSize(part string, images, limit, passes int) int {
	whole := 1 << bits.Len(uint(images-1)) // the power of two that holds all images
	if size := m.net.Config.EvalBatchSize; size > 0 {
		return max(1, min(size, whole))
	}
	limit = max(1, min(limit, int(chunkBytes/max(1, float64(m.imageBytes[part])*float64(passes))), whole))
	padded := func(size int) int { return (images + size - 1) / size * size }
	if power := 1 << (bits.Len(uint(limit)) - 1); 20*padded(power) < 19*padded(limit) {
		return power
	}
	return limit
}

// noneChunk and classwiseChunk are the sizes of Predict's chunks.
func (m *Model) noneChunk(images int) int { return m.chunkSize("base", images, chunkImages, 1) }

func (m *Model) classwiseChunk(images int) int {
	k := m.net.Config.Classes
	return min(m.chunkSize("base", images, chunkPasses/k, k), m.chunkSize("generator", images, chunkPasses/k, k))
}

// rowsOf returns (N, K), row-major, for all images of a feed with the noise of o. They are logits
// if logits says so, else probabilities or scores.
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

// logitsOf returns f(x) for all images of a feed: (N, K), row-major.
func (m *Model) logitsOf(ctx context.Context, f *feed) ([]float32, error) {
	logits, err := results("the number of images", f.size, m.net.Config.Classes)
	if err != nil {
		return nil, err
	}
	err = f.chunks(ctx, m.noneChunk(f.size), func(images, _ *tensors.Tensor, _, valid int) error {
		out, err := m.programs[classifyProgram].Call(images)
		if err != nil {
			return err
		}
		logits = engine.AppendRows(logits, out[0], valid)
		return nil
	})
	return logits, err
}

// classwiseScores returns s_k for all images of a feed, averaged over the samples: (N, K),
// row-major.
func (m *Model) classwiseScores(ctx context.Context, f *feed, o PredictOptions) ([]float32, error) {
	draw := func(images, _, state *tensors.Tensor, valid int) ([]float32, error) {
		return rowsFrom(valid, m.programs[classwiseProgram], images, state)
	}
	return m.drawn(ctx, f, o, m.classwiseChunk(f.size), streamClasswise, draw)
}

// noisyRows returns (N, K), row-major, for all images of a feed with Noise "label" or "gaussian":
// the logits of one sample, or the mean of the probabilities of several.
func (m *Model) noisyRows(ctx context.Context, f *feed, o PredictOptions) ([]float32, error) {
	// The size is the same for both kinds of noise, so that both draw the same z.
	size := min(m.noneChunk(f.size), m.chunkSize("generator", f.size, chunkImages, 1))
	return m.drawn(ctx, f, o, size, streamNoisy, func(images, labels, state *tensors.Tensor, valid int) ([]float32, error) {
		p, second := m.programs[labelNoiseProgram], labels
		if o.Noise == "gaussian" {
			p, second = m.programs[gaussianNoiseProgram], tensors.FromScalar(*o.Std)
			defer engine.Free(second)
		}
		rows, err := rowsFrom(valid, p, images, second, state)
		if err == nil && o.Samples > 1 {
			softmaxRows(rows, m.net.Config.Classes)
		}
		return rows, err
	})
}

// pass is one draw of noise for a chunk: images, labels, random state → (valid, K), row-major.
// Images after the first valid ones are padding.
type pass func(images, labels, state *tensors.Tensor, valid int) ([]float32, error)

// rowsFrom runs a program and returns the first rows of its result.
func rowsFrom(rows int, p *engine.Program, inputs ...any) ([]float32, error) {
	out, err := p.Call(inputs...)
	if err != nil {
		return nil, err
	}
	return engine.AppendRows(nil, out[0], rows), nil
}

// drawn runs a pass over all images of a feed, in chunks of size, and averages over the samples:
// (N, K), row-major.
func (m *Model) drawn(ctx context.Context, f *feed, o PredictOptions, size int, stream uint64, one pass) ([]float32, error) {
	k := m.net.Config.Classes
	all, err := results("the number of images", f.size, k)
	if err != nil {
		return nil, err
	}
	err = f.chunks(ctx, size, func(images, labels *tensors.Tensor, start, valid int) error {
		sum := make([]float32, valid*k)
		for sample := range o.Samples {
			if err := cancelled(ctx); err != nil {
				return err
			}
			draw := int64(start)*int64(o.Samples) + int64(sample)
			rows, err := one(images, labels, randomState(o.Seed, stream, draw), valid)
			if err != nil {
				return err
			}
			for i, s := range rows {
				sum[i] += s / float32(o.Samples)
			}
		}
		all = append(all, sum...)
		return nil
	})
	return all, err
}
