package vpn

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"
)

// Models of every mode and optimiser learn to classify unseen stripes, which are linearly
// separable.
func TestLearnsStripes(t *testing.T) {
	train, test := stripes(t, 192, 1), stripes(t, 100, 2)
	for _, mode := range []string{"joint", "plain", "gaussian"} {
		for optimizer, rate := range map[string]float64{"adam": 0.02, "sgd": 0.05} {
			t.Run(mode+"/"+optimizer, func(t *testing.T) {
				cfg := smallConfig(mode)
				cfg.Optimizer, cfg.LearningRate = optimizer, rate
				requireAccurate(t, fitted(t, cfg, train, nil), train.Classes(), test.Len())
			})
		}
	}
}

// requireAccurate evaluates a model on images that it was not trained on, without noise and
// classwise.
func requireAccurate(t *testing.T, m *Model, classes, images int) {
	test := stripes(t, images, 2)
	e, err := m.Evaluate(ctx, test, EvalOptions{})
	require.NoError(t, err)
	require.Greater(t, float64(e.Accuracy), 0.9) // chance: 0.33
	require.Equal(t, images, e.Images)
	require.Equal(t, classes, m.Config().Classes)
	if m.net.Config.HasGenerator() {
		e, err = m.Evaluate(ctx, test, EvalOptions{Noise: "classwise", Samples: 2})
		require.NoError(t, err)
		require.Greater(t, float64(e.Accuracy), 0.9)
	}
}

// Frozen training changes the generator. It changes no bit of the base and computes no gradient of
// it.
func TestFrozenTraining(t *testing.T) {
	train := stripes(t, 192, 1)
	plain := fitted(t, smallConfig("plain"), train, nil)
	path := t.TempDir() + "/base.safetensors"
	require.NoError(t, plain.ExportSafetensors(path, ExportOptions{}))
	base := state(t, plain)["base.linear.weight"]
	for optimizer, rate := range map[string]float64{"adam": 0.001, "sgd": 0.05} {
		t.Run(optimizer, func(t *testing.T) {
			cfg := smallConfig("frozen")
			cfg.Optimizer, cfg.LearningRate, cfg.WeightDecay = optimizer, rate, 0.01
			cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
			m := newModel(t, cfg, openDevice(t, "go"))
			require.NoError(t, m.ImportSafetensors(path, ImportOptions{}))
			before := state(t, m)
			require.NoError(t, m.Fit(ctx, train, train, FitOptions{}))
			after := state(t, m)

			require.Equal(t, base, after["base.linear.weight"])
			require.Equal(t, before["base.linear.bias"], after["base.linear.bias"])
			require.NotEqual(t, before["generator.fc1.weight"], after["generator.fc1.weight"])
			require.NotEqual(t, before["generator.fc3.bias"], after["generator.fc3.bias"])
			for _, v := range m.programs[stepProgram].Updates {
				require.NotContains(t, v.Path(), "/base/")
			}
			require.NotEmpty(t, m.programs[stepProgram].Updates)
			for name := range after {
				require.False(t, strings.HasPrefix(name, "optimizer") && strings.Contains(name, ".base."), name)
			}
			requireAccurate(t, m, 3, 100)
		})
	}
}

func TestSameSeedSameResult(t *testing.T) {
	train, pure := stripes(t, 64, 1), openDevice(t, "go")
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		trained := func(seed int64) map[string]string {
			cfg := smallConfig("joint")
			cfg.Seed, cfg.Epochs = seed, 2
			m := newModel(t, cfg, backend)
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			return state(t, m)
		}
		one := trained(1)
		require.Equal(t, one, trained(1), "bit for bit")
		if backend != pure {
			return // XLA compiles for seconds
		}
		other := trained(2)
		for _, name := range slices.Sorted(maps.Keys(one)) {
			require.NotEqual(t, one[name], other[name], name)
		}
	})
}

// A second Fit starts from the present weights, with an empty history and a fresh optimiser.
func TestFitAgain(t *testing.T) {
	train, path := stripes(t, 64, 1), t.TempDir()+"/w.safetensors"
	first := fitted(t, smallConfig("joint"), train, nil)
	require.NoError(t, first.ExportSafetensors(path, ExportOptions{}))
	require.NoError(t, first.Fit(ctx, train, nil, FitOptions{}))

	cfg := smallConfig("joint")
	cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
	second := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, second.ImportSafetensors(path, ImportOptions{}))
	require.NoError(t, second.Fit(ctx, train, nil, FitOptions{}))
	require.Equal(t, state(t, second), state(t, first))
	require.Equal(t, untimed(second.History()), untimed(first.History()))
}

