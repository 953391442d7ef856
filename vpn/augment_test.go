package vpn

import (
	"errors"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/method"
)

// flipped returns d with every row of every image reversed.
func flipped(t testing.TB, d *data.Dataset) *data.Dataset {
	h, w, c := d.Shape()
	pixels, _ := d.Pixels()
	mirror := make([]uint8, len(pixels))
	for i := range pixels {
		x := i / c % w
		mirror[i] = pixels[i+(w-1-2*x)*c]
	}
	return dataset(t, mirror, d.Labels(), h, w, c)
}

func augmented(t testing.TB, backend compute.Backend, l augment.List, train *data.Dataset) *Model {
	cfg := smallConfig("joint")
	cfg.Augment = l
	m := newModel(t, cfg, backend)
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
	return m
}

// Training that always flips images is training on flipped images, and training that never does is
// training on the images themselves. On go the weights are equal bit for bit. On cpu the order of
// sums differs. Predict flips nothing. The second pair is left to go, as XLA compiles for seconds.
func TestAugmentedTraining(t *testing.T) {
	train := stripes(t, 64, 1)
	pure := openDevice(t, "go")
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		same := func(one, other *Model) {
			p, err := one.Predict(ctx, train, PredictOptions{Output: "logits"})
			require.NoError(t, err)
			q, err := other.Predict(ctx, train, PredictOptions{Output: "logits"})
			require.NoError(t, err)
			require.InDeltaSlice(t, p.Scores, q.Scores, 1e-4)
			if backend == pure {
				require.Equal(t, state(t, one), state(t, other))
			}
		}
		always := augmented(t, backend, augment.List{augment.RandomHorizontalFlip{P: 1}}, train)
		same(augmented(t, backend, nil, flipped(t, train)), always)
		if backend != pure && !golden.IsLong() {
			return
		}
		never := augmented(t, backend, augment.List{augment.RandomHorizontalFlip{P: 0}}, train)
		same(augmented(t, backend, nil, train), never)
		require.NotEqual(t, state(t, always), state(t, never))
	})
}

// Every augmentation trains, although some of their operations have no gradient.
func TestTrainsWithEveryAugmentation(t *testing.T) {
	pixels := make([]uint8, 32*8*8*3)
	for i := range pixels {
		pixels[i] = uint8(i * 37)
	}
	train := dataset(t, pixels, make([]int32, 32), 8, 8, 3)
	all := augment.List{
		augment.RandomCrop{Padding: augment.Ints{2}, PaddingMode: "reflect"}, augment.RandomHorizontalFlip{P: 0.5},
		augment.RandomRotation{Degrees: augment.Floats{-20, 20}, Interpolation: "bilinear"},
		augment.RandomAffine{Degrees: augment.Floats{-5, 5}, Translate: augment.Floats{0.1, 0.1}, Interpolation: "bilinear"},
		augment.ColorJitter{
			Brightness: augment.Floats{0.2}, Contrast: augment.Floats{0.2}, Saturation: augment.Floats{0.2},
			Hue: augment.Floats{0.1},
		},
		augment.GaussianBlur{KernelSize: augment.Ints{3}}, augment.GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 0.5},
	}
	require.Len(t, all, len(augment.Names()))
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for _, mode := range []string{"joint", "plain"} {
			if mode == "plain" && method.Fuses(backend) && !golden.IsLong() {
				continue
			}
			cfg := smallConfig(mode)
			cfg.Augment, cfg.Epochs = all, 1
			m := newModel(t, cfg, backend)
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			require.False(t, math.IsNaN(float64(m.History()[0].Loss)))
		}
	})
}

// A chain of augmentations draws anew at every step. Its draws follow from the seed. Training with
// it resumes from a file in mid-epoch, bit for bit.
func TestAugmentResumes(t *testing.T) {
	train := stripes(t, 100, 1)
	chain := augment.List{
		augment.RandomCrop{Padding: augment.Ints{1}}, augment.ColorJitter{Brightness: augment.Floats{0.3}},
	}
	want := augmented(t, openDevice(t, "go"), chain, train)
	require.Equal(t, state(t, want), state(t, augmented(t, openDevice(t, "go"), chain, train)), "same seed, same result")

	cfg := smallConfig("joint")
	cfg.Augment = chain
	m := newModel(t, cfg, openDevice(t, "go"))
	for err := ErrCancelled; err != nil; {
		err = m.Fit(ctx, train, nil, FitOptions{Resume: true, Progress: slowly(func(p Progress) bool {
			return p.Phase == "training" && p.Step%3 == 1
		})})
		require.True(t, err == nil || errors.Is(err, ErrCancelled), err)
		m = reloaded(t, m)
	}
	require.Equal(t, state(t, want), state(t, m))
	require.Len(t, m.Config().Augment, 2)
}

// FitOptions.Augment replaces the configured list. A wrong list is refused and changes nothing.
func TestFitAugment(t *testing.T) {
	train := stripes(t, 64, 1)
	flip := augment.List{augment.RandomHorizontalFlip{P: 1}}
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Augment: flip}))
	require.Equal(t, state(t, augmented(t, m.backend, flip, train)), state(t, m))
	require.Equal(t, flip, m.Config().Augment)

	before := state(t, m)
	for _, wrong := range []augment.List{
		{augment.RandomHorizontalFlip{P: 2}}, {augment.RandomCrop{Size: augment.Ints{8}}}, {augment.RandomRotation{}},
	} {
		err := m.Fit(ctx, train, nil, FitOptions{Augment: wrong})
		require.ErrorIs(t, err, ErrArgument)
		require.ErrorContains(t, err, "vpn: Augment: augment: Random")
	}
	require.Equal(t, before, state(t, m))
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Augment: augment.List{}, Resume: true, Epochs: 4}))
	require.Empty(t, m.Config().Augment)

	cfg, err := ParseConfig([]byte(`{"preset": "augmented", "augment": [{"name": "RandomRotation", "degrees": 10}]}`))
	require.NoError(t, err)
	require.Len(t, cfg.Augment, 1)
	cfg, err = ParseConfig([]byte(`{"preset": "augmented"}`))
	require.NoError(t, err)
	require.Len(t, cfg.Augment, 2)
	_, err = ParseConfig([]byte(`{"augment": [{"name": "RandomCrop", "pading": 4}]}`))
	require.ErrorContains(t, err, "pading")
}
