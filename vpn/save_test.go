package vpn

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"
)

// A saved model predicts the same on the same device, bit for bit, and nearly the same on another.
func TestSaveAndLoad(t *testing.T) {
	test, path := stripes(t, 30, 2), filepath.Join(t.TempDir(), "model.govpn")
	cfg := smallConfig("joint")
	cfg.ClassNames = []string{"top", "middle", "bottom"}
	cfg.Attributes = map[string]string{"of": "the caller"}
	m := fitted(t, cfg, stripes(t, 96, 1), test)
	require.NoError(t, m.Save(path))
	require.NoError(t, m.Save(path), "over an older file")
	packed, err := m.Marshal()
	require.NoError(t, err)
	stored, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, stored, packed, "Marshal is what Save writes")
	options := PredictOptions{Noise: "classwise", Output: "scores", Samples: 2}
	want, err := m.Predict(ctx, test, options)
	require.NoError(t, err)
	wantSigma, _, err := m.Noise(ctx, test, NoiseOptions{})
	require.NoError(t, err)
	wantEvaluation, err := m.Evaluate(ctx, test, EvalOptions{})
	require.NoError(t, err)

	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		loaded, err := Load(path, backend)
		require.NoError(t, err)
		defer loaded.Close()
		require.Equal(t, m.Config(), loaded.Config())
		require.Equal(t, state(t, m), state(t, loaded))
		require.Equal(t, untimed(m.History()), untimed(loaded.History()))
		require.Equal(t, m.Describe().BestEpoch, loaded.Describe().BestEpoch)
		require.Equal(t, m.Describe().Parameters, loaded.Describe().Parameters)
		if backend != m.backend { // other noise, as each device has its own generator of random numbers
			options.Noise = "none"
			want, err = m.Predict(ctx, test, options)
			require.NoError(t, err)
		}
		got, err := loaded.Predict(ctx, test, options)
		require.NoError(t, err)
		if backend == m.backend {
			require.Equal(t, want, got)
		}
		require.InDeltaSlice(t, want.Scores, got.Scores, 1e-5)
		sigma, _, err := loaded.Noise(ctx, test, NoiseOptions{})
		require.NoError(t, err)
		require.InDeltaSlice(t, wantSigma, sigma, 1e-5)
		e, err := loaded.Evaluate(ctx, test, EvalOptions{})
		require.NoError(t, err)
		require.InDelta(t, float64(wantEvaluation.CrossEntropy), float64(e.CrossEntropy), 1e-5)
		require.InDelta(t, float64(wantEvaluation.StdCV), float64(e.StdCV), 1e-5)
	})
	unpacked, err := Unmarshal(packed, m.backend)
	require.NoError(t, err)
	defer unpacked.Close()
	require.Equal(t, state(t, m), state(t, unpacked))
}

// On device go, training that was saved and resumed equals uninterrupted training bit for bit:
// weights, best weights, optimiser and history.
func TestResumeEqualsUninterrupted(t *testing.T) {
	train, valid := stripes(t, 70, 1), stripes(t, 30, 2) // two batches of 32 per epoch
	for name, change := range map[string]func(c *Config){
		"adam": func(*Config) {},
		"sgd": func(c *Config) {
			c.Optimizer, c.LearningRate, c.WeightDecay, c.Schedule = "sgd", 0.05, 1e-3, "cosine"
		},
		"gaussian": func(c *Config) { c.Mode, c.RestoreBest = "gaussian", false },
	} {
		cfg := smallConfig("joint")
		change(&cfg)
		want := fitted(t, cfg, train, valid)
		for where, stop := range map[string]func(p Progress) bool{
			"before any step":   func(p Progress) bool { return p.Phase == "compiling" && p.Step == 0 },
			"after each epoch":  func(p Progress) bool { return p.Phase == "epoch" },
			"within each epoch": func(p Progress) bool { return p.Phase == "training" && p.Step%2 == 1 },
		} {
			if name != "adam" && where != "within each epoch" {
				continue // the hardest one is enough
			}
			t.Run(name+" "+where, func(t *testing.T) {
				m, stops := newModel(t, cfg, openDevice(t, "go")), 0
				for err := ErrCancelled; err != nil; stops++ {
					err = m.Fit(ctx, train, valid, FitOptions{Resume: true, Progress: slowly(stop)})
					require.True(t, err == nil || errors.Is(err, ErrCancelled), err)
					if m.Describe().Trained { // else there is nothing to save
						m = reloaded(t, m)
					} else {
						stop = nil
					}
				}
				require.Equal(t, map[string]int{"before any step": 2, "after each epoch": 4, "within each epoch": 4}[where], stops)
				require.Equal(t, state(t, want), state(t, m))
				require.Equal(t, untimed(want.History()), untimed(m.History()))
				require.Equal(t, want.Describe().BestEpoch, m.Describe().BestEpoch)
			})
		}
	}
}

