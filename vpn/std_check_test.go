package vpn

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// vivid gives a model a σ that differs between pixels and labels. The generator's hidden layers use
// one unit each. Output j is 0.02·(j + 1)·(mean pixel + label bias).
func vivid(t testing.TB, m *Model) {
	const d = 16
	first := func(width int) func(i int) float32 { // only unit 0, the mean of its inputs
		return func(i int) float32 {
			if i < width {
				return 1 / float32(width)
			}
			return 0
		}
	}
	fill(t, m, "generator.fc1.weight", first(d))
	fill(t, m, "generator.fc2.weight", func(i int) float32 { return float32(1 - min(i, 1)) })
	fill(t, m, "generator.fc3.weight", func(i int) float32 {
		if i%1024 > 0 {
			return 0
		}
		return 0.02 * float32(i/1024+1)
	})
	for _, layer := range []string{"fc1", "fc2", "fc3"} {
		fill(t, m, "generator."+layer+".bias", func(int) float32 { return 0 })
	}
}

// vividModel returns a model that has trained for one epoch and then got the σ of vivid.
func vividModel(t testing.TB) *Model {
	cfg := smallConfig("joint")
	cfg.Std, cfg.LabelEncoding, cfg.LabelCoefficient, cfg.Epochs = "abs", "index", 0.5, 1
	m := fitted(t, cfg, stripes(t, 32, 1), nil)
	vivid(t, m)
	return m
}

// By the weights of vivid, σ of pixel j is 0.02·(j + 1)·(mean pixel + κ·y).
func TestNoiseStd(t *testing.T) {
	m, d := vividModel(t), stripes(t, 7, 2)
	sigma, dims, err := m.Noise(ctx, d, NoiseOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{7, 4, 4, 1}, dims)
	require.Len(t, sigma, 7*16)
	for i, y := range d.Labels() {
		mean, _ := moments(d.Image(i))
		for j := range 16 {
			require.InEpsilon(t, 0.02*float64(j+1)*(mean+0.5*float64(y)), float64(sigma[i*16+j]), 1e-5)
		}
	}
	for _, chunk := range []int{1, 3} { // whatever the chunk
		m.net.Config.EvalBatchSize = chunk
		again, _, err := m.Noise(ctx, d, NoiseOptions{Output: "std"})
		require.NoError(t, err)
		require.InDeltaSlice(t, sigma, again, 1e-6)
	}
}

// Evaluate's statistics of σ are those of the maps that Noise returns.
func TestStdStatistics(t *testing.T) {
	m, d := vividModel(t), stripes(t, 8, 2) // as many as a chunk holds
	e, err := m.Evaluate(ctx, d, EvalOptions{})
	require.NoError(t, err)
	sigma, _, err := m.Noise(ctx, d, NoiseOptions{})
	require.NoError(t, err)
	next, _, err := m.Noise(ctx, relabelled(t, d), NoiseOptions{})
	require.NoError(t, err)

	mean, _ := moments(sigma)
	require.InEpsilon(t, mean, float64(e.StdMean), 1e-5)
	var power float64
	for _, s := range sigma {
		power += float64(s) * float64(s) / float64(len(sigma))
	}
	require.InEpsilon(t, math.Sqrt(power), float64(e.StdRMS), 1e-5)
	require.InEpsilon(t, slices.Min(sigma), float32(e.StdMin), 1e-5)
	require.InEpsilon(t, slices.Max(sigma), float32(e.StdMax), 1e-5)
	// σ is 1 … 16 times a factor: mean 8.5, deviation √((16² − 1)/12) = 4.61.
	require.InEpsilon(t, math.Sqrt(255./12)/8.5, float64(e.StdCV), 1e-4)
	var change float64
	for i := range sigma {
		change += math.Abs(float64(sigma[i]-next[i])) / float64(len(sigma))
	}
	require.InEpsilon(t, change/mean, float64(e.StdLabelChange), 1e-5)

	turned, err := d.Subset([]int32{1, 2, 3, 4, 5, 6, 7, 0})
	require.NoError(t, err)
	turned, err = turned.WithLabels(d.Labels(), nil)
	require.NoError(t, err)
	next, _, err = m.Noise(ctx, turned, NoiseOptions{})
	require.NoError(t, err)
	change = 0
	for i := range sigma {
		change += math.Abs(float64(sigma[i]-next[i])) / float64(len(sigma))
	}
	require.InEpsilon(t, change/mean, float64(e.StdImageChange), 1e-5)
	one, err := m.Evaluate(ctx, stripes(t, 1, 2), EvalOptions{})
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(one.StdImageChange)))
}

