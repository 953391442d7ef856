package vpn

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Cross-entropy alone keeps σ small. The entropy reward lets σ grow, also from near 0 and with a
// frozen base.
func TestEntropyMakesNoiseLarger(t *testing.T) {
	train, file := stripes(t, 96, 1), t.TempDir()+"/base"
	require.NoError(t, fitted(t, smallConfig("plain"), train, nil).ExportSafetensors(file, ExportOptions{Part: "base"}))
	for _, mode := range []string{"joint", "frozen"} {
		for _, std := range []string{"abs", "bounded"} {
			mean := func(weight float64) float64 {
				cfg := smallConfig(mode)
				cfg.ImageShape, cfg.Classes, cfg.Std, cfg.EntropyWeight, cfg.LearningRate = [3]int{4, 4, 1}, 3, std, weight, 0.002
				m := newModel(t, cfg, openDevice(t, "go"))
				require.NoError(t, m.ImportSafetensors(file, ImportOptions{}))
				require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
				last := m.History()[cfg.Epochs-1]
				require.False(t, math.IsNaN(float64(last.Loss)))
				return float64(last.StdMean)
			}
			require.Greater(t, mean(0.5), 1.2*mean(0), "%s, %s", mode, std)
		}
	}
}
