package vpn

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
)

// Every call refuses data that do not fit, with an error that names them. The model stays usable.
func TestUnfitData(t *testing.T) {
	good := stripes(t, 9, 1)
	m := fitted(t, smallConfig("joint"), good, nil)
	unlabelled, err := good.WithLabels(nil, nil)
	require.NoError(t, err)
	defer unlabelled.Close()
	closed, err := good.Share()
	require.NoError(t, err)
	closed.Close()
	labels := []int32{0, 1, 2, 0, 3, 2, 0, 1, 2}
	beyond, err := good.WithLabels(labels, nil)
	require.NoError(t, err)
	defer beyond.Close()

	for _, test := range []struct {
		name    string
		d       *data.Dataset
		message string
		predict bool // Predict takes it, as it reads no labels
	}{
		{name: "nil", d: nil, message: "is nil, want a data set"},
		{
			name: "other shape", d: dataset(t, make([]uint8, 9*15), labels, 3, 5, 1),
			message: "has images of 3×5×1, want 4×4×1 as the model",
		},
		{
			name: "other channels", d: dataset(t, make([]uint8, 9*16), labels, 2, 2, 4),
			message: "has images of 2×2×4",
		},
		{name: "unlabelled", d: unlabelled, message: "has no labels, want one per image", predict: true},
		{
			name: "label out of range", d: beyond,
			message: "has label 3 at index 4, want labels below 3", predict: true,
		},
		{name: "closed", d: closed, message: "the data set is closed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, evaluated := m.Evaluate(ctx, test.d, EvalOptions{})
			_, _, noised := m.Noise(ctx, test.d, NoiseOptions{})
			_, stepped := m.TrainBatch(ctx, test.d)
			_, predicted := m.Predict(ctx, test.d, PredictOptions{})
			errs := []error{m.Fit(ctx, test.d, nil, FitOptions{}), evaluated, noised, stepped}
			if test.predict {
				require.NoError(t, predicted)
			} else {
				errs = append(errs, predicted)
			}
			if test.d != nil { // nil is a right validation set
				errs = append(errs, m.Fit(ctx, good, test.d, FitOptions{}))
				require.ErrorContains(t, errs[len(errs)-1], "the")
			}
			for _, err := range errs {
				require.ErrorIs(t, err, ErrArgument)
				require.ErrorContains(t, err, test.message)
			}
			require.Len(t, m.History(), 3, "a refused Fit leaves the run as it was")
			require.NoError(t, m.Fit(ctx, good, nil, FitOptions{}))
		})
	}
}

// A model without sizes takes them, and the class names, from its first training set.
func TestSizesFromData(t *testing.T) {
	named, err := stripes(t, 9, 1).WithLabels(make([]int32, 9), []string{"a", "b", "c", "d"})
	require.NoError(t, err)
	defer named.Close()
	m := fitted(t, smallConfig("plain"), named, nil)
	require.Equal(t, [3]int{4, 4, 1}, m.Config().ImageShape)
	require.Equal(t, 4, m.Config().Classes)
	require.Equal(t, []string{"a", "b", "c", "d"}, m.Config().ClassNames)

	cfg := smallConfig("plain")
	cfg.Normalize = Normalize{Where: "image", Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}
	err = newModel(t, cfg, m.backend).Fit(ctx, named, nil, FitOptions{})
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, "Normalize has 3 means")

	cfg = smallConfig("plain")
	cfg.ClassNames = []string{"a", "b"}
	err = newModel(t, cfg, m.backend).Fit(ctx, stripes(t, 9, 1), nil, FitOptions{})
	require.ErrorContains(t, err, "has label 2 at index 2, want labels below 2")
}

