package vpn

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TrainBatch counts its steps. A saved model goes on with the next one.
func TestTrainBatch(t *testing.T) {
	batch := stripes(t, 12, 1)
	cfg := smallConfig("joint")
	one := newModel(t, cfg, openDevice(t, "go"))
	var first, last Metrics
	for i := range 20 {
		metrics, err := one.TrainBatch(ctx, batch)
		require.NoError(t, err)
		if last = metrics; i == 0 {
			first = metrics
		}
	}
	require.Less(t, last.Loss, first.Loss)
	require.True(t, 0.00999 < last.StdMin && last.StdMin <= last.StdMean)
	require.True(t, last.StdMean <= last.StdMax && last.StdMax < 0.30001)
	two := reloaded(t, one)
	a, err := one.TrainBatch(ctx, batch)
	require.NoError(t, err)
	b, err := two.TrainBatch(ctx, batch)
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Equal(t, state(t, one), state(t, two))
}

// Every step draws new noise.
func TestStepsDrawNewNoise(t *testing.T) {
	batch := stripes(t, 12, 1)
	for mode, fresh := range map[string]bool{"joint": true, "gaussian": true, "plain": false} {
		cfg := smallConfig(mode)
		cfg.Optimizer, cfg.LearningRate, cfg.FixedStd = "sgd", 1e-30, 0.3 // changes no weight
		m := newModel(t, cfg, openDevice(t, "go"))
		a, err := m.TrainBatch(ctx, batch)
		require.NoError(t, err)
		b, err := m.TrainBatch(ctx, batch)
		require.NoError(t, err)
		require.Equal(t, fresh, a.Loss != b.Loss, mode)
	}
}
