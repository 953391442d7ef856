package vpn

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// resNetConfig returns a configuration of a ResNet18 with a ResNet18 generator for images of 4×4×1.
// A step takes tenths of a second on go.
func resNetConfig(mode string) Config {
	c := smallConfig(mode)
	c.Base, c.Generator, c.BatchSize, c.Epochs, c.LearningRate = "resnet18", "resnet18", 12, 1, 1e-3
	c.ImageShape, c.Classes = [3]int{4, 4, 1}, 3
	return c
}

// running returns the sums that state gives for a part's variables whose names contain a text.
func running(t *testing.T, m *Model, part, text string) map[string]string {
	sums := state(t, m)
	for name := range sums {
		if !strings.HasPrefix(name, part+".") || !strings.Contains(name, text) {
			delete(sums, name)
		}
	}
	require.NotEmpty(t, sums)
	return sums
}

// A frozen base keeps its weights and running statistics bit for bit. The generator's statistics
// move.
func TestFrozenResNet(t *testing.T) {
	train, file := stripes(t, 24, 1), filepath.Join(t.TempDir(), "base.safetensors")
	plain := fitted(t, resNetConfig("plain"), train, nil)
	require.NoError(t, plain.ExportSafetensors(file, ExportOptions{Part: "base"}))

	m := newModel(t, resNetConfig("frozen"), openDevice(t, "go"))
	require.NoError(t, m.ImportSafetensors(file, ImportOptions{}))
	base, generator := running(t, m, "base", ""), running(t, m, "generator", "running_")
	require.Equal(t, running(t, plain, "base", ""), base)
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
	require.Equal(t, base, running(t, m, "base", ""))
	for name, sum := range running(t, m, "generator", "running_") {
		require.NotEqual(t, generator[name], sum, name)
	}
}

// With separate batch norms, the base's own norms see the clean images alone, as in plain training.
// Shared norms see clean and noisy images.
func TestNoisyBatchNorm(t *testing.T) {
	train := stripes(t, 12, 1)
	statistics := func(mode, norms string) map[string]string {
		cfg := resNetConfig(mode)
		cfg.NoisyBatchNorm = norms
		m := newModel(t, cfg, openDevice(t, "go"))
		_, err := m.TrainBatch(ctx, train)
		require.NoError(t, err)
		require.Equal(t, norms == "separate", m.store.GetVariable("/base/bn1/aux_bn/0/running_mean") != nil)
		sums := running(t, m, "base", "running_")
		for name := range sums {
			if strings.Contains(name, "aux_bn") {
				delete(sums, name)
			}
		}
		return sums
	}
	clean := statistics("plain", "shared")
	require.Equal(t, clean, statistics("joint", "separate"))
	require.NotEqual(t, clean, statistics("joint", "shared"))
}

// Running statistics are saved with a model and with the weights of the best epoch.
func TestRunningStatisticsAreSaved(t *testing.T) {
	train, valid, file := stripes(t, 24, 1), stripes(t, 9, 2), filepath.Join(t.TempDir(), "model")
	cfg := resNetConfig("joint")
	cfg.Epochs = 2
	m := fitted(t, cfg, train, valid)
	require.NoError(t, m.Save(file))
	loaded, err := Load(file, m.backend)
	require.NoError(t, err)
	defer loaded.Close()
	require.Equal(t, state(t, m), state(t, loaded))
	options := PredictOptions{Noise: "classwise", Output: "scores"}
	want, err := m.Predict(ctx, valid, options)
	require.NoError(t, err)
	got, err := loaded.Predict(ctx, valid, options)
	require.NoError(t, err)
	require.Equal(t, want, got)
	batches := m.store.GetVariable("/base/bn1/num_batches_tracked").MustValue().Value()
	require.Equal(t, int64(4), batches, "two epochs of two batches")
}

// A batch norm of one image whose deepest map is one pixel has no variance. That is an error, as in
// PyTorch. The model stays usable.
func TestBatchNormOfOneValue(t *testing.T) {
	m := newModel(t, resNetConfig("plain"), openDevice(t, "go"))
	_, err := m.TrainBatch(ctx, stripes(t, 1, 1))
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, "vpn: models: batch norm of /base/layer3/0/bn1 in training mode: one value per channel")
	_, err = m.TrainBatch(ctx, stripes(t, 2, 1))
	require.NoError(t, err)
}
