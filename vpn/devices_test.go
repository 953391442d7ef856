package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/augment"
)

// spreadModel returns a model that trains on several devices.
func spreadModel(t testing.TB, cfg Config, backend compute.Backend, devices ...int) *Model {
	m := newModel(t, cfg, backend)
	require.NoError(t, m.SetDevices(devices...))
	return m
}

// Steps on two devices, on four and on another single one equal those on the first device: in
// losses, accuracy, weights, predictions and σ.
func TestDevices(t *testing.T) {
	backend, base, pairs, images := openSeveral(t), "sr", [][]int(nil), 160
	if golden.IsLong() {
		base, pairs, images = "dnn3", [][]int{{0, 1}}, 168 // a last batch of 8, which compiles once more
	}
	for _, test := range []struct {
		base, mode, optimizer, dtype string
		accumulate, images           int
		devices                      [][]int
	}{
		{
			base: base, mode: "joint", optimizer: "adam", dtype: "float32", accumulate: 1, images: 160,
			devices: append(pairs, [][]int{{0, 1, 2, 3}, {2}}...),
		},
		{
			base: "sr", mode: "joint", optimizer: "sgd", dtype: "float32", accumulate: 4, images: images,
			devices: [][]int{{3, 1}},
		},
		{
			base: "sr", mode: "gaussian", optimizer: "sgd", dtype: "float64", accumulate: 1, images: 164,
			devices: [][]int{{0, 1, 2, 3}},
		},
	} {
		if test.mode == "gaussian" && !golden.IsLong() {
			continue
		}
		cfg := smallConfig(test.mode)
		cfg.Base, cfg.Optimizer, cfg.ComputeDType = test.base, test.optimizer, test.dtype
		cfg.Accumulate, cfg.NoiseSamples = test.accumulate, 2
		cfg.Augment = augment.List{
			augment.RandomHorizontalFlip{P: 0.5}, augment.GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 1},
		}
		train, valid := weighted(t, stripes(t, test.images, 1), 1, 2), stripes(t, 50, 2)
		one := newModel(t, cfg, backend)
		require.NoError(t, one.Fit(ctx, train, valid, FitOptions{Epochs: 2})) // ten steps or twelve
		for _, devices := range test.devices {
			many := spreadModel(t, cfg, backend, devices...)
			require.Equal(t, devices, many.Devices())
			require.NoError(t, many.Fit(ctx, train, valid, FitOptions{Epochs: 2}))
			requireSame(t, one, many, 1e-5)
			if len(devices) < 4 && !golden.IsLong() {
				continue // XLA compiles six programs for what follows
			}
			for _, noise := range []string{"none", "classwise"} {
				if noise == "classwise" && test.mode != "joint" {
					continue
				}
				want, err := one.Predict(ctx, valid, PredictOptions{Noise: noise, Output: "proba"})
				require.NoError(t, err)
				got, err := many.Predict(ctx, valid, PredictOptions{Noise: noise, Output: "proba"})
				require.NoError(t, err)
				require.InDeltaSlice(t, want.Scores, got.Scores, 1e-4)
				require.Equal(t, want.Labels, got.Labels)
			}
			if test.mode == "joint" {
				want, _, err := one.Noise(ctx, valid, NoiseOptions{})
				require.NoError(t, err)
				got, _, err := many.Noise(ctx, valid, NoiseOptions{})
				require.NoError(t, err)
				require.InDeltaSlice(t, want, got, 1e-4)
			}
		}
	}
}

// Batch norm takes its statistics over the whole batch, on any number of devices. XLA compiles each
// ResNet for long. engine.TestBatchNormOverDevices is the short form.
func TestDevicesBatchNorm(t *testing.T) {
	golden.Long(t)
	backend := openSeveral(t)
	cfg := resNetConfig("plain")
	cfg.ComputeDType = "float64"
	one, two := newModel(t, cfg, backend), spreadModel(t, cfg, backend, 0, 1)
	for _, m := range []*Model{one, two} {
		require.NoError(t, m.Fit(ctx, stripes(t, 24, 1), nil, FitOptions{}))
	}
	requireSame(t, one, two, 1e-7)
}

// A model that was saved on four devices loads on one. Training goes on there, on two devices, and
// again on one.
func TestDevicesChange(t *testing.T) {
	backend, train := openSeveral(t), stripes(t, 64, 1)
	cfg := smallConfig("plain")
	one, many := newModel(t, cfg, backend), spreadModel(t, cfg, backend, 0, 1, 2, 3)
	require.NoError(t, one.Fit(ctx, train, train, FitOptions{Epochs: 3}))
	require.NoError(t, many.Fit(ctx, train, train, FitOptions{Epochs: 1}))
	packed, err := many.Marshal()
	require.NoError(t, err)
	other, err := Unmarshal(packed, backend)
	require.NoError(t, err)
	defer other.Close()
	require.Equal(t, []int{0}, other.Devices())
	require.NoError(t, other.SetDevices(1, 2))
	require.NoError(t, other.Fit(ctx, train, train, FitOptions{Epochs: 2, Resume: true}))
	require.NoError(t, other.SetDevices())
	require.NoError(t, other.Fit(ctx, train, train, FitOptions{Epochs: 3, Resume: true}))
	requireSame(t, one, other, 1e-5)
	require.Empty(t, other.copies)
}

func TestDevicesRefuse(t *testing.T) {
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	require.ErrorContains(t, m.SetDevices(0, 1), "devices is [0 1], want numbers from 0 to 0, each once: ")
	require.ErrorContains(t, m.SetDevices(-1), "devices is [-1]")
	require.Equal(t, []int{0}, m.Devices())
	m = newModel(t, smallConfig("joint"), openSeveral(t))
	for devices, want := range map[int][]int{4: {0, 4}, 1: {1, 1}} {
		require.ErrorIs(t, m.SetDevices(want...), ErrArgument, devices)
	}
	require.NoError(t, m.SetDevices(0, 1, 2))
	const want = "32 images at a time do not divide among 3 devices"
	require.ErrorContains(t, m.Fit(ctx, stripes(t, 64, 1), nil, FitOptions{}), want)
	_, err := m.TrainBatch(ctx, stripes(t, 32, 1))
	require.ErrorContains(t, err, want)
	_, err = m.TrainBatch(ctx, stripes(t, 33, 1))
	require.NoError(t, err)
}
