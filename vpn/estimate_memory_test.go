package vpn

import (
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"
)

// The estimate grows with the batch and the data set. What a model lacks takes nothing.
func TestEstimateMemory(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		cfg := DefaultConfig()
		cfg.ImageShape, cfg.Classes = [3]int{28, 28, 1}, 10
		estimate := func(change func(*Config), images int) *Memory {
			c := cfg
			change(&c)
			e, err := EstimateMemory(c, backend, images)
			require.NoError(t, err)
			return e
		}
		same := func(*Config) {}
		e := estimate(same, 1000)
		require.Equal(t, 1863690+2657040, e.Parameters, "784-1024-1024-10 and 784-1024-1024-784")
		require.Greater(t, e.Training.Host, int64(4*4*e.Parameters), "weights, their best, and Adam's two sums")
		require.Zero(t, e.Training.Device)
		require.Equal(t, int64(784*59000), estimate(same, 60_000).Training.Host-e.Training.Host, "the data set itself")
		small := estimate(func(c *Config) { c.BatchSize = 16 }, 0)
		large := estimate(func(c *Config) { c.BatchSize = 1 << 15 }, 0)
		require.Greater(t, large.Training.Host-small.Training.Host, int64(1<<15*1024*4), "at least one hidden layer")
		require.Equal(t, small.Inference, large.Inference)
		require.Zero(t, estimate(func(c *Config) { c.Mode = "plain" }, 0).Classwise)

		for _, wrong := range []func(*Config){
			func(c *Config) { c.Classes = 0 }, func(c *Config) { c.ImageShape = [3]int{} },
		} {
			c := cfg
			wrong(&c)
			_, err := EstimateMemory(c, backend, 1)
			require.ErrorIs(t, err, ErrArgument)
		}
		_, err := EstimateMemory(cfg, backend, -1)
		require.ErrorContains(t, err, "images is -1")
	})
}

// A call that needs too much memory is refused before it begins. The error says what to lower, and
// the model stays as it was.
func TestMemoryIsRefused(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		d, path := stripes(t, 64, 1), t.TempDir()+"/weights"
		trained := newModel(t, smallConfig("joint"), backend)
		require.NoError(t, trained.Fit(ctx, d, nil, FitOptions{}))
		require.NoError(t, trained.ExportSafetensors(path, ExportOptions{}))
		cfg := trained.Config()
		cfg.NoiseSamples = 1 << 24
		m := newModel(t, cfg, backend)
		require.NoError(t, m.ImportSafetensors(path, ImportOptions{}))
		for _, refused := range []func() error{
			func() error { return m.Fit(ctx, d, nil, FitOptions{}) },
			func() error { _, err := m.TrainBatch(ctx, d); return err },
		} {
			err := refused()
			require.ErrorIs(t, err, ErrMemory)
			require.True(t, strings.HasPrefix(err.Error(), "vpn: program train for images (Uint8)["), err)
			require.ErrorContains(t, err, "lower BatchSize or NoiseSamples")
		}
		_, _, err := m.Noise(ctx, stripes(t, 6400, 1), NoiseOptions{Output: "sample", Samples: MaxSamples})
		require.ErrorIs(t, err, ErrMemory)
		require.ErrorContains(t, err, "lower Samples")
		want, err := trained.Predict(ctx, d, PredictOptions{Output: "logits"})
		require.NoError(t, err)
		got, err := m.Predict(ctx, d, PredictOptions{Output: "logits"})
		require.NoError(t, err)
		require.Equal(t, want.Scores, got.Scores)
	})
}
