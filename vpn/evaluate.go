package vpn

import (
	"context"
	"math"

	"github.com/govpn/govpn/vpn/data"
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
	// CrossEntropy is the mean of −log p_y in nats. With classwise noise p are the s_k, normalised to
	// sum 1. With other noise p is the mean of the samples' probabilities.
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

// Description is a summary of a model.
type Description struct {
	Config     Config         `json:"config"`
	Parameters map[string]int `json:"parameters"` // their number, by "base" and "generator"; empty before the sizes are known
	Epochs     int            `json:"epochs_done"`
	BestEpoch  int            `json:"best_epoch"` // 0 without validation data
	Trained    bool           `json:"trained"`
	Generator  bool           `json:"generator_trained"`
	Warnings   []string       `json:"warnings"`
}

// Describe summarises the model. It never waits for training.
func (m *Model) Describe() Description {
	m.state.Lock()
	defer m.state.Unlock()
	return Description{
		Config: m.net.Config, Parameters: m.state.parameters, Epochs: m.state.run.Epoch,
		BestEpoch: m.state.run.BestEpoch, Trained: m.state.trained, Generator: m.state.generatorTrained,
		Warnings: append([]string{}, m.state.warnings...),
	}
}
