package vpn

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
)

// soon fails if fn does not return within ten seconds, because it waits for a lock that it must not
// wait for.
func soon(t *testing.T, name string, fn func()) {
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Errorf("%s blocks", name)
	}
}

// While a model trains, calls that compute return ErrBusy at once. Calls that describe the model
// answer.
func TestBusyDuringFit(t *testing.T) {
	d, path := stripes(t, 64, 1), t.TempDir()+"/m"
	weights := t.TempDir() + "/w"
	m := fitted(t, smallConfig("joint"), d, nil)
	require.NoError(t, m.ExportSafetensors(weights, ExportOptions{}))
	phases := map[string]bool{}
	check := func(p Progress) bool { // others call while Fit waits in its callback
		if phases[p.Phase] {
			return false
		}
		phases[p.Phase] = true
		var errs []error
		for name, call := range map[string]func() error{
			"Predict":    func() error { _, err := m.Predict(ctx, d, PredictOptions{}); return err },
			"Evaluate":   func() error { _, err := m.Evaluate(ctx, d, EvalOptions{Noise: "classwise"}); return err },
			"Noise":      func() error { _, _, err := m.Noise(ctx, d, NoiseOptions{}); return err },
			"Fit":        func() error { return m.Fit(ctx, d, nil, FitOptions{}) },
			"TrainBatch": func() error { _, err := m.TrainBatch(ctx, d); return err },
			"Save":       func() error { return m.Save(path) },
			"Marshal":    func() error { _, err := m.Marshal(); return err },
			"Export":     func() error { return m.ExportSafetensors(path, ExportOptions{}) },
			"Import":     func() error { return m.ImportSafetensors(weights, ImportOptions{}) },
			"Close":      m.Close,
		} {
			soon(t, name, func() { errs = append(errs, call()) })
		}
		for _, err := range errs {
			require.ErrorIs(t, err, ErrBusy)
			require.ErrorContains(t, err, "training")
		}
		soon(t, "History, Config, Describe, Warnings", func() {
			require.Len(t, m.History(), p.Epoch-map[string]int{"compiling": 1, "training": 1}[p.Phase])
			require.Equal(t, 3, m.Config().Classes)
			require.True(t, m.Describe().Trained)
			require.Empty(t, m.Warnings(), "those of the last fit are gone")
		})
		return false
	}
	require.NoError(t, m.Fit(ctx, d, nil, FitOptions{Progress: slowly(check)}))
	require.Equal(t, map[string]bool{"compiling": true, "training": true, "epoch": true}, phases)
	_, err := m.Predict(ctx, d, PredictOptions{})
	require.NoError(t, err, "not busy any more")
}

// A fit of a million epochs ends soon after it is cancelled in any way. The model keeps what it has
// learnt.
func TestCancelFit(t *testing.T) {
	d := stripes(t, 64, 1)
	for name, stop := range map[string]func(m *Model, cancel context.CancelFunc) bool{
		"Cancel":   func(m *Model, _ context.CancelFunc) bool { go m.Cancel(); return false },
		"context":  func(_ *Model, cancel context.CancelFunc) bool { go cancel(); return false },
		"Progress": func(*Model, context.CancelFunc) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, smallConfig("plain"), openDevice(t, "go"))
			stoppable, cancel := context.WithCancel(ctx)
			defer cancel()
			soon(t, "Fit", func() {
				err := m.Fit(stoppable, d, nil, FitOptions{Epochs: 1e6, Progress: func(p Progress) bool {
					return p.Phase == "epoch" && p.Epoch == 5 && stop(m, cancel)
				}})
				require.ErrorIs(t, err, ErrCancelled)
			})
			require.GreaterOrEqual(t, len(m.History()), 5)
			e, err := m.Evaluate(ctx, d, EvalOptions{})
			require.NoError(t, err)
			require.Greater(t, float64(e.Accuracy), 0.9)
			m.Cancel() // does nothing, as nothing runs
			require.NoError(t, m.Fit(ctx, d, nil, FitOptions{Epochs: len(m.History()) + 1, Resume: true}))
		})
	}
}

// Cancel stops a Predict that runs in another goroutine. The test repeats it, as a Cancel before
// the call does nothing.
func TestCancelPredict(t *testing.T) {
	d := stripes(t, 64, 1)
	m := fitted(t, smallConfig("joint"), d, nil)
	stopped := make(chan error)
	go func() {
		_, err := m.Predict(ctx, d, PredictOptions{Noise: "classwise", Samples: MaxSamples})
		stopped <- err
	}()
	soon(t, "Predict", func() {
		for {
			m.Cancel()
			select {
			case err := <-stopped:
				require.ErrorIs(t, err, ErrCancelled)
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}

// Any goroutine may use a model. All get the same answers, whatever the others ask.
func TestConcurrentPredictions(t *testing.T) {
	m, d := fitted(t, smallConfig("joint"), stripes(t, 64, 1), nil), stripes(t, 20, 2)
	options := PredictOptions{Noise: "classwise", Output: "scores"}
	want, err := m.Predict(ctx, d, options)
	require.NoError(t, err)
	sigma, _, err := m.Noise(ctx, d, NoiseOptions{})
	require.NoError(t, err)
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			p, predicted := m.Predict(ctx, d, options)
			s, _, noised := m.Noise(ctx, d, NoiseOptions{})
			errs[i] = errors.Join(predicted, noised)
			if errs[i] == nil && !(slices.Equal(want.Scores, p.Scores) && slices.Equal(sigma, s) && len(m.History()) == 3) {
				errs[i] = errors.New("another result")
			}
		})
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
}

// A first fit gives the model its sizes and weights. Other goroutines that ask meanwhile get an
// answer or an error, and cause no data race.
func TestConcurrentFirstFit(t *testing.T) {
	d := stripes(t, 64, 1)
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	done := make(chan error, 1)
	go func() { done <- m.Fit(ctx, d, nil, FitOptions{}) }()
	for len(done) == 0 {
		_, predicted := m.Predict(ctx, d, PredictOptions{Noise: "classwise"})
		_, _, noised := m.Noise(ctx, d, NoiseOptions{})
		for _, err := range []error{predicted, noised} {
			require.True(t, err == nil || errors.Is(err, ErrBusy) || errors.Is(err, ErrArgument), err) // before it has weights
		}
		require.Contains(t, []int{0, 3}, m.Config().Classes)
		require.LessOrEqual(t, m.Describe().Epochs, 3)
		require.LessOrEqual(t, len(m.History())+len(m.Warnings()), 5)
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, <-done)
}

// The caller may close a data set as soon as the call that took it has begun.
func TestDataMayBeClosedDuringFit(t *testing.T) {
	pixels, labels := make([]uint8, 64*4), make([]int32, 64)
	released := false
	d, err := data.FromUint8(pixels, 64, 2, 2, 1, data.Options{Labels: labels, Release: func() { released = true }})
	require.NoError(t, err)
	m := newModel(t, smallConfig("plain"), openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, d, nil, FitOptions{Progress: func(Progress) bool {
		d.Close()
		require.False(t, released)
		return false
	}}))
	require.True(t, released, "with the end of Fit")
}
