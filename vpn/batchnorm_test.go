package vpn

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/method"
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

// Describe warns of batch norms that have never seen a clean image, if σ is large.
func TestBatchNormWarning(t *testing.T) {
	cfg, train := resNetConfig("joint"), stripes(t, 24, 1)
	require.NotContains(t, strings.Join(fitted(t, cfg, train, nil).Describe().Warnings, " "), "batch norms")
	cfg.BaseLossWeight = 0
	require.Contains(t, strings.Join(fitted(t, cfg, train, nil).Describe().Warnings, " "),
		"the batch norms of resnet18 have only seen images with noise of mean σ 0.1")
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
	require.Equal(t, int64(4), m.store.GetVariable("/base/bn1/num_batches_tracked").MustValue().Value(), "two epochs of two batches")
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

// A chunk of inference has fewer images if one image needs much memory, and fewer again if a
// classwise pass multiplies it by the classes.
func TestChunkSize(t *testing.T) {
	cfg := resNetConfig("joint")
	small := newModel(t, cfg, openDevice(t, "go"))
	cfg.ImageShape = [3]int{224, 224, 3}
	large := newModel(t, cfg, openDevice(t, "go"))
	require.Equal(t, 9*64*4*4*4, small.imageBytes["base"], "patches of a 3×3 convolution on 4×4 pixels of 64 channels, float32")
	require.Equal(t, 49*3*112*112*4, large.imageBytes["base"], "patches of the 7×7/2 convolution")
	require.Equal(t, 9*64*224*224*4, large.imageBytes["generator"], "patches of the last convolution")
	require.Equal(t, 512, small.chunkSize("base", 10_000, chunkImages, 1))
	require.Equal(t, 36, large.chunkSize("base", 10_000, chunkImages, 1), "256 MiB")
	require.Equal(t, 3, large.chunkSize("base", 10_000, chunkImages, 10))
	require.Equal(t, 2, large.chunkSize("generator", 10_000, chunkImages, 1))
	require.Equal(t, 4, large.chunkSize("base", 3, chunkImages, 1))
	require.Equal(t, 1, large.chunkSize("base", 10_000, chunkImages, 1000))
	require.Equal(t, 32, small.chunkSize("base", 64, 51, 1), "64 images go through, not 102")
	require.Equal(t, 51, small.chunkSize("base", 100, 51, 1), "102, not 128")
}

// In bfloat16 the label still reaches the generator. Label biases of 0 to 0.01 on white pixels give
// ten maps of σ, though bfloat16 would round the sums to two values. So do tables whose rows differ
// by a thousandth.
func TestBFloat16KeepsLabels(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.ComputeDType, cfg.ImageShape, cfg.Classes = "bfloat16", [3]int{4, 4, 1}, 10
	pixels, labels := make([]uint8, 10*16), make([]int32, 10)
	for i := range pixels {
		pixels[i], labels[i/16] = 255, int32(i/16)
	}
	for _, test := range []struct{ generator, fusion string }{
		{"dnn3", "bias"}, {"dnn3", "plane"}, {"dnn3", "embedding"}, {"dnn3", "film"}, {"resnet18", "bias"}, {"resnet18", "film"},
	} {
		cfg.Generator, cfg.LabelFusion = test.generator, test.fusion
		eachDevice(t, func(t *testing.T, backend compute.Backend) {
			if test.generator == "resnet18" && method.Fuses(backend) {
				golden.Long(t)
			}
			m := newModel(t, cfg, backend)
			m.setTrained("base")
			for _, v := range method.Variables(m.store, "generator") { // as large as trained ones
				if v.Name() == "weight" && v.Shape().Rank() > 1 {
					values := golden.Uniform(v.Path(), v.Shape().Size())
					fill(t, m, tensorName(v), func(i int) float32 { return float32(values[i]) / 10 })
				}
			}
			for _, v := range method.Variables(m.store, "generator/label") {
				fill(t, m, tensorName(v), func(i int) float32 { return float32(i/(v.Shape().Size()/10)) / 1000 })
			}
			sigma, _, err := m.Noise(ctx, dataset(t, pixels, labels, 4, 4, 1), NoiseOptions{})
			require.NoError(t, err)
			distinct := map[[16]float32]bool{}
			for i := range labels {
				distinct[[16]float32(sigma[i*16:])] = true
			}
			require.Len(t, distinct, 10, test)
		})
	}
}

// Training in bfloat16 lowers the loss. Weights stay in float32.
func TestBFloat16Training(t *testing.T) {
	for _, network := range []string{"dnn3", "resnet18"} {
		t.Run(network, func(t *testing.T) {
			eachDevice(t, func(t *testing.T, backend compute.Backend) {
				cfg := resNetConfig("joint")
				cfg.Base, cfg.Generator, cfg.ComputeDType, cfg.Epochs = network, network, "bfloat16", 6
				if network == "resnet18" {
					if method.Fuses(backend) {
						golden.Long(t)
					} else if !golden.IsLong() {
						cfg.Generator, cfg.Epochs = "dnn3", 3
					}
				}
				m := newModel(t, cfg, backend)
				train := stripes(t, 48, 1)
				require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
				h := m.History()
				require.Less(t, float64(h[cfg.Epochs-1].Loss), 0.7*float64(h[0].Loss))
				for _, v := range method.Variables(m.store, "base", "generator") {
					require.Contains(t, []string{"Float32", "Int64"}, v.DType().String(), v.Path())
				}
			})
		})
	}
}