func TestWrongOptions(t *testing.T) {
	d := stripes(t, 9, 1)
	joint, plain := fitted(t, smallConfig("joint"), d, nil), fitted(t, smallConfig("plain"), d, nil)
	predict := func(m *Model, o PredictOptions) error { _, err := m.Predict(ctx, d, o); return err }
	evaluate := func(m *Model, o EvalOptions) error { _, err := m.Evaluate(ctx, d, o); return err }
	noise := func(m *Model, o NoiseOptions) error { _, _, err := m.Noise(ctx, d, o); return err }
	for _, test := range []struct {
		message string
		err     error
	}{
		{
			message: `Noise is "both", want none, classwise, label or gaussian`,
			err:     predict(joint, PredictOptions{Noise: "both"}),
		},
		{
			message: `Noise is "all", want none, classwise, label or gaussian`,
			err:     evaluate(joint, EvalOptions{Noise: "all"}),
		},
		{
			message: `Output is "p", want label, proba, scores or logits`,
			err:     predict(joint, PredictOptions{Output: "p"}),
		},
		{
			message: `Output is logits with Noise classwise`,
			err:     predict(joint, PredictOptions{Noise: "classwise", Output: "logits"}),
		},
		{
			message: `Output is logits with Samples 2, whose probabilities are averaged`,
			err:     predict(joint, PredictOptions{Noise: "label", Output: "logits", Samples: 2}),
		},
		{
			message: `Samples is -1, want 1 to 1000000`,
			err:     predict(joint, PredictOptions{Samples: -1}),
		},
		{
			message: `Samples is 9223372036854775807, want 1 to 1000000`,
			err:     predict(plain, PredictOptions{Samples: math.MaxInt}),
		},
		{
			message: `Samples is 1000001, want 1 to 1000000`,
			err:     evaluate(joint, EvalOptions{Noise: "classwise", Samples: 1_000_001}),
		},
		{
			message: `Noise is classwise, but the model was made with Mode "plain"`,
			err:     predict(plain, PredictOptions{Noise: "classwise"}),
		},
		{
			message: `Noise is classwise, but the model`,
			err:     evaluate(plain, EvalOptions{Noise: "classwise"}),
		},
		{
			message: `Noise is label, but the model was made with Mode "plain"`,
			err:     predict(plain, PredictOptions{Noise: "label"}),
		},
		{
			message: `Std is missing with Noise gaussian`,
			err:     predict(joint, PredictOptions{Noise: "gaussian"}),
		},
		{
			message: `Std is 0.1 with Noise none, want it with gaussian only`,
			err:     predict(joint, PredictOptions{Std: new(0.1)}),
		},
		{
			message: `Std is 0.2 with Noise label, want it with gaussian only`,
			err:     evaluate(joint, EvalOptions{Noise: "label", Std: new(0.2)}),
		},
		{
			message: `Std is -1, want a finite number ≥ 0`,
			err:     evaluate(plain, EvalOptions{Noise: "gaussian", Std: new(-1.)}),
		},
		{
			message: `Std is NaN, want a finite number ≥ 0`,
			err:     predict(plain, PredictOptions{Noise: "gaussian", Std: &nan}),
		},
		{
			message: `Std is 1e+39, want a finite number ≥ 0`,
			err:     predict(plain, PredictOptions{Noise: "gaussian", Std: new(1e39)}),
		},
		{
			message: `the model was made with Mode "plain", which has no generator`,
			err:     noise(plain, NoiseOptions{}),
		},
		{
			message: `Output is "variance", want std, sample or gradient`,
			err:     noise(joint, NoiseOptions{Output: "variance"}),
		},
		{
			message: `Samples is -2, want 1 to 1000000`,
			err:     noise(joint, NoiseOptions{Output: "sample", Samples: -2}),
		},
		{
			message: `Samples is 9223372036854775807, want 1 to 1000000`,
			err:     noise(joint, NoiseOptions{Output: "sample", Samples: math.MaxInt}),
		},
		{
			message: `FitOptions.Epochs is -1, want 1 to 2³¹−1, or 0 for the configuration`,
			err:     joint.Fit(ctx, d, nil, FitOptions{Epochs: -1}),
		},
	} {
		require.ErrorIs(t, test.err, ErrArgument, test.message)
		require.ErrorContains(t, test.err, "vpn: "+test.message)
	}
}

func TestUntrainedAndClosedModels(t *testing.T) {
	d, path := stripes(t, 9, 1), t.TempDir()+"/m"
	calls := func(m *Model) map[string]error {
		_, predicted := m.Predict(ctx, d, PredictOptions{})
		_, evaluated := m.Evaluate(ctx, d, EvalOptions{})
		_, _, noised := m.Noise(ctx, d, NoiseOptions{})
		_, marshalled := m.Marshal()
		return map[string]error{"Predict": predicted, "Evaluate": evaluated, "Noise": noised, "Marshal": marshalled,
			"Save": m.Save(path), "Export": m.ExportSafetensors(path, ExportOptions{})}
	}
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	for name, err := range calls(m) {
		require.ErrorIs(t, err, ErrArgument, name)
		require.ErrorContains(t, err, "the model has no weights: fit it, or import weights, first", name)
	}
	frozen := newModel(t, smallConfig("frozen"), m.backend)
	require.ErrorContains(t, frozen.Fit(ctx, d, nil, FitOptions{}), "Mode is frozen but the base has no trained weights")

	require.NoError(t, m.Fit(ctx, d, nil, FitOptions{}))
	require.NoError(t, m.ExportSafetensors(path, ExportOptions{}))
	require.NoError(t, m.Close())
	require.NoError(t, m.Close(), "closing twice does nothing")
	closed := calls(m)
	_, closed["TrainBatch"] = m.TrainBatch(ctx, d)
	closed["Fit"] = m.Fit(ctx, d, nil, FitOptions{})
	closed["Import"] = m.ImportSafetensors(path, ImportOptions{})
	for name, err := range closed {
		require.ErrorIs(t, err, ErrArgument, name)
		require.ErrorContains(t, err, "the model is closed, want an open one", name)
	}
	require.Len(t, m.History(), 3)
	m.Cancel()
}

