package vpn

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/ml/model"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/method"
)

// Warnings returns what looks wrong with the trained model, such as a σ that has collapsed.
func (m *Model) Warnings() []string {
	m.state.Lock()
	defer m.state.Unlock()
	return append([]string(nil), m.state.warnings...)
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
	hasBatchNorm := slices.ContainsFunc(method.Variables(m.store, "base"),
		func(v *model.Variable) bool { return models.IsBuffer(v.Name()) })
	return c.Mode == "joint" && c.BaseLossWeight == 0 && c.NoiseLayer == 0 && hasBatchNorm
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
