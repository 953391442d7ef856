package vpn

import (
	"math"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// rates returns the learning rates of a history.
func rates(history []Epoch) (of []float64) {
	for _, e := range history {
		of = append(of, float64(e.LearningRate))
	}
	return of
}

// A rate that is set from Progress after an epoch holds from the next epoch on. The result is bit
// for bit that of a rate changed between two fits and saved. In three epochs the cosine multiplies
// the rate by 1, 3/4 and 1/4.
func TestLearningRateWhileTraining(t *testing.T) {
	train := stripes(t, 100, 1)
	for schedule, want := range map[string][]float64{"constant": {0.02, 0.002, 0.002}, "cosine": {0.02, 0.0015, 0.0005}} {
		for _, optimizer := range []string{"adam", "sgd"} {
			cfg := smallConfig("joint")
			cfg.Schedule, cfg.Optimizer = schedule, optimizer
			m, compiled := newModel(t, cfg, openDevice(t, "go")), 0
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Progress: func(p Progress) bool {
				if p.Phase == "compiling" {
					compiled++
				}
				if p.Phase == "epoch" && p.Epoch == 1 {
					require.NoError(t, m.SetLearningRate(m.Config().LearningRate/10))
				}
				return false
			}}))
			require.InDeltaSlice(t, want, rates(m.History()), 1e-15)
			require.Equal(t, 0.002, m.Config().LearningRate)
			require.Equal(t, 4, compiled, "before and after each compilation, for batches of 32 and of 4")

			parts := newModel(t, cfg, openDevice(t, "go"))
			require.ErrorIs(t, parts.Fit(ctx, train, nil, FitOptions{Progress: func(p Progress) bool {
				return p.Phase == "epoch"
			}}), ErrCancelled)
			require.NoError(t, parts.SetLearningRate(0.002))
			parts = reloaded(t, parts)
			require.Equal(t, 0.002, parts.Config().LearningRate)
			require.NoError(t, parts.Fit(ctx, train, nil, FitOptions{Resume: true}))
			require.Equal(t, state(t, parts), state(t, m))
			require.Equal(t, untimed(parts.History()), untimed(m.History()))
			require.NotEqual(t, state(t, fitted(t, cfg, train, nil)), state(t, m))
		}
	}
}

// Another goroutine may set the rate. An epoch's row has the rate of its last step. A batch's
// metrics have the rate of that batch.
func TestLearningRateFromElsewhere(t *testing.T) {
	train, cfg := stripes(t, 100, 1), smallConfig("plain")
	cfg.Epochs = 2
	m, changed := newModel(t, cfg, openDevice(t, "go")), make(chan error)
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Progress: slowly(func(p Progress) bool {
		if p.Phase == "training" && p.Epoch == 1 {
			go func() { changed <- m.SetLearningRate(0.5) }()
			require.NoError(t, <-changed)
		}
		return false
	})}))
	require.Equal(t, []float64{0.5, 0.5}, rates(m.History()))
	metrics, err := m.TrainBatch(ctx, train)
	require.NoError(t, err)
	require.Equal(t, Float(0.5), metrics.LearningRate)
}

// With another schedule, training goes on after the end of the cosine.
func TestScheduleOfAFit(t *testing.T) {
	train, cfg := stripes(t, 64, 1), smallConfig("plain")
	cfg.Schedule, cfg.Epochs = "cosine", 2
	m := fitted(t, cfg, train, nil)
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 4, Resume: true, Schedule: "constant"}))
	require.InDeltaSlice(t, []float64{0.02, 0.01, 0.02, 0.02}, rates(m.History()), 1e-15)
	require.Equal(t, "constant", m.Config().Schedule)
	err := m.Fit(ctx, train, nil, FitOptions{Schedule: "linear"})
	require.ErrorContains(t, err, `Schedule is "linear", want one of constant, cosine`)
	require.Len(t, m.History(), 4, "a refused fit forgets nothing")
}

func TestLearningRateRefused(t *testing.T) {
	m := newModel(t, smallConfig("plain"), openDevice(t, "go"))
	for rate, text := range map[float64]string{0: "0", -1: "-1", inf: "+Inf", -inf: "-Inf"} {
		require.EqualError(t, m.SetLearningRate(rate), "vpn: LearningRate is "+text+", want a finite number > 0")
	}
	require.ErrorIs(t, m.SetLearningRate(nan), ErrArgument)
	require.Equal(t, 0.02, m.Config().LearningRate)
}

// Files of versions that kept no rates load and resume. The rates of their epochs are NaN.
func TestOldFileWithoutRates(t *testing.T) {
	train := stripes(t, 64, 1)
	m := fitted(t, smallConfig("plain"), train, nil)
	packed, err := m.Marshal()
	require.NoError(t, err)
	rate := regexp.MustCompile(`,"learning_rate":[^,}]*`)
	old, err := Unmarshal(rewritten(t, packed, "govpn.run", func(run string) string {
		require.Len(t, rate.FindAllString(run, -1), 4, "three epochs, and the next")
		return rate.ReplaceAllString(run, "")
	}), m.backend)
	require.NoError(t, err)
	defer old.Close()
	require.Equal(t, state(t, m), state(t, old))
	require.NoError(t, old.Fit(ctx, train, nil, FitOptions{Epochs: 4, Resume: true}))
	got := rates(old.History())
	require.Len(t, got, 4)
	for _, rate := range got[:3] {
		require.True(t, math.IsNaN(rate))
	}
	require.Equal(t, 0.02, got[3])
}
