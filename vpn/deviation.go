package vpn

import (
	"context"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/data"
)

// NoiseOptions are those of Noise.
type NoiseOptions struct {
	Output  string `json:"output"`  // "std" (also ""): σ; "sample": σ⊙z; "gradient": that of the loss, to compare σ with
	Samples int    `json:"samples"` // of "sample": how many per image; 0 is 1
	Seed    int64  `json:"seed"`    // of "sample"; 0: Config.Seed
}

// noiseGraph is images (B, H, W, C), labels (B) → σ (B, H, W, C), or of the hidden layer's shape; with a random state (3) → σ⊙z.
func (m *Model) noiseGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	sigma := m.net.std(s, m.net.pixels(in[0]), in[1])
	if len(in) < 3 {
		return []*Node{sigma}, nil
	}
	z := m.net.draw(in[2], sigma.Shape())
	return []*Node{Mul(sigma, z)}, nil
}

// Noise is what the generator makes of the images and labels of d: σ of shape (N, H, W, C), or samples of the noise,
// (Samples, N, H, W, C), row-major, in units of the pixel range [0, 1] (of the normalised pixels where
// Normalize.Where is "input"). With Config.NoiseLayer, the hidden layer's shape and units are in the place of (H, W, C) and pixels.
// Output "gradient", of a model of any mode, is ∂(−log softmax(f(x))_y)/∂x without noise, (N, H, W, C), in nats per unit of σ.
func (m *Model) Noise(ctx context.Context, d *data.Dataset, o NoiseOptions) (values []float32, dims []int, err error) {
	cfg := m.Config()
	switch {
	case !slices.Contains([]string{"", "std", "sample", "gradient"}, o.Output):
		return nil, nil, argumentError("Output is %q, want std, sample or gradient", o.Output)
	case o.Samples < 0:
		return nil, nil, argumentError("Samples is %d, want at least 1", o.Samples)
	case !cfg.hasGenerator() && o.Output != "gradient":
		return nil, nil, argumentError("the model was made with Mode %q, which has no generator; want joint or frozen", cfg.Mode)
	}
	if o.Seed == 0 {
		o.Seed = cfg.Seed
	}
	f, ctx, done, err := m.inference(ctx, d, true)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	p, size := m.deviation, m.chunkSize("generator", f.size, chunkImages, 1)
	one, err := m.noiseDims()
	if err != nil {
		return nil, nil, err
	}
	if o.Output == "gradient" {
		p, size, one = m.gradient, m.chunkSize("base", f.size, chunkImages, gradientPasses), cfg.ImageShape[:]
	}
	dims = append([]int{f.size}, one...)
	draws := 1
	if o.Output == "sample" {
		draws = max(1, o.Samples)
		dims = append([]int{draws}, dims...)
	}
	if values, err = results("Samples or the number of images", dims...); err != nil {
		return nil, nil, err
	}
	for draw := range draws {
		err = f.chunks(ctx, size, func(images, labels *tensors.Tensor, start, valid int) error {
			inputs := []any{images, labels}
			if o.Output == "sample" {
				inputs = append(inputs, randomState(o.Seed, streamSample, int64(draw)*int64(f.size)+int64(start)))
			}
			out, err := p.call(inputs...)
			if err == nil {
				values = appendRows(values, out[0], valid)
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return values, dims, nil
}

// stdStatistics describe σ over a set of images, at their own labels.
type stdStatistics struct {
	mean, min, max float64
	rms            float64 // √ of the mean of σ²: the noise's power is its square
	cv             float64 // coefficient of variation over the pixels of an image, mean over the images
	labelChange    float64 // mean |σ(x, y) − σ(x, y+1 mod K)| over mean σ; NaN for one class
	imageChange    float64 // mean |σ(xᵢ, yᵢ) − σ(xᵢ₊₁, yᵢ)| over mean σ; NaN for one image
}

// statisticsGraph is images (B, H, W, C), labels (B) → (B, 6): mean, minimum, maximum and standard deviation of σ over an
// image, and its mean absolute change from label y to y+1 mod K, and to the next image of the batch (of the last one, to the first).
func (m *Model) statisticsGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	x := m.net.pixels(in[0])
	other := Mod(AddScalar(in[1], 1), ConstAs(in[1], m.net.cfg.Classes))
	flat := func(sigma *Node) *Node { return Reshape(sigma, x.Shape().Dimensions[0], -1) } // (B, d)
	own := flat(m.net.std(s, x, in[1]))
	change := func(other *Node) *Node { return ReduceMean(Abs(Sub(own, flat(other))), -1) }
	next := Concatenate([]*Node{Slice(x, AxisRange(1)), Slice(x, AxisRange(0, 1))}, 0)
	mean := ReduceMean(own, -1)
	spread := Sqrt(ReduceMean(Square(Sub(own, InsertAxes(mean, -1))), -1))
	return []*Node{Stack([]*Node{
		mean, ReduceMin(own, -1), ReduceMax(own, -1), spread, change(m.net.std(s, x, other)), change(m.net.std(s, next, in[1])),
	}, -1)}, nil
}

func (m *Model) stdStatistics(ctx context.Context, f *feed) (s stdStatistics, err error) {
	var rows []float32
	err = f.chunks(ctx, m.chunkSize("generator", f.size, chunkImages, 1), func(images, labels *tensors.Tensor, _, valid int) error {
		out, err := m.statistics.call(images, labels)
		if err == nil {
			rows = appendRows(rows, out[0], valid)
		}
		return err
	})
	if err != nil {
		return s, err
	}
	s.min = math.Inf(1)
	for n := float64(f.size); len(rows) > 0; rows = rows[6:] {
		mean := float64(rows[0])
		s.mean += mean / n
		s.rms += (mean*mean + float64(rows[3])*float64(rows[3])) / n
		s.min, s.max = min(s.min, float64(rows[1])), max(s.max, float64(rows[2]))
		s.cv += float64(rows[3]) / max(mean, 1e-30) / n
		s.labelChange += float64(rows[4]) / n
		s.imageChange += float64(rows[5]) / n
	}
	s.rms = math.Sqrt(s.rms)
	s.labelChange /= max(s.mean, 1e-30)
	s.imageChange /= max(s.mean, 1e-30)
	if m.net.cfg.Classes < 2 {
		s.labelChange = math.NaN()
	}
	if f.size < 2 {
		s.imageChange = math.NaN()
	}
	return s, nil
}

// Below these, σ has collapsed to one value for all pixels, or to one map for all labels or all images; above maxUnseenStd, it is too large for
// batch norms that have never seen a clean image.
const (
	maxUnseenStd      = 0.05
	minStdCV          = 0.1
	minStdLabelChange = 0.01
	minStdImageChange = 0.01
	warningImages     = 1024 // training images that the check looks at
)

// seesNoiseOnly says whether the statistics of the base's batch norms are those of images with noisy pixels alone.
func (m *Model) seesNoiseOnly() bool {
	c := &m.net.cfg
	return c.Mode == "joint" && c.BaseLossWeight == 0 && c.NoiseLayer == 0 && slices.ContainsFunc(variables(m.store, "base"),
		func(v *model.Variable) bool { return models.IsBuffer(v.Name()) })
}

// warn checks the trained generator for a collapsed σ.
func (m *Model) warn(f *feed) error {
	var warnings []string
	if h := m.History(); len(h) > 0 && math.IsNaN(float64(h[len(h)-1].Loss*0)) {
		warnings = append(warnings, fmt.Sprintf("training has diverged: the loss of epoch %d is %g; a smaller learning_rate may help",
			h[len(h)-1].Epoch, float64(h[len(h)-1].Loss)))
	} else if m.hasGenerator() {
		sample := *f
		sample.size, sample.soft = min(f.size, warningImages), softLabels{}
		s, err := m.stdStatistics(context.Background(), &sample)
		if err != nil {
			return err
		}
		if s.cv < minStdCV {
			warnings = append(warnings, fmt.Sprintf("σ has collapsed over the pixels: its coefficient of variation is %.3g, below %g; "+
				"the noise is the same everywhere (mean σ %.3g)", s.cv, minStdCV, s.mean))
		}
		if s.imageChange < minStdImageChange {
			warnings = append(warnings, fmt.Sprintf("σ hardly depends on the image: it changes by %.3g %% of its mean from one image to the "+
				"next, below %g %%; it is one map for all", 100*s.imageChange, 100*minStdImageChange))
		}
		if m.seesNoiseOnly() && s.mean > maxUnseenStd {
			warnings = append(warnings, fmt.Sprintf("the batch norms of %s have only seen images with noise of mean σ %.3g (base_loss_weight is 0): "+
				"predictions without noise may be poor; base_loss_weight=1 trains with clean images too", m.net.cfg.Base, s.mean))
		}
		if s.labelChange < minStdLabelChange {
			remedy := "another label_fusion"
			if m.net.cfg.LabelFusion == "bias" {
				remedy = "a larger label_coefficient or " + remedy
			}
			warnings = append(warnings, fmt.Sprintf("σ hardly depends on the label: it changes by %.3g %% of its mean from one label "+
				"to the next, below %g %%; classwise prediction then adds little (%s may help)",
				100*s.labelChange, 100*minStdLabelChange, remedy))
		}
	}
	m.state.Lock()
	m.state.warnings = warnings
	m.state.Unlock()
	return nil
}