// A run that diverges warns of it and can be saved. Its history is valid JSON, with null for NaN.
func TestDivergence(t *testing.T) {
	train := stripes(t, 64, 1)
	cfg := smallConfig("joint")
	cfg.Optimizer, cfg.LearningRate = "sgd", 1e30
	m := fitted(t, cfg, train, nil)
	require.Len(t, m.Warnings(), 1)
	require.Contains(t, m.Warnings()[0], "training has diverged")
	text, err := json.Marshal(m.History()[2:])
	require.NoError(t, err)
	require.Contains(t, string(text), `"loss":null`)
	require.Equal(t, untimed(m.History()), untimed(reloaded(t, m).History()))
	_, err = m.Predict(ctx, train, PredictOptions{Noise: "classwise", Output: "proba"})
	require.NoError(t, err)
}

// With one class, the label bias is 0, as method defines ȳ = 0 for K = 1. So is the cross-entropy.
func TestOneClass(t *testing.T) {
	d := dataset(t, make([]uint8, 8*4), make([]int32, 8), 2, 2, 1)
	m := fitted(t, smallConfig("joint"), d, d)
	e, err := m.Evaluate(ctx, d, EvalOptions{Noise: "classwise"})
	require.NoError(t, err)
	require.Equal(t, []Float{1, 0}, []Float{e.Accuracy, e.CrossEntropy})
	require.True(t, e.StdLabelChange != e.StdLabelChange, "NaN: there is no other label")
	require.NotContains(t, strings.Join(m.Warnings(), " "), "label")
}

// If the last epoch's checkpoint cannot be written, the fit returns that error and the model keeps
// what it learned. A resumed fit writes the checkpoint, though no epoch is left to train.
func TestLastCheckpointFails(t *testing.T) {
	d, folder := stripes(t, 64, 1), filepath.Join(t.TempDir(), "new")
	cfg := smallConfig("joint")
	cfg.Epochs = 1
	want := fitted(t, cfg, d, nil)
	m := newModel(t, cfg, want.backend)
	o := FitOptions{Checkpoint: filepath.Join(folder, "m"), Resume: true}
	for range 2 {
		require.ErrorIs(t, m.Fit(ctx, d, nil, o), ErrIO)
	}
	require.Equal(t, state(t, want), state(t, m))
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, m.Fit(ctx, d, nil, o))
	loaded, err := Load(o.Checkpoint, m.backend)
	require.NoError(t, err)
	defer loaded.Close()
	require.Equal(t, state(t, want), state(t, loaded))
	require.Equal(t, untimed(want.History()), untimed(loaded.History()))
}

// Progress reports steps, epochs and time.
func TestProgress(t *testing.T) {
	var reports []Progress
	m := newModel(t, smallConfig("plain"), openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, stripes(t, 70, 1), nil, FitOptions{Progress: slowly(func(p Progress) bool {
		reports = append(reports, p)
		return false
	})}))
	require.Equal(t, "compiling", reports[0].Phase)
	require.Equal(t, "compiling", reports[1].Phase, "when it is done")
	require.Equal(t, "epoch", reports[len(reports)-1].Phase)
	epochs := 0
	for i, p := range reports {
		require.Equal(t, []int64{3, 9}, []int64{int64(p.Epochs), p.Steps}) // 70 images: 2 batches of 32, and one of 6
		require.Greater(t, p.Elapsed, time.Duration(0))
		if i > 0 {
			require.GreaterOrEqual(t, p.Step, reports[i-1].Step)
			require.Equal(t, p.Phase != "compiling", p.Loss > 0)
		}
		if p.Phase == "epoch" {
			epochs++
			require.Equal(t, epochs, p.Epoch)
			require.Equal(t, int64(3*epochs), p.Step)
			require.Equal(t, float64(m.History()[epochs-1].Loss), p.Loss)
		}
	}
	require.Equal(t, 3, epochs)
	phases := map[string]int{}
	for _, p := range reports {
		phases[p.Phase]++
	}
	require.Equal(t, map[string]int{"compiling": 4, "training": 9, "epoch": 3}, phases,
		"two sizes of batches compile once each")
}
