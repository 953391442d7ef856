package vpn

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"
)

// A saved model predicts the same on the same device, bit for bit, and nearly the same on another.
func TestSaveAndLoad(t *testing.T) {
	test, path := stripes(t, 30, 2), filepath.Join(t.TempDir(), "model.govpn")
	cfg := smallConfig("joint")
	cfg.ClassNames = []string{"top", "middle", "bottom"}
	cfg.Attributes = map[string]string{"of": "the caller"}
	m := fitted(t, cfg, stripes(t, 96, 1), test)
	require.NoError(t, m.Save(path))
	require.NoError(t, m.Save(path), "over an older file")
	packed, err := m.Marshal()
	require.NoError(t, err)
	stored, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, stored, packed, "Marshal is what Save writes")
	options := PredictOptions{Noise: "classwise", Output: "scores", Samples: 2}
	want, err := m.Predict(ctx, test, options)
	require.NoError(t, err)
	wantSigma, _, err := m.Noise(ctx, test, NoiseOptions{})
	require.NoError(t, err)
	wantEvaluation, err := m.Evaluate(ctx, test, EvalOptions{})
	require.NoError(t, err)

	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		loaded, err := Load(path, backend)
		require.NoError(t, err)
		defer loaded.Close()
		require.Equal(t, m.Config(), loaded.Config())
		require.Equal(t, state(t, m), state(t, loaded))
		require.Equal(t, untimed(m.History()), untimed(loaded.History()))
		require.Equal(t, m.Describe().BestEpoch, loaded.Describe().BestEpoch)
		require.Equal(t, m.Describe().Parameters, loaded.Describe().Parameters)
		if backend != m.backend { // each device draws other noise
			options.Noise = "none"
			want, err = m.Predict(ctx, test, options)
			require.NoError(t, err)
		}
		got, err := loaded.Predict(ctx, test, options)
		require.NoError(t, err)
		if backend == m.backend {
			require.Equal(t, want, got)
		}
		require.InDeltaSlice(t, want.Scores, got.Scores, 1e-5)
		sigma, _, err := loaded.Noise(ctx, test, NoiseOptions{})
		require.NoError(t, err)
		require.InDeltaSlice(t, wantSigma, sigma, 1e-5)
		e, err := loaded.Evaluate(ctx, test, EvalOptions{})
		require.NoError(t, err)
		require.InDelta(t, float64(wantEvaluation.CrossEntropy), float64(e.CrossEntropy), 1e-5)
		require.InDelta(t, float64(wantEvaluation.StdCV), float64(e.StdCV), 1e-5)
	})
	unpacked, err := Unmarshal(packed, m.backend)
	require.NoError(t, err)
	defer unpacked.Close()
	require.Equal(t, state(t, m), state(t, unpacked))
}
