package vpn

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/internal/engine"
)

// The counts for Fashion-MNIST's d = 784 and K = 10, by hand. sr has 784·10 + 10 parameters. dnn3
// has 784·1024 + 1024 + 1024·1024 + 1024 + 1024·10 + 10. The generator has d outputs in place of
// 10.
func TestParameterCounts(t *testing.T) {
	for base, want := range map[string]int{"sr": 7850, "dnn3": 1_863_690} {
		cfg := DefaultConfig()
		cfg.Base, cfg.ImageShape, cfg.Classes = base, [3]int{28, 28, 1}, 10
		m := newModel(t, cfg, openDevice(t, "go"))
		require.Equal(t, map[string]int{"base": want, "generator": 2_657_040}, m.Describe().Parameters)
	}
	cfg := DefaultConfig()
	cfg.Mode, cfg.Base, cfg.ImageShape, cfg.Classes = "plain", "sr", [3]int{28, 28, 1}, 10
	m := newModel(t, cfg, openDevice(t, "go"))
	require.Equal(t, 0, m.Describe().Parameters["generator"], "plain training has no generator")
}

func TestInitialWeights(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ImageShape, cfg.Classes = [3]int{8, 8, 1}, 10
	weights := func(name string) []float64 {
		v := newModel(t, cfg, openDevice(t, "go")).store.GetVariable(variablePath(name))
		require.NotNil(t, v, name)
		return engine.Floats(v.MustValue())
	}
	_, deviation := moments(weights("generator.fc2.weight"))
	require.InEpsilon(t, 0.002, deviation, 0.01, "N(0, 0.002²) in the generator")
	for _, b := range weights("generator.fc2.bias") {
		require.Zero(t, b)
	}
	w := weights("base.fc1.weight") // torch.nn.Linear: U(−1/√64, 1/√64), deviation 1/√(3·64)
	_, deviation = moments(w)
	require.InEpsilon(t, 0.0722, deviation, 0.01)
	for _, v := range w {
		require.LessOrEqual(t, v*v, 1./64)
	}
	same := weights("base.fc1.weight")
	cfg.Seed = 1
	require.Equal(t, w, same)
	require.NotEqual(t, w, weights("base.fc1.weight"), "another seed")
}
