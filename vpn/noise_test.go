package vpn

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// vivid gives a model a σ that differs between pixels and labels. The generator's hidden layers use
// one unit each. Output j is 0.02·(j + 1)·(mean pixel + label bias).
func vivid(t testing.TB, m *Model) {
	const d = 16
	first := func(width int) func(i int) float32 { // unit 0 is the mean of its inputs, the others are 0
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
	for _, chunk := range []int{1, 3} { // chunks do not matter
		m.net.Config.EvalBatchSize = chunk
		again, _, err := m.Noise(ctx, d, NoiseOptions{Output: "std"})
		require.NoError(t, err)
		require.InDeltaSlice(t, sigma, again, 1e-6)
	}
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
