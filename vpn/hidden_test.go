package vpn

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/method"
)

// Models with noise at a hidden layer train, predict with and without noise, give σ and samples of
// it, evaluate, estimate their memory, and survive a file. On cpu, where XLA compiles for long, the
// networks are dnn3 alone.
func TestHiddenModels(t *testing.T) {
	train := largeStripes(t, 12)
	for _, test := range []struct {
		mode, base, generator string
		layer                 int
		dims                  []int
		change                func(c *Config)
		onCPU                 string // the runs that test it on cpu: "" for none, "ordinary" for all, "long"
	}{
		{
			mode: "joint", base: "dnn3", generator: "dnn3", layer: 1, dims: []int{1024}, onCPU: "ordinary",
			change: func(c *Config) { c.NoiseSamples, c.Std = 3, "rms" },
		},
		{
			mode: "joint", base: "dnn3", generator: "resnet18", layer: 2, dims: []int{1024},
			change: func(c *Config) { c.LabelFusion, c.EntropyWeight = "embedding", 0.1 },
		},
		{
			mode: "joint", base: "resnet18", generator: "dnn3", layer: 3, dims: []int{2, 2, 256},
			change: func(c *Config) { c.NoisyBatchNorm = "separate" },
		},
		{
			mode: "joint", base: "dnn3", generator: "dnn3", layer: 2, dims: []int{1024}, onCPU: "long",
			change: func(c *Config) { c.ComputeDType, c.LabelFusion = "bfloat16", "film" },
		},
		{
			mode: "joint", base: "vit_tiny_patch4", generator: "dnn3", layer: 5, dims: []int{5, 192},
			change: func(c *Config) { c.Normalize.Mean, c.Normalize.Std = []float64{0.5}, []float64{0.25} },
		},
		{
			mode: "frozen", base: "dnn3", generator: "dnn3", layer: 1, dims: []int{1024},
			change: func(c *Config) { c.BaseLossWeight = 0 },
		},
		{
			mode: "gaussian", base: "dnn3", generator: "dnn3", layer: 2, onCPU: "long",
			change: func(c *Config) { c.NoiseSamples = 2 },
		},
	} {
		name := fmt.Sprint(test.mode, test.base, test.generator)
		eachDevice(t, func(t *testing.T, backend compute.Backend) {
			if method.Fuses(backend) && test.onCPU == "" {
				return
			}
			if method.Fuses(backend) && test.onCPU == "long" {
				golden.Long(t)
			}
			cfg := hiddenConfig(test.mode, test.base, test.generator, test.layer)
			cfg.ImageShape, cfg.Classes = [3]int{8, 8, 1}, 3
			test.change(&cfg)
			m := newModel(t, cfg, backend)
			m.setTrained("base")
			base := state(t, m)["base.fc1.weight"]
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			require.Equal(t, test.mode == "frozen" || test.base != "dnn3", state(t, m)["base.fc1.weight"] == base, name)
			require.False(t, math.IsNaN(float64(m.History()[0].Loss)))
			memory, err := EstimateMemory(m.Config(), backend, 12)
			require.NoError(t, err)
			require.Positive(t, memory.Training.Host)
			if test.mode == "gaussian" {
				require.InDelta(t, 0.1, float64(m.History()[0].StdMean), 1e-4)
				return
			}
			requireHidden(t, m, name, test.dims, backend)
		})
	}
}

// requireHidden checks σ, its samples and evaluation, and compares predictions of a model with
// those of its file.
func requireHidden(t *testing.T, m *Model, name string, dims []int, backend compute.Backend) {
	d, path := largeStripes(t, 5), t.TempDir()+"/m"
	sigma, shape, err := m.Noise(ctx, d, NoiseOptions{})
	require.NoError(t, err)
	require.Equal(t, append([]int{5}, dims...), shape, name)
	require.Len(t, sigma, shapes.Make(dtypes.Float32, shape...).Size())
	samples, shape, err := m.Noise(ctx, d, NoiseOptions{Output: "sample", Samples: 2})
	require.NoError(t, err)
	require.Equal(t, append([]int{2, 5}, dims...), shape)
	z := make([]float64, len(samples))
	for i, e := range samples {
		z[i] = float64(e) / max(float64(sigma[i%len(sigma)]), 1e-12)
	}
	_, deviation := moments(z)
	require.InDelta(t, 1, deviation, 0.1)
	e, err := m.Evaluate(ctx, d, EvalOptions{Noise: "classwise"})
	require.NoError(t, err)
	mean, _ := moments(sigma)
	require.InEpsilon(t, mean, float64(e.StdMean), 1e-4)
	require.NoError(t, m.Save(path))
	loaded, err := Load(path, backend)
	require.NoError(t, err)
	defer loaded.Close()
	require.Equal(t, m.Config().NoiseLayer, loaded.Config().NoiseLayer)
	for _, noise := range []string{"none", "classwise"} {
		want, err := m.Predict(ctx, d, PredictOptions{Noise: noise, Output: "scores"})
		require.NoError(t, err)
		got, err := loaded.Predict(ctx, d, PredictOptions{Noise: noise, Output: "scores"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// hiddenConfig returns a small configuration with noise at a hidden layer.
func hiddenConfig(mode, base, generator string, layer int) Config {
	c := smallConfig(mode)
	c.Base, c.Generator, c.NoiseLayer, c.LearningRate, c.BatchSize, c.Epochs = base, generator, layer, 1e-3, 6, 1
	return c
}

// Training with σ = 0 at a hidden layer is plain training.
func TestHiddenNoiseOfZeroTrains(t *testing.T) {
	train := stripes(t, 24, 1)
	for _, layer := range []int{1, 2} {
		cfg := hiddenConfig("gaussian", "dnn3", "dnn3", layer)
		cfg.FixedStd, cfg.BaseLossWeight = 0, 0
		control := fitted(t, cfg, train, nil)
		cfg.Mode, cfg.NoiseLayer = "plain", 0
		require.Equal(t, state(t, fitted(t, cfg, train, nil)), state(t, control), "layer %d", layer)
	}
}
