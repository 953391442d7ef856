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
)

// stdStatistics describe σ over a set of images, at their own labels; the changes, which take two more passes, over the first of them.
type stdStatistics struct {
	mean, min, max float64
	rms            float64 // √ of the mean of σ²: the noise's power is its square
	cv             float64 // coefficient of variation over the pixels of an image, mean over the images
	labelChange    float64 // mean |σ(x, y) − σ(x, y+1 mod K)| over mean σ; NaN for one class
	imageChange    float64 // mean |σ(xᵢ, yᵢ) − σ(xᵢ₊₁, yᵢ)| over mean σ; NaN for one image
}

const changeImages = 1024 // how many images labelChange, imageChange and the warnings look at

// statisticsGraph is images (B, H, W, C), labels (B) → (B, 4): mean, minimum, maximum and standard deviation of σ over an image.
func (m *Model) statisticsGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	own := rowsOfStd(m.net.std(s, m.net.pixels(in[0]), in[1]))
	mean := ReduceMean(own, -1)
	spread := Sqrt(ReduceMean(Square(Sub(own, InsertAxes(mean, -1))), -1))
	return []*Node{Stack([]*Node{mean, ReduceMin(own, -1), ReduceMax(own, -1), spread}, -1)}, nil
}

// changesGraph is images (B, H, W, C), labels (B) → (B, 3): mean of σ over an image, and its mean absolute change from label y to
// y+1 mod K, and to the next image of the batch (of the last one, to the first).
func (m *Model) changesGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	x := m.net.pixels(in[0])
	own := rowsOfStd(m.net.std(s, x, in[1]))
	change := func(other *Node) *Node { return ReduceMean(Abs(Sub(own, rowsOfStd(other))), -1) }
	label := Mod(AddScalar(in[1], 1), ConstAs(in[1], m.net.cfg.Classes))
	next := Concatenate([]*Node{Slice(x, AxisRange(1)), Slice(x, AxisRange(0, 1))}, 0)
	return []*Node{Stack([]*Node{
		ReduceMean(own, -1), change(m.net.std(s, x, label)), change(m.net.std(s, next, in[1])),
	}, -1)}, nil
}

// rowsOfStd is σ (B, d).
func rowsOfStd(sigma *Node) *Node {
	return Reshape(sigma, sigma.Shape().Dimensions[0], -1)
}

// firstOf is the feed of the first n images at most, with their hard labels and without weights.
func firstOf(f *feed, n int) *feed {
	first := *f
	first.size, first.soft, first.weights = min(f.size, n), column{}, column{}
	return &first
}

func (m *Model) stdStatistics(ctx context.Context, f *feed) (s stdStatistics, err error) {
	rows, err := m.rowsOfStatistics(ctx, f, m.statistics)
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
	if rows, err = m.rowsOfStatistics(ctx, firstOf(f, changeImages), m.changes); err != nil {
		return s, err
	}
	var mean, label, image float64
	for ; len(rows) > 0; rows = rows[3:] {
		mean, label, image = mean+float64(rows[0]), label+float64(rows[1]), image+float64(rows[2])
	}
	mean = max(mean, 1e-30)
	s.labelChange, s.imageChange = label/mean, image/mean
	if m.net.cfg.Classes < 2 {
		s.labelChange = math.NaN()
	}
	if f.size < 2 {
		s.imageChange = math.NaN()
	}
	return s, nil
}

// rowsOfStatistics is what p says of each image of f.
func (m *Model) rowsOfStatistics(ctx context.Context, f *feed, p *program) (rows []float32, err error) {
	err = f.chunks(ctx, m.chunkSize("generator", f.size, chunkImages, 1), func(images, labels *tensors.Tensor, _, valid int) error {
		out, err := p.call(images, labels)
		if err == nil {
			rows = appendRows(rows, out[0], valid)
		}
		return err
	})
	return rows, err
}

// Below these, σ has collapsed to one value for all pixels, or to one map for all labels or all images; above maxUnseenStd, it is too large for
// batch norms that have never seen a clean image.
const (
	maxUnseenStd      = 0.05
	minStdCV          = 0.1
	minStdLabelChange = 0.01
	minStdImageChange = 0.01
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
		s, err := m.stdStatistics(context.Background(), firstOf(f, changeImages))
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
