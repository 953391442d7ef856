package method

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The paper's recipe: T-PAMI 2025, Section IV. Adam, λ = 0, κ = 0.01 and σ = |o| come from the
// authors' public code.
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