// slowly returns a Progress function with which Fit reports the first step of every epoch. Fit
// reports a step that ends progressInterval after the last report.
func slowly(stop func(p Progress) bool) func(p Progress) bool {
	if stop == nil {
		return nil
	}
	return func(p Progress) bool {
		if p.Phase != "training" {
			time.Sleep(progressInterval)
		}
		return stop(p)
	}
}

func reloaded(t *testing.T, m *Model) *Model {
	packed, err := m.Marshal()
	require.NoError(t, err)
	loaded, err := Unmarshal(packed, m.backend)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, loaded.Close()) })
	return loaded
}

// Two epochs that were saved and resumed up to four equal four epochs. The rate is constant, as the
// cosine depends on the number of epochs.
func TestResumeWithMoreEpochs(t *testing.T) {
	train, path := stripes(t, 70, 1), filepath.Join(t.TempDir(), "model.govpn")
	cfg := smallConfig("joint")
	cfg.Epochs = 4
	want := fitted(t, cfg, train, nil)

	m := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 2, Checkpoint: path}))
	require.Len(t, m.History(), 2)
	m, err := Load(path, openDevice(t, "go")) // the checkpoint of the second epoch
	require.NoError(t, err)
	defer m.Close()
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 4, Resume: true}))
	require.Equal(t, state(t, want), state(t, m))
	require.Equal(t, untimed(want.History()), untimed(m.History()))
}

// Every step draws new noise.
func TestStepsDrawNewNoise(t *testing.T) {
	batch := stripes(t, 12, 1)
	for mode, fresh := range map[string]bool{"joint": true, "gaussian": true, "plain": false} {
		cfg := smallConfig(mode)
		cfg.Optimizer, cfg.LearningRate, cfg.FixedStd = "sgd", 1e-30, 0.3 // changes no weight
		m := newModel(t, cfg, openDevice(t, "go"))
		a, err := m.TrainBatch(ctx, batch)
		require.NoError(t, err)
		b, err := m.TrainBatch(ctx, batch)
		require.NoError(t, err)
		require.Equal(t, fresh, a.Loss != b.Loss, mode)
	}
}

// TrainBatch counts its steps. A saved model goes on with the next one.
func TestTrainBatch(t *testing.T) {
	batch := stripes(t, 12, 1)
	cfg := smallConfig("joint")
	one := newModel(t, cfg, openDevice(t, "go"))
	var first, last Metrics
	for i := range 20 {
		metrics, err := one.TrainBatch(ctx, batch)
		require.NoError(t, err)
		if last = metrics; i == 0 {
			first = metrics
		}
	}
	require.Less(t, last.Loss, first.Loss)
	require.True(t, 0.00999 < last.StdMin && last.StdMin <= last.StdMean && last.StdMean <= last.StdMax && last.StdMax < 0.30001)
	two := reloaded(t, one)
	a, err := one.TrainBatch(ctx, batch)
	require.NoError(t, err)
	b, err := two.TrainBatch(ctx, batch)
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Equal(t, state(t, one), state(t, two))
}
