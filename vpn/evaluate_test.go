package vpn

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Evaluate's statistics of σ are those of the maps that Noise returns.
func TestStdStatistics(t *testing.T) {
	m, d := vividModel(t), stripes(t, 8, 2) // as many as a chunk holds
	e, err := m.Evaluate(ctx, d, EvalOptions{})
	require.NoError(t, err)
	sigma, _, err := m.Noise(ctx, d, NoiseOptions{})
	require.NoError(t, err)
	next, _, err := m.Noise(ctx, relabelled(t, d), NoiseOptions{})
	require.NoError(t, err)

	mean, _ := moments(sigma)
	require.InEpsilon(t, mean, float64(e.StdMean), 1e-5)
	var power float64
	for _, s := range sigma {
		power += float64(s) * float64(s) / float64(len(sigma))
	}
	require.InEpsilon(t, math.Sqrt(power), float64(e.StdRMS), 1e-5)
	require.InEpsilon(t, slices.Min(sigma), float32(e.StdMin), 1e-5)
	require.InEpsilon(t, slices.Max(sigma), float32(e.StdMax), 1e-5)
	// σ is 1 … 16 times a factor: mean 8.5, deviation √((16² − 1)/12) = 4.61.
	require.InEpsilon(t, math.Sqrt(255./12)/8.5, float64(e.StdCV), 1e-4)
	var change float64
	for i := range sigma {
		change += math.Abs(float64(sigma[i]-next[i])) / float64(len(sigma))
	}
	require.InEpsilon(t, change/mean, float64(e.StdLabelChange), 1e-5)

	turned, err := d.Subset([]int32{1, 2, 3, 4, 5, 6, 7, 0})
	require.NoError(t, err)
	turned, err = turned.WithLabels(d.Labels(), nil)
	require.NoError(t, err)
	next, _, err = m.Noise(ctx, turned, NoiseOptions{})
	require.NoError(t, err)
	change = 0
	for i := range sigma {
		change += math.Abs(float64(sigma[i]-next[i])) / float64(len(sigma))
	}
	require.InEpsilon(t, change/mean, float64(e.StdImageChange), 1e-5)
	one, err := m.Evaluate(ctx, stripes(t, 1, 2), EvalOptions{})
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(one.StdImageChange)))
}
