package vpn

import (
	"context"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// EvalOptions say what Evaluate computes. They mean what they mean in PredictOptions.
type EvalOptions struct {
	Noise   string   `json:"noise"`
	Samples int      `json:"samples"`
	Seed    int64    `json:"seed"`
	Std     *float64 `json:"std"`
}

// Evaluation tells how a model does on labelled images. The values of σ are at the true labels, in
// units of the pixel range, or of the hidden layer with Config.NoiseLayer. They are null without a
// generator. The two changes are over the first 1,024 images.
type Evaluation struct {
	Images   int   `json:"images"`
	Accuracy Float `json:"accuracy"` // in [0, 1]
	// CrossEntropy is the mean of −log p_y in nats. With classwise noise p are the s_k, normalised
	// to sum 1. With other noise p is the mean of the samples' probabilities.
	CrossEntropy   Float `json:"cross_entropy"`
	StdMean        Float `json:"std_mean"`
	StdRMS         Float `json:"std_rms"` // √ of the mean of σ²
	StdMin         Float `json:"std_min"`
	StdMax         Float `json:"std_max"`
	StdCV          Float `json:"std_cv"`           // coefficient of variation over an image's pixels, mean over images
	StdLabelChange Float `json:"std_label_change"` // mean change of σ from one label to the next, over its mean
	StdImageChange Float `json:"std_image_change"` // mean change of σ from one image to the next, at the same label, over its mean
}

// Evaluate measures the model on all images of d.
func (m *Model) Evaluate(ctx context.Context, d *data.Dataset, o EvalOptions) (Evaluation, error) {
	predict := PredictOptions{Noise: o.Noise, Samples: o.Samples, Seed: o.Seed, Std: o.Std, Output: "scores"}
	if err := m.checkPredict(&predict); err != nil {
		return Evaluation{}, err
	}
	f, ctx, done, err := m.inference(ctx, d, true)
	if err != nil {
		return Evaluation{}, err
	}
	defer done()
	k := m.net.Config.Classes
	rows, logits, err := m.rowsOf(ctx, f, predict)
	if err != nil {
		return Evaluation{}, err
	}
	if !logits {
		for i, s := range rows { // log s_k is a logit of the normalised s_k
			rows[i] = float32(math.Log(math.Max(float64(s), math.SmallestNonzeroFloat32)))
		}
	}
	loss, accuracy := scoreLogits(rows, f.set.Labels(), k)
	nan := Float(math.NaN())
	e := Evaluation{
		Images: f.size, Accuracy: Float(accuracy), CrossEntropy: Float(loss),
		StdMean: nan, StdRMS: nan, StdMin: nan, StdMax: nan, StdCV: nan, StdLabelChange: nan, StdImageChange: nan,
	}
	if m.net.Config.HasGenerator() {
		s, err := m.stdStatistics(ctx, f)
		if err != nil {
			return Evaluation{}, err
		}
		e.StdMean, e.StdRMS, e.StdMin, e.StdMax = Float(s.mean), Float(s.rms), Float(s.min), Float(s.max)
		e.StdCV, e.StdLabelChange, e.StdImageChange = Float(s.cv), Float(s.labelChange), Float(s.imageChange)
	}
	return e, nil
}

// stdStatistics describe σ over a set of images, at their own labels. The changes take two more
// passes, so they are over the first changeImages alone.
type stdStatistics struct {
	mean, min, max float64
	rms            float64 // √ of the mean of σ²: the noise's power is its square
	cv             float64 // coefficient of variation over the pixels of an image, mean over the images
	labelChange    float64 // mean |σ(x, y) − σ(x, y+1 mod K)| over mean σ; NaN for one class
	imageChange    float64 // mean |σ(xᵢ, yᵢ) − σ(xᵢ₊₁, yᵢ)| over mean σ; NaN for one image
}

// changeImages is how many images labelChange, imageChange and the warnings look at.
const changeImages = 1024

// firstOf returns a feed of the first n images, or of all if there are fewer, with hard labels and
// without weights.
func firstOf(f *feed, n int) *feed {
	first := *f
	first.size, first.soft, first.weights = min(f.size, n), column{}, column{}
	return &first
}

// stdStatistics computes the statistics of σ over a feed.
func (m *Model) stdStatistics(ctx context.Context, f *feed) (s stdStatistics, err error) {
	rows, err := m.rowsOfStatistics(ctx, f, m.programs[statisticsProgram])
	if err != nil {
		return s, err
	}
	s.min = math.Inf(1)
	for n := float64(f.size); len(rows) > 0; rows = rows[4:] {
		mean := float64(rows[0])
		s.mean += mean / n
		s.rms += (mean*mean + float64(rows[3])*float64(rows[3])) / n
		s.min, s.max = min(s.min, float64(rows[1])), max(s.max, float64(rows[2]))
		s.cv += float64(rows[3]) / max(mean, 1e-30) / n
	}
	s.rms = math.Sqrt(s.rms)
	if rows, err = m.rowsOfStatistics(ctx, firstOf(f, changeImages), m.programs[changesProgram]); err != nil {
		return s, err
	}
	var mean, label, image float64
	for ; len(rows) > 0; rows = rows[3:] {
		mean, label, image = mean+float64(rows[0]), label+float64(rows[1]), image+float64(rows[2])
	}
	mean = max(mean, 1e-30)
	s.labelChange, s.imageChange = label/mean, image/mean
	if m.net.Config.Classes < 2 {
		s.labelChange = math.NaN()
	}
	if f.size < 2 {
		s.imageChange = math.NaN()
	}
	return s, nil
}

// rowsOfStatistics runs a program of statistics over a feed: a row per image.
func (m *Model) rowsOfStatistics(ctx context.Context, f *feed, p *engine.Program) (rows []float32, err error) {
	err = f.chunks(ctx, m.chunkSize("generator", f.size, chunkImages, 1), func(images, labels *tensors.Tensor, _, valid int) error {
		out, err := p.Call(images, labels)
		if err == nil {
			rows = engine.AppendRows(rows, out[0], valid)
		}
		return err
	})
	return rows, err
}