func TestCancelledContext(t *testing.T) {
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	d := stripes(t, 9, 1)
	m := fitted(t, smallConfig("joint"), d, nil)
	_, predicted := m.Predict(stopped, d, PredictOptions{})
	_, classwise := m.Predict(stopped, d, PredictOptions{Noise: "classwise"})
	_, evaluated := m.Evaluate(stopped, d, EvalOptions{})
	_, _, noised := m.Noise(stopped, d, NoiseOptions{})
	for _, err := range []error{predicted, classwise, evaluated, noised, m.Fit(stopped, d, nil, FitOptions{})} {
		require.ErrorIs(t, err, ErrCancelled)
	}
	require.NotEmpty(t, m.History(), "a fit that never began forgets nothing")
	_, err := m.Predict(context.TODO(), d, PredictOptions{})
	require.NoError(t, err, "the model stays usable")
}

// Sizes that would overflow are refused with the numbers that the caller gave.
func TestSizesThatOverflow(t *testing.T) {
	backend := openDevice(t, "go")
	const fewer = "want at most 2⁴² values of images times classes"
	for _, test := range []struct {
		change  func(c *Config)
		images  int
		kind    error
		message string
	}{
		{func(c *Config) { c.ImageShape = [3]int{32767, 32767, 32767} }, 0, ErrArgument,
			"ImageShape is [32767 32767 32767], want at most 2³¹−1 values per image"},
		{func(c *Config) { c.ImageShape, c.Classes = [3]int{32767, 32767, 2}, 1<<31-1 }, 0, ErrArgument,
			"ImageShape is [32767 32767 2] with Classes 2147483647, " + fewer},
		{func(c *Config) { c.Classes = 1 << 30 }, 0, ErrArgument, "ImageShape is [80 80 1] with Classes 1073741824, " + fewer},
		{func(c *Config) { c.ImageShape = [3]int{32767, 32767, 2} }, 1 << 40, ErrArgument,
			"images is 1099511627776 with images of 32767×32767×2, want at most 2⁵² bytes in all"},
		{func(c *Config) { c.BatchSize, c.NoiseSamples = 1<<31-1, 1<<31-1 }, 0, ErrMemory,
			"a program for 1073741824 images, 2147483647 times each, needs about"},
		{func(c *Config) { c.EvalBatchSize, c.Classes = 1<<31-1, 1<<20 }, 0, ErrMemory,
			"a program for 1073741824 images, 1048576 times each, needs about"},
	} {
		cfg := smallConfig("joint")
		cfg.ImageShape, cfg.Classes = [3]int{80, 80, 1}, 10
		test.change(&cfg)
		_, err := EstimateMemory(cfg, backend, test.images)
		require.ErrorIs(t, err, test.kind)
		require.ErrorContains(t, err, "vpn: "+test.message)
		if test.kind == ErrArgument && test.images == 0 {
			_, again := New(cfg, backend)
			require.Equal(t, err, again)
		}
	}
	// The largest network that is looked at: a ViT's attention over 2²⁶ tokens.
	cfg := smallConfig("plain")
	cfg.Base, cfg.ImageShape, cfg.Classes = "vit_base_patch4", [3]int{32764, 32764, 2}, 2000
	_, err := New(cfg, backend)
	require.ErrorIs(t, err, ErrMemory)
	require.ErrorContains(t, err, "training 51613646288 parameters for images of 32764×32764×2")
}

// dnn3 with a dnn3 generator on images of 4000×4000×3 has about 3·4.8e7·1024 weights: 590 GB of
// float32, more than any machine that runs tests.
func TestTooLargeAModelIsRefused(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ImageShape, cfg.Classes = [3]int{4000, 4000, 3}, 10
	_, err := New(cfg, openDevice(t, "go"))
	require.ErrorIs(t, err, ErrMemory)
	require.ErrorContains(t, err, "147")
	require.ErrorContains(t, err, "GiB are available")
}