// A sample of the noise is σ⊙z with z ~ N(0, 1). Over 500 samples, the mean of z is within 5/√500
// of 0 and its deviation within 5/√1000 of 1.
func TestNoiseSamples(t *testing.T) {
	const n, size = 500, 2 * 16
	m, d := vividModel(t), stripes(t, 2, 2)
	sigma, _, err := m.Noise(ctx, d, NoiseOptions{})
	require.NoError(t, err)
	samples, dims, err := m.Noise(ctx, d, NoiseOptions{Output: "sample", Samples: n, Seed: 3})
	require.NoError(t, err)
	require.Equal(t, []int{n, 2, 4, 4, 1}, dims)
	for i, s := range sigma {
		z := make([]float64, n)
		for draw := range z {
			z[draw] = float64(samples[draw*size+i] / s)
		}
		mean, deviation := moments(z)
		require.InDelta(t, 0, mean, 5/math.Sqrt(n), "value %d", i)
		require.InDelta(t, 1, deviation, 5/math.Sqrt(2*n), "value %d", i)
	}
	again, _, err := m.Noise(ctx, d, NoiseOptions{Output: "sample", Samples: 2, Seed: 3})
	require.NoError(t, err)
	require.Equal(t, samples[:2*size], again, "the same seed")
	other, _, err := m.Noise(ctx, d, NoiseOptions{Output: "sample", Samples: 2, Seed: 4})
	require.NoError(t, err)
	require.NotEqual(t, again, other, "another seed")
}

// Samples of different chunks and draws all differ.
func TestNoiseSamplesAreFresh(t *testing.T) {
	m := vividModel(t)
	m.net.Config.EvalBatchSize = 2
	same := make([]int32, 6) // the same image six times
	d, err := stripes(t, 3, 2).Subset(same)
	require.NoError(t, err)
	defer d.Close()
	samples, _, err := m.Noise(ctx, d, NoiseOptions{Output: "sample", Samples: 3})
	require.NoError(t, err)
	seen := map[string]bool{}
	for ; len(samples) > 0; samples = samples[16:] {
		key := fmt.Sprint(samples[:16])
		require.False(t, seen[key], "a noise came twice")
		seen[key] = true
	}
	require.Len(t, seen, 18)
}

// After Fit, warnings tell of a σ that is the same for all pixels, labels or images.
func TestCollapseWarnings(t *testing.T) {
	train := stripes(t, 32, 1)
	for _, test := range []struct {
		name                 string
		pixels, label, image bool
		change               func(c *Config)
	}{
		{"healthy", false, false, false, func(*Config) {}},
		{"without label", false, true, false, func(c *Config) { c.LabelCoefficient = 0 }},
		{"constant", true, true, true, func(c *Config) { c.Std, c.StdRange = "bounded", [2]float64{0.1, 0.1001} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := smallConfig("joint")
			cfg.Std, cfg.LabelEncoding, cfg.LabelCoefficient = "abs", "index", 0.5
			cfg.Epochs, cfg.LearningRate = 1, 1e-9 // leaves vivid's σ as it is
			cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
			test.change(&cfg)
			m := newModel(t, cfg, openDevice(t, "go"))
			vivid(t, m)
			require.Empty(t, m.Warnings(), "before Fit")
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			var want int
			for text, expected := range map[string]bool{
				"collapsed over the pixels": test.pixels, "depends on the label": test.label, "depends on the image": test.image,
			} {
				if expected {
					want++
					require.Contains(t, fmt.Sprint(m.Warnings()), text)
				}
			}
			require.Len(t, m.Warnings(), want)
			require.Equal(t, len(m.Warnings()), len(m.Describe().Warnings))
		})
	}
	require.Empty(t, fitted(t, smallConfig("plain"), train, nil).Warnings(), "without a generator")
}
