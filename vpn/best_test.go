package vpn

import (
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/atomicfile"
	"github.com/govpn/govpn/vpn/internal/safetensors"
	"github.com/govpn/govpn/vpn/method"
)

// worsening returns a model that classifies stripes well, training data whose labels are wrong, and
// validation data whose labels are right. A fit on them has its best epoch first.
func worsening(t *testing.T, change func(c *Config)) (m *Model, wrong, valid *data.Dataset) {
	train := stripes(t, 96, 1)
	cfg := smallConfig("joint")
	cfg.Epochs, cfg.LearningRate = 4, 0.02
	change(&cfg)
	m = newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
	return m, relabelled(t, train), stripes(t, 60, 2)
}

func accuracies(history []Epoch) (values []float64) {
	for _, e := range history {
		values = append(values, float64(e.ValAccuracy))
	}
	return values
}

// With RestoreBest, inference uses the weights of the best epoch. Without it, inference uses those
// of the last.
func TestBestWeights(t *testing.T) {
	for _, restore := range []bool{true, false} {
		m, wrong, valid := worsening(t, func(c *Config) { c.RestoreBest = restore })
		require.NoError(t, m.Fit(ctx, wrong, valid, FitOptions{}))
		scores := accuracies(m.History())
		require.Len(t, scores, 4)
		require.Greater(t, scores[0], scores[3], "the test needs a first epoch that is better than the last")
		require.Equal(t, slices.Max(scores), scores[m.Describe().BestEpoch-1])
		want := scores[3]
		if restore {
			want = slices.Max(scores)
		}
		e, err := m.Evaluate(ctx, valid, EvalOptions{})
		require.NoError(t, err)
		require.InDelta(t, want, float64(e.Accuracy), 1e-12)
	}
}

// The accuracy of a frozen base without noise is the same in every epoch. Fit then keeps the
// generator of the last epoch, not of the first.
func TestBestEpochOfAFrozenBase(t *testing.T) {
	path := t.TempDir() + "/base.safetensors"
	require.NoError(t, fitted(t, smallConfig("plain"), stripes(t, 96, 1), nil).ExportSafetensors(path, ExportOptions{}))
	cfg := smallConfig("frozen")
	cfg.Epochs, cfg.Patience, cfg.ImageShape, cfg.Classes = 3, 1, [3]int{4, 4, 1}, 3
	m := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.ImportSafetensors(path, ImportOptions{}))
	require.NoError(t, m.Fit(ctx, stripes(t, 96, 1), stripes(t, 60, 2), FitOptions{}))
	require.Len(t, slices.Compact(accuracies(m.History())), 1)
	require.Equal(t, 3, m.Describe().BestEpoch)
}

// After Fit, training and import start from the weights that inference uses, not from those of the
// last epoch.
func TestTrainingStartsFromTheBestWeights(t *testing.T) {
	tiny := func(c *Config) { c.Optimizer, c.LearningRate = "sgd", 1e-9 }
	m, wrong, valid := worsening(t, func(*Config) {})
	require.NoError(t, m.Fit(ctx, wrong, valid, FitOptions{}))
	path := t.TempDir() + "/m"
	require.NoError(t, m.Save(path))
	want, err := m.Predict(ctx, valid, PredictOptions{Output: "logits"})
	require.NoError(t, err)

	for name, change := range map[string]func(m *Model) error{
		"Fit":        func(m *Model) error { return m.Fit(ctx, wrong, nil, FitOptions{Epochs: 1}) },
		"TrainBatch": func(m *Model) error { _, err := m.TrainBatch(ctx, wrong); return err },
		"import of the generator": func(m *Model) error {
			weights := t.TempDir() + "/generator"
			f := &safetensors.File{Tensors: map[string]*tensors.Tensor{}}
			for _, v := range method.Variables(m.store, "generator") {
				f.Tensors[tensorName(v)] = v.MustValue()
			}
			require.NoError(t, atomicfile.Write(weights, f.Write))
			return m.ImportSafetensors(weights, ImportOptions{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Load(path, openDevice(t, "go"))
			require.NoError(t, err)
			defer m.Close()
			tiny(&m.net.Config)
			require.NoError(t, change(m))
			got, err := m.Predict(ctx, valid, PredictOptions{Output: "logits"})
			require.NoError(t, err)
			require.InDeltaSlice(t, want.Scores, got.Scores, 1e-4)
		})
	}
}

// Training stops after Patience epochs that are no better than the best one.
func TestPatience(t *testing.T) {
	m, wrong, valid := worsening(t, func(c *Config) { c.Epochs, c.Patience = 6, 2 })
	require.NoError(t, m.Fit(ctx, wrong, valid, FitOptions{}))
	best := m.Describe().BestEpoch
	require.Less(t, best, 4)
	require.Len(t, m.History(), best+2)
	e, err := m.Evaluate(ctx, valid, EvalOptions{})
	require.NoError(t, err)
	require.InDelta(t, slices.Max(accuracies(m.History())), float64(e.Accuracy), 1e-12)

	require.NoError(t, m.Fit(ctx, wrong, valid, FitOptions{Resume: true}))
	require.Len(t, m.History(), best+2, "it has ended; to resume changes nothing")
	require.NoError(t, m.Fit(ctx, wrong, nil, FitOptions{}))
	require.Len(t, m.History(), 6, "without validation data there is nothing to wait for")
	worse, err := m.Evaluate(ctx, valid, EvalOptions{})
	require.NoError(t, err)
	require.Less(t, worse.Accuracy, e.Accuracy, "the weights of an older fit's best epoch are gone")
}
