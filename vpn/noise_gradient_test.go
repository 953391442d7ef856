package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// The gradient of softmax regression in its input is Wᵀ(p − onehot(y)). Where the model normalises
// its input, the gradient is divided by the deviation.
func TestInputGradient(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		train := stripes(t, 70, 1)
		for _, std := range []float64{1, 0.25} {
			if std == 1 && method.Fuses(backend) && !golden.IsLong() {
				continue
			}
			cfg := smallConfig("plain")
			cfg.Normalize.Mean, cfg.Normalize.Std = []float64{0.5}, []float64{std}
			m := newModel(t, cfg, backend)
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			p, err := m.Predict(ctx, train, PredictOptions{Output: "proba"})
			require.NoError(t, err)
			got, dims, err := m.Noise(ctx, train, NoiseOptions{Output: "gradient"})
			require.NoError(t, err)
			require.Equal(t, []int{70, 4, 4, 1}, dims)
			w := engine.Floats(m.store.GetVariable(variablePath("base.linear.weight")).MustValue()) // (3, 16)
			for i, y := range train.Labels() {
				for j := range 16 {
					want := -w[int(y)*16+j]
					for k := range 3 {
						want += float64(p.Scores[3*i+k]) * w[k*16+j]
					}
					require.InDelta(t, want/std, float64(got[16*i+j]), 1e-5)
				}
			}
		}
	})
}
