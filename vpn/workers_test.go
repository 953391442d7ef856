package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/data"
)

// workers are models that share batches, each in parts of the given sizes.
type workers struct {
	models []*Model
	sizes  []int
}

// step makes one step of all workers on a batch.
func (w workers) step(t *testing.T, batch *data.Dataset) (got []Metrics) {
	var sums [][]float32
	var start int
	for i, m := range w.models {
		part, err := batch.Subset(sequence(batch.Len())[start : start+w.sizes[i]])
		require.NoError(t, err)
		defer part.Close()
		sum, err := m.Gradients(ctx, part, PartOptions{Start: start, Of: batch.Len()})
		require.NoError(t, err)
		sums = append(sums, tensors.MustCopyFlatData[float32](sum))
		require.NoError(t, sum.FinalizeAll())
		start += w.sizes[i]
	}
	for _, other := range sums[1:] {
		for i, v := range other {
			sums[0][i] += v
		}
	}
	for _, m := range w.models {
		sum, err := m.GradientsOf(sums[0])
		require.NoError(t, err)
		metrics, err := m.ApplyGradients(ctx, sum, ApplyOptions{})
		require.NoError(t, err)
		require.NoError(t, sum.FinalizeAll())
		got = append(got, metrics)
	}
	return got
}

// Two workers, whose parts differ in size, train as one model does of whole batches: the same losses, weights, schedule and history, and
// bit for bit the same weights on both. One of them is resumed from a file meanwhile.
func TestWorkers(t *testing.T) {
	all := weighted(t, stripes(t, 64, 1), 0.5, 1.5)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for _, test := range []struct{ base, mode, optimizer string }{{"sr", "joint", "adam"}, {"dnn3", "joint", "sgd"}, {"sr", "plain", "sgd"}} {
			cfg := smallConfig(test.mode)
			cfg.Base, cfg.Optimizer, cfg.Schedule, cfg.Epochs, cfg.NoiseSamples = test.base, test.optimizer, "cosine", 3, 2
			cfg.ImageShape, cfg.Classes, cfg.Augment = [3]int{4, 4, 1}, 3, augment.List{augment.RandomHorizontalFlip{P: 0.5}}
			one := newModel(t, cfg, backend)
			require.NoError(t, one.Fit(ctx, all, nil, FitOptions{}))

			accumulating := cfg
			accumulating.Accumulate, accumulating.BatchSize = 2, 32
			w := workers{[]*Model{newModel(t, cfg, backend), newModel(t, accumulating, backend)}, []int{20, 12}}
			for epoch := range cfg.Epochs {
				order := permutation(cfg.Seed, epoch, all.Len())
				for i := 0; i < all.Len(); i += cfg.BatchSize {
					batch, err := all.Subset(order[i : i+cfg.BatchSize])
					require.NoError(t, err)
					got := w.step(t, batch)
					require.Equal(t, got[0].Loss, got[1].Loss)
					batch.Close()
				}
				for _, m := range w.models {
					require.NoError(t, m.FinishEpoch(FinishOptions{}))
				}
				w.models[0] = reloaded(t, w.models[0])
			}
			require.Equal(t, valuesOf(t, w.models[0]), valuesOf(t, w.models[1]))
			a, b := one.History(), w.models[0].History()
			require.Equal(t, len(a), len(b))
			for i := range a {
				for _, pair := range [][2]Float{{a[i].Loss, b[i].Loss}, {a[i].Accuracy, b[i].Accuracy}, {a[i].LearningRate, b[i].LearningRate}} {
					require.InDelta(t, float64(pair[0]), float64(pair[1]), 1e-5)
				}
				if test.mode != "plain" {
					require.InDelta(t, float64(a[i].StdMean), float64(b[i].StdMean), 1e-5)
					require.InDelta(t, float64(a[i].StdMin), min(float64(b[i].StdMin), float64(w.models[1].History()[i].StdMin)), 1e-5)
				}
			}
			want, got := valuesOf(t, one), valuesOf(t, w.models[0])
			for name := range want {
				require.InDeltaSlice(t, want[name], got[name], 1e-4, name)
			}
		}
	})
}

