package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/method"
)

// The smallest sets work with every program, on every device: one image, one class, one pixel of
// one channel. XLA refuses a slice that begins behind the end, where the pure-Go backend returns
// nothing, so a test on go alone shows little. On cpu, where each program compiles for up to a
// second, an ordinary run takes one row.
func TestSmallestSet(t *testing.T) {
	pixel := dataset(t, []uint8{200}, []int32{0}, 1, 1, 1)
	row := dataset(t, []uint8{200, 10, 20}, []int32{0}, 1, 3, 1)
	colour := dataset(t, []uint8{200, 10, 20}, []int32{0}, 1, 1, 3)
	square := dataset(t, make([]uint8, 64), []int32{0}, 8, 8, 1)
	augmented := augment.List{
		augment.RandomCrop{Padding: augment.Ints{1}, PaddingMode: "constant", Fill: augment.Floats{0}},
		augment.RandomHorizontalFlip{P: 0.5}, augment.GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 0.5},
	}
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for i, test := range []struct {
			set          *data.Dataset
			base, fusion string
			change       func(c *Config)
		}{
			{set: pixel, base: "sr", fusion: "bias", change: func(c *Config) { c.Augment = augmented }},
			{set: pixel, base: "dnn3", fusion: "plane", change: func(c *Config) { c.NoiseLayer, c.NoiseSamples = 1, 2 }},
			{set: row, base: "sr", fusion: "embedding", change: func(c *Config) { c.BaseLossWeight, c.Augment = 0, augmented }},
			{set: colour, base: "dnn3", fusion: "film", change: func(c *Config) { c.NoiseLayer = 2 }},
			{set: square, base: "vit_tiny_patch8", fusion: "bias", change: func(c *Config) { c.NoiseLayer = 1 }},
			{set: pixel, base: "sr", fusion: "bias", change: func(c *Config) { c.NoiseDistribution, c.ComputeDType = "laplace", "float64" }},
		} {
			if i > 0 && method.Fuses(backend) && !golden.IsLong() {
				continue
			}
			cfg := smallConfig("joint")
			cfg.Base, cfg.LabelFusion, cfg.Epochs = test.base, test.fusion, 1
			test.change(&cfg)
			m := newModel(t, cfg, backend)
			require.NoError(t, m.Fit(ctx, test.set, test.set, FitOptions{}), test)
			for _, noise := range []string{"", "classwise", "gaussian"} {
				o := EvalOptions{Noise: noise}
				if noise == "gaussian" {
					o.Std = new(0.1)
				}
				e, err := m.Evaluate(ctx, test.set, o)
				require.NoError(t, err)
				require.Equal(t, []Float{1, 0}, []Float{e.Accuracy, e.CrossEntropy}, "of one class")
				require.Greater(t, float64(e.StdMean), 0.)
				require.True(t, e.StdImageChange != e.StdImageChange && e.StdLabelChange != e.StdLabelChange,
					"NaN: there is no other")
			}
			for _, o := range []PredictOptions{
				{Output: "proba"}, {Noise: "classwise", Output: "proba"}, {Noise: "label", Output: "proba"},
			} {
				p, err := m.Predict(ctx, test.set, o)
				require.NoError(t, err)
				require.Equal(t, []float32{1}, p.Scores)
			}
			for _, output := range []string{"std", "sample", "gradient"} {
				values, dims, err := m.Noise(ctx, test.set, NoiseOptions{Output: output})
				require.NoError(t, err)
				size := 1
				for _, d := range dims {
					size *= d
				}
				require.Len(t, values, size)
			}
		}
	})
}
