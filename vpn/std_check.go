package vpn

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// stdStatistics describe σ over a set of images, at their own labels. The changes take two more passes,
// so they are over the first changeImages alone.
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

// The limits beyond which warn warns.
const (
	minStdCV          = 0.1  // below: σ is one value for all pixels
	minStdLabelChange = 0.01 // below: σ is one map for all labels
	minStdImageChange = 0.01 // below: σ is one map for all images
	maxUnseenStd      = 0.05 // above: σ is too large for batch norms that have never seen a clean image
)

// seesNoiseOnly says whether the base's batch norms have seen images with noisy pixels alone.
func (m *Model) seesNoiseOnly() bool {
	c := &m.net.Config
	return c.Mode == "joint" && c.BaseLossWeight == 0 && c.NoiseLayer == 0 && slices.ContainsFunc(method.Variables(m.store, "base"),
		func(v *model.Variable) bool { return models.IsBuffer(v.Name()) })
}

// warn records what looks wrong after training: a diverged loss, or a σ that has collapsed.
func (m *Model) warn(f *feed) error {
	var warnings []string
	if h := m.History(); len(h) > 0 && math.IsNaN(float64(h[len(h)-1].Loss*0)) {
		warnings = append(warnings, fmt.Sprintf("training has diverged: the loss of epoch %d is %g; a smaller learning_rate may help",
			h[len(h)-1].Epoch, float64(h[len(h)-1].Loss)))
	} else if m.net.Config.HasGenerator() {
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
				"predictions without noise may be poor; base_loss_weight=1 trains with clean images too", m.net.Config.Base, s.mean))
		}
		if s.labelChange < minStdLabelChange {
			remedy := "another label_fusion"
			if m.net.Config.LabelFusion == "bias" {
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