// The running statistics of batch norm are the mean of the parts', and the counter goes up by one.
func TestWorkersBatchNorm(t *testing.T) {
	cfg, batch := resNetConfig("plain"), stripes(t, 8, 1)
	backend := openDevice(t, "go")
	accumulating := cfg
	accumulating.Accumulate, accumulating.BatchSize = 2, 8
	one := newModel(t, accumulating, backend)
	_, err := one.TrainBatch(ctx, batch)
	require.NoError(t, err)
	w := workers{[]*Model{newModel(t, cfg, backend), newModel(t, cfg, backend)}, []int{4, 4}}
	w.step(t, batch)
	want, got := valuesOf(t, one), valuesOf(t, w.models[1])
	require.Equal(t, []float64{1}, got["base.bn1.num_batches_tracked"])
	for _, name := range []string{"base.bn1.running_mean", "base.layer2.0.bn1.running_var", "base.fc.bias"} {
		require.InDeltaSlice(t, want[name], got[name], 1e-6, name)
	}
}

// Validation that the caller has made chooses the best epoch.
func TestFinishEpoch(t *testing.T) {
	cfg := smallConfig("plain")
	cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
	m, batch := newModel(t, cfg, openDevice(t, "go")), stripes(t, 12, 1)
	require.ErrorContains(t, m.FinishEpoch(FinishOptions{}), "the epoch has no step")
	w := workers{[]*Model{m}, []int{12}}
	var best []float64
	for i, accuracy := range []float64{0.5, 0.9, 0.7} {
		w.step(t, batch)
		require.NoError(t, m.FinishEpoch(FinishOptions{ValAccuracy: &accuracy, ValLoss: &accuracy, Seconds: 2, Images: 12}))
		if i == 1 {
			p, err := m.Predict(ctx, batch, PredictOptions{Output: "proba"})
			require.NoError(t, err)
			best = []float64{float64(p.Scores[0]), float64(p.Scores[1])}
		}
	}
	p, err := m.Predict(ctx, batch, PredictOptions{Output: "proba"})
	require.NoError(t, err)
	require.Equal(t, best, []float64{float64(p.Scores[0]), float64(p.Scores[1])})
	h := m.History()
	require.Equal(t, 2, m.Describe().BestEpoch)
	require.Equal(t, []Float{0.7, 0.7, 2, 6}, []Float{h[2].ValAccuracy, h[2].ValLoss, h[2].Seconds, h[2].ImagesPerSecond})
}

func TestWorkersRefuse(t *testing.T) {
	cfg := smallConfig("joint")
	m, batch := newModel(t, cfg, openDevice(t, "go")), stripes(t, 12, 1)
	_, err := m.Gradients(ctx, batch, PartOptions{})
	require.ErrorContains(t, err, "ImageShape is [0 0 0] and Classes is 0, want both")
	_, err = m.GradientsOf([]float32{1})
	require.ErrorContains(t, err, "no weights yet")
	cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
	m = newModel(t, cfg, openDevice(t, "go"))
	for _, o := range []PartOptions{{Start: -1}, {Start: 1}, {Start: 3, Of: 14}, {Of: 11}} {
		_, err := m.Gradients(ctx, batch, o)
		require.ErrorIs(t, err, ErrArgument)
		require.ErrorContains(t, err, "a part of 12 images starts at")
	}
	before := valuesOf(t, m)
	for _, wrong := range []any{[]float32{1}, make([]float64, m.sumSize()), "x"} {
		_, err := m.GradientsOf(wrong)
		require.ErrorIs(t, err, ErrArgument)
		require.ErrorContains(t, err, "the gradients are (Float")
	}
	sum, err := m.GradientsOf(make([]float32, m.sumSize()))
	require.NoError(t, err)
	_, err = m.ApplyGradients(ctx, sum, ApplyOptions{Epochs: -1})
	require.ErrorContains(t, err, "ApplyOptions.Epochs is -1")
	require.Equal(t, before, valuesOf(t, m))
}
