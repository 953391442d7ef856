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
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// weighted returns d with weights, repeated if there are fewer than images.
func weighted(t testing.TB, d *data.Dataset, weights ...float32) *data.Dataset {
	all := make([]float32, d.Len())
	for i := range all {
		all[i] = weights[i%len(weights)]
	}
	v, err := d.WithWeights(all)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// subset returns a view of some images.
func subset(t testing.TB, d *data.Dataset, indices ...int32) *data.Dataset {
	v, err := d.Subset(indices)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// Equal weights train as no weights do, up to rounding. A stream with weights trains as memory
// does, bit for bit. Validation and evaluation ignore weights. On cpu, where XLA compiles for
// seconds, an ordinary run shows the first alone.
func TestEqualWeights(t *testing.T) {
	train := stripes(t, 70, 1) // 2 batches of 32, and one of 6
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		trained := func(d *data.Dataset) *Model {
			cfg := smallConfig("joint")
			cfg.NoiseSamples, cfg.LabelSmoothing, cfg.EntropyWeight = 2, 0.1, 0.1
			m := newModel(t, cfg, backend)
			require.NoError(t, m.Fit(ctx, d, d, FitOptions{}))
			return m
		}
		none, equal := trained(train), trained(weighted(t, train, 3))
		for i, row := range none.History() {
			require.InEpsilon(t, float64(row.Loss), float64(equal.History()[i].Loss), 1e-5)
			require.InEpsilon(t, float64(row.ValLoss), float64(equal.History()[i].ValLoss), 1e-5)
		}
		if method.Fuses(backend) && !golden.IsLong() {
			return
		}
		want := trained(weighted(t, train, 0, 1, 5))
		require.NotEqual(t, state(t, none), state(t, want))
		require.Equal(t, state(t, want), state(t, trained(weighted(t, streamed(t, train), 0, 1, 5))), "of a stream")
		for _, test := range []*data.Dataset{train, weighted(t, train, 0, 0, 1)} {
			e, err := want.Evaluate(ctx, test, EvalOptions{})
			require.NoError(t, err)
			require.Equal(t, want.History()[want.Describe().BestEpoch-1].ValLoss, e.CrossEntropy)
		}
	})
}

// In one step on all images, an image of weight 2 counts as two, and an image of weight 0 not at
// all. Only ratios of weights count. Weights over their mean are exact in float32 here, except in
// the first case.
func TestWeightsCountImages(t *testing.T) {
	four := stripes(t, 4, 1)
	three := subset(t, four, 0, 1, 2)
	step := func(d *data.Dataset) ([]float64, Metrics) {
		cfg := smallConfig("plain")
		cfg.ComputeDType, cfg.Optimizer, cfg.LearningRate, cfg.Classes = "float64", "sgd", 1, 3
		m := newModel(t, cfg, openDevice(t, "go"))
		metrics, err := m.TrainBatch(ctx, d)
		require.NoError(t, err)
		return engine.Floats(m.store.GetVariable("/base/linear/weight").MustValue()), metrics
	}
	const most, least = math.MaxFloat32, math.SmallestNonzeroFloat32
	for _, test := range []struct {
		weighted, counted *data.Dataset
		tolerance         float64
	}{
		{weighted(t, four, 1, 1, 1, 0), three, 1e-6},
		{weighted(t, three, 1, 2, 1), subset(t, four, 0, 1, 1, 2), 1e-14},
		{weighted(t, four, 0, 7, 0, 7), subset(t, four, 1, 3), 1e-14},
		{weighted(t, four, most, most, most, most), four, 1e-14},
		{weighted(t, four, least, 0, 0, 0), subset(t, four, 0), 1e-14},
	} {
		want, counted := step(test.counted)
		got, metrics := step(test.weighted)
		require.InDeltaSlice(t, want, got, test.tolerance, test.weighted.Weights())
		require.InDelta(t, float64(counted.Loss), float64(metrics.Loss), test.tolerance, test.weighted.Weights())
	}
	_, metrics := step(weighted(t, four, 0, 0, 0, 1))
	_, unweighted := step(four)
	require.Equal(t, unweighted.Accuracy, metrics.Accuracy, "that of the images")
}

// Training with weights, probabilities and augmentation resumes from a file in mid-epoch, bit for
// bit.
func TestWeightsResume(t *testing.T) {
	train := weighted(t, softened(t, stripes(t, 100, 1), vague), 0, 0.5, 2, 7)
	cfg := smallConfig("joint")
	cfg.Augment = augment.List{augment.RandomHorizontalFlip{P: 0.5}}
	want := fitted(t, cfg, train, nil)
	m := newModel(t, cfg, openDevice(t, "go"))
	for err := ErrCancelled; err != nil; {
		err = m.Fit(ctx, train, nil, FitOptions{Resume: true, Progress: slowly(func(p Progress) bool {
			return p.Phase == "training" && p.Step%3 == 1
		})})
		require.True(t, err == nil || errors.Is(err, ErrCancelled), err)
		m = reloaded(t, m)
	}
	require.Equal(t, state(t, want), state(t, m))
	require.Equal(t, untimed(want.History()), untimed(m.History()))
}

// A part of a set whose weights are all 0 is refused. The model trains on with another part.
func TestPartWithoutWeight(t *testing.T) {
	train := weighted(t, stripes(t, 64, 1), 0, 1)
	m := newModel(t, smallConfig("plain"), openDevice(t, "go"))
	err := m.Fit(ctx, subset(t, train, 0, 2, 4), nil, FitOptions{})
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, "the training set has weights that are all 0, want at least one above 0")
	_, err = m.TrainBatch(ctx, subset(t, train, 0))
	require.ErrorIs(t, err, ErrArgument)
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
}
