package vpn

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// On device go, training that was saved and resumed equals uninterrupted training bit for bit:
// weights, best weights, optimiser and history.
func TestResumeEqualsUninterrupted(t *testing.T) {
	train, valid := stripes(t, 70, 1), stripes(t, 30, 2) // batches of 32, 32 and 6 in every epoch
	for name, change := range map[string]func(c *Config){
		"adam": func(*Config) {},
		"sgd": func(c *Config) {
			c.Optimizer, c.LearningRate, c.WeightDecay, c.Schedule = "sgd", 0.05, 1e-3, "cosine"
		},
		"gaussian": func(c *Config) { c.Mode, c.RestoreBest = "gaussian", false },
	} {
		cfg := smallConfig("joint")
		change(&cfg)
		whole := fitted(t, cfg, train, valid)
		for where, stop := range map[string]func(p Progress) bool{
			"before any step":           func(p Progress) bool { return p.Phase == "compiling" && p.Step == 0 },
			"after each epoch":          func(p Progress) bool { return p.Phase == "epoch" },
			"within each epoch":         func(p Progress) bool { return p.Phase == "training" && p.Step%3 == 1 },
			"before each partial batch": func(p Progress) bool { return p.Phase == "training" && p.Step%3 == 2 },
		} {
			if name != "adam" && where != "before each partial batch" {
				continue // the hardest of them is enough
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
				want := map[string]int{
					"before any step": 2, "after each epoch": 4, "within each epoch": 4, "before each partial batch": 4,
				}
				require.Equal(t, want[where], stops)
				require.Equal(t, state(t, whole), state(t, m))
				require.Equal(t, untimed(whole.History()), untimed(m.History()))
				require.Equal(t, whole.Describe().BestEpoch, m.Describe().BestEpoch)
			})
		}
	}
}

// slowly returns a Progress function with which Fit reports every step. Fit reports a step that
// ends progressInterval after the last report.
func slowly(stop func(p Progress) bool) func(p Progress) bool {
	if stop == nil {
		return nil
	}
	return func(p Progress) bool {
		time.Sleep(progressInterval)
		return stop(p)
	}
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

// A fit that was stopped after five batches resumes with a data set of three. That epoch is over.
func TestResumeWithFewerImages(t *testing.T) {
	cfg := smallConfig("plain")
	cfg.BatchSize, cfg.Epochs = 2, 2
	m := newModel(t, cfg, openDevice(t, "go"))
	m.state.run.Batch = 5
	require.NoError(t, m.Fit(ctx, stripes(t, 6, 1), nil, FitOptions{Resume: true}))
	require.Len(t, m.History(), 2)
	require.EqualValues(t, 3, m.state.run.Step)
}
