package method

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The paper's recipe: T-PAMI 2025, Section IV. λ = 0, κ = 0.01 and σ = |o| come from the authors'
// public code. Adam is our choice.
func TestPaperPreset(t *testing.T) {
	c, err := ParseConfig([]byte(`{"preset": "paper"}`))
	require.NoError(t, err)
	require.Equal(t, PaperConfig(), c)
	require.Equal(t, []int{40, 256, 1}, []int{c.Epochs, c.BatchSize, c.NoiseSamples})
	require.Equal(t, []float64{0.001, 0, 0, 0.01},
		[]float64{c.LearningRate, c.WeightDecay, c.BaseLossWeight, c.LabelCoefficient})
	require.Equal(t, []string{"adam", "constant", "abs", "scaled", "image"},
		[]string{c.Optimizer, c.Schedule, c.Std, c.LabelEncoding, c.Normalize.Where})
}

// "we simply set the number of epochs as 40 for shallow models and 100 for ResNet" (Section IV).
func TestPaperEpochs(t *testing.T) {
	for text, epochs := range map[string]int{
		`{"preset": "paper"}`:                                        40,
		`{"preset": "paper", "base": "sr"}`:                          40,
		`{"base": "resnet18", "preset": "paper"}`:                    100,
		`{"preset": "paper", "base": "resnet50_7x7"}`:                100,
		`{"preset": "paper", "base": "vit_tiny_patch4"}`:             100,
		`{"preset": "paper", "base": "resnet34", "epochs": 3}`:       3,
		`{"preset": "paper", "base": "sr", "generator": "resnet18"}`: 40,
		`{"preset": "official", "base": "resnet18"}`:                 200,
		`{"base": "resnet18"}`:                                       20,
	} {
		c, err := ParseConfig([]byte(text))
		require.NoError(t, err)
		require.Equal(t, epochs, c.Epochs, text)
	}
	require.Equal(t, PaperConfig(), PaperConfigOf("dnn3"))
	c := PaperConfigOf("resnet18")
	require.Equal(t, []any{"resnet18", 100}, []any{c.Base, c.Epochs})
}

// The authors' public code leaves networks at PyTorch's initial values.
func TestInitialValuesOfPresets(t *testing.T) {
	for preset, want := range map[string]string{
		"default": "torchvision", "paper": "torchvision", "official": "torch", "augmented": "torch",
	} {
		c, err := ParseConfig([]byte(`{"preset": "` + preset + `"}`))
		require.NoError(t, err)
		require.Equal(t, want, c.InitialValues, preset)
	}
}

// The authors' public code: SGD 0.1, momentum 0.9, weight decay 5e-4, cosine over 200 epochs,
// batches of 256.
func TestOfficialPreset(t *testing.T) {
	c, err := ParseConfig([]byte(`{"preset": "official"}`))
	require.NoError(t, err)
	require.Equal(t, OfficialConfig(), c)
	require.Equal(t, []int{200, 256}, []int{c.Epochs, c.BatchSize})
	require.Equal(t, []float64{0.1, 0.9, 5e-4}, []float64{c.LearningRate, c.Momentum, c.WeightDecay})
	require.Equal(t, []string{"sgd", "cosine", "abs"}, []string{c.Optimizer, c.Schedule, c.Std})
}
