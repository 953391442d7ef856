package vpn

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// valuesOf returns all weights and optimiser states of a model by name.
func valuesOf(t testing.TB, m *Model) map[string][]float64 {
	found := map[string][]float64{}
	for _, v := range method.Variables(m.store, "base", "generator", "optimizer") {
		if v.DType() == dtypes.Int64 {
			found[tensorName(v)] = []float64{float64(tensors.MustCopyFlatData[int64](v.MustValue())[0])}
		} else {
			found[tensorName(v)] = engine.Floats(v.MustValue())
		}
	}
	require.NotEmpty(t, found)
	return found
}

// requireSame compares two models and their histories within delta. After Adam it allows ten times
// delta in the moments, and a hundred times in the weights, whose steps divide by gradients that
// may be rounding alone.
func requireSame(t testing.TB, want, got *Model, delta float64) {
	a, b, moments, weights := valuesOf(t, want), valuesOf(t, got), delta, delta
	if want.Config().Optimizer == "adam" {
		moments, weights = 10*delta, 100*delta
	}
	require.Len(t, b, len(a))
	for name := range a {
		within := weights
		if strings.HasPrefix(name, "optimizer") {
			within = moments
		}
		require.InDeltaSlice(t, a[name], b[name], within, name)
	}
	x, y := untimed(want.History()), untimed(got.History())
	require.Len(t, y, len(x))
	for i := range x {
		for j, pair := range [][2]Float{
			{x[i].Loss, y[i].Loss}, {x[i].Accuracy, y[i].Accuracy}, {x[i].StdMean, y[i].StdMean},
			{x[i].StdMin, y[i].StdMin}, {x[i].StdMax, y[i].StdMax}, {x[i].LearningRate, y[i].LearningRate},
		} {
			require.InDelta(t, float64(pair[0]), float64(pair[1]), delta, "epoch %d, column %d", i, j)
		}
	}
}

// A step on a batch in four parts is the step on the whole batch: with noise, augmentation, weights
// of images, and a last epoch that is resumed. On cpu, where XLA compiles for seconds, an ordinary
// run takes one row.
func TestAccumulate(t *testing.T) {
	train := weighted(t, stripes(t, 100, 1), 1, 2, 3, 4)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for i, test := range []struct{ base, mode, optimizer, dtype string }{
			{base: "sr", mode: "joint", optimizer: "adam", dtype: "float32"},
			{base: "dnn3", mode: "joint", optimizer: "sgd", dtype: "float32"},
			{base: "sr", mode: "gaussian", optimizer: "sgd", dtype: "float64"},
			{base: "sr", mode: "plain", optimizer: "adam", dtype: "float32"},
		} {
			if i > 0 && method.Fuses(backend) && !golden.IsLong() {
				continue
			}
			fit := func(accumulate int) *Model {
				cfg := smallConfig(test.mode)
				cfg.Base, cfg.Optimizer, cfg.ComputeDType = test.base, test.optimizer, test.dtype
				cfg.Accumulate, cfg.NoiseSamples = accumulate, 2
				cfg.Augment = augment.List{
					augment.RandomCrop{Padding: augment.Ints{1}, PaddingMode: "constant", Fill: augment.Floats{0}},
					augment.GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 0.5},
				}
				m := newModel(t, cfg, backend)
				require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 2}))
				require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 3, Resume: true}))
				return m
			}
			requireSame(t, fit(1), fit(4), 1e-5)
		}
	})
}

// With batch norm, each part is normalised by its own statistics. The running statistics move once
// per step, towards the mean of the parts'.
func TestAccumulateBatchNorm(t *testing.T) {
	cfg := resNetConfig("plain")
	cfg.Accumulate, cfg.BatchSize = 2, 8
	train := stripes(t, 8, 1)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		if method.Fuses(backend) {
			golden.Long(t)
		}
		m := newModel(t, cfg, backend)
		_, err := m.TrainBatch(ctx, train)
		require.NoError(t, err)
		got := valuesOf(t, m)
		require.Equal(t, []float64{1}, got["base.bn1.num_batches_tracked"])
		mean := make([]float64, 64)
		for half := range 2 {
			cfg := cfg
			cfg.Accumulate = 1
			m := newModel(t, cfg, backend)
			part, err := train.Subset(sequence(8)[4*half : 4*half+4])
			require.NoError(t, err)
			defer part.Close()
			_, err = m.TrainBatch(ctx, part)
			require.NoError(t, err)
			for i, v := range valuesOf(t, m)["base.bn1.running_mean"] {
				mean[i] += v / 2
			}
		}
		require.InDeltaSlice(t, mean, got["base.bn1.running_mean"], 1e-6)
	})
}

// A set smaller than a batch is one batch. With DropLast it must divide into parts, as a batch of
// TrainBatch must. The model stays usable.
func TestAccumulateRefuses(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.Accumulate, cfg.DropLast = 4, true
	m := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, stripes(t, 20, 1), nil, FitOptions{}))
	before := state(t, m)
	const want = "a batch of 18 images has no 4 parts of one size: " +
		"want a number of images that is a multiple of Accumulate"
	require.ErrorContains(t, m.Fit(ctx, stripes(t, 18, 1), nil, FitOptions{}), want)
	_, err := m.TrainBatch(ctx, stripes(t, 18, 1))
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, want)
	require.Equal(t, before, state(t, m))
	require.Len(t, m.History(), 3)
}

// The estimate of a step's memory falls with the size of the parts.
func TestAccumulateMemory(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		estimate := func(accumulate int) float64 {
			cfg := DefaultConfig()
			cfg.Base, cfg.Mode, cfg.Accumulate = "vit_tiny_patch4", "plain", accumulate
			cfg.ImageShape, cfg.Classes = [3]int{32, 32, 3}, 10
			e, err := EstimateMemory(cfg, backend, 0)
			require.NoError(t, err)
			return float64(e.Training.Host)
		}
		require.Less(t, estimate(8), estimate(1)/4)
		require.False(t, math.IsInf(estimate(1), 0))
	})
}
