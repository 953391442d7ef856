package vpn

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/method"
)

// After training, σ depends on the label under every fusion and generator. A model predicts the
// same after both formats of file.
func TestFusionTrains(t *testing.T) {
	train := stripes(t, 24, 1)
	for _, generator := range GeneratorNames() {
		for _, fusion := range LabelFusionNames() {
			t.Run(generator+"-"+fusion, func(t *testing.T) {
				cfg := smallConfig("joint")
				cfg.Generator, cfg.LabelFusion, cfg.LabelCoefficient = generator, fusion, 1
				cfg.BaseLossWeight, cfg.EntropyWeight, cfg.StdRange[1], cfg.LearningRate = 0, 0.1, 2, 2e-3
				cfg.Epochs, cfg.BatchSize = map[string]int{"dnn3": 10, "resnet18": 3}[generator], 8
				m := fitted(t, cfg, train, nil)
				e, err := m.Evaluate(ctx, train, EvalOptions{})
				require.NoError(t, err)
				require.Greater(t, float64(e.StdLabelChange), map[string]float64{"dnn3": 1e-2, "resnet18": 5e-4}[generator])
				require.NotContains(t, fmt.Sprint(m.Warnings()), "NaN")
				want, err := m.Predict(ctx, train, PredictOptions{Noise: "classwise", Output: "scores"})
				require.NoError(t, err)
				for _, s := range want.Scores {
					require.False(t, math.IsNaN(float64(s)))
				}
				saved, path := t.TempDir()+"/m", t.TempDir()+"/w"
				require.NoError(t, m.Save(saved))
				require.NoError(t, m.ExportSafetensors(path, ExportOptions{}))
				loaded, err := Load(saved, m.backend)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, loaded.Close()) })
				require.Equal(t, fusion, loaded.Config().LabelFusion)
				imported := newModel(t, m.Config(), m.backend)
				initial, trained := state(t, imported), state(t, m)
				for _, v := range method.Variables(m.store, "generator/label") {
					require.NotEqual(t, initial[tensorName(v)], trained[tensorName(v)], v.Path())
				}
				require.NoError(t, imported.ImportSafetensors(path, ImportOptions{}))
				for _, two := range []*Model{loaded, imported} {
					got, err := two.Predict(ctx, train, PredictOptions{Noise: "classwise", Output: "scores"})
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
				requireLabelTensors(t, path, generator, fusion)
			})
		}
	}
}

// requireLabelTensors checks what a fusion learns for 3 classes and images of 4×4×1, under
// PyTorch's names.
func requireLabelTensors(t *testing.T, path, generator, fusion string) {
	width := map[string]int{"dnn3": 1024, "resnet18": 64}[generator]
	want := map[string]map[string][]int{
		"bias": {}, "plane": {}, "embedding": {"generator.label.weight": {3, 4, 4, 1}},
		"film": {"generator.label.gamma.weight": {3, width}, "generator.label.delta.weight": {3, width}},
	}[fusion]
	got := dimensions(t, path)
	first := map[string][]int{"dnn3": got["generator.fc1.weight"], "resnet18": got["generator.conv1.weight"]}[generator]
	channels := 1
	if fusion == "plane" {
		channels += 3
	}
	require.Equal(t, map[string][]int{"dnn3": {1024, 16 * channels}, "resnet18": {64, channels, 7, 7}}[generator], first)
	for name := range got {
		if !strings.HasPrefix(name, "generator.label.") {
			delete(got, name)
		}
	}
	require.Equal(t, want, got)
}
