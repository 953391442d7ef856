package vpn

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// L − β·mean(log(σ + 1e-6)) with slope −β/(n·(σ + 1e-6)), in float64 by hand; also where σ = 0.
func TestEntropyLoss(t *testing.T) {
	n := &network{cfg: Config{EntropyWeight: 0.5}}
	sigma := []float64{0, 1e-7, 0.01, 0.3, 1, 2}
	want := []float64{3}
	for _, s := range sigma {
		want[0] -= 0.5 * math.Log(s+1e-6) / 6
		want = append(want, -0.5/6/(s+1e-6))
	}
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		got := call(t, backend, func(in []*Node) *Node {
			loss := n.entropyLoss(in[1], in[0], nil)
			return Concatenate([]*Node{Reshape(loss, 1), Reshape(Gradient(loss, in[0])[0], -1)}, 0)
		}, golden.Tensor(sigma, dtype, 3, 2), golden.Tensor([]float64{3}, dtype))
		require.InEpsilonSlice(t, want, got, map[dtypes.DType]float64{dtypes.Float64: 1e-13, dtypes.Float32: 1e-5}[dtype])
	})
}

// Every loss with a generator has the reward once, at the σ of that step, whatever λ and m.
func TestEntropyIsInTheObjective(t *testing.T) {
	for _, test := range []struct {
		mode   string
		lambda float64
	}{{"joint", 0}, {"joint", 0.7}, {"frozen", 0}, {"frozen", 0.7}} {
		cfg := smallConfig(test.mode)
		cfg.ImageShape, cfg.Classes, cfg.NoiseSamples, cfg.BaseLossWeight = [3]int{2, 2, 2}, 3, 2, test.lambda
		n, err := newNetwork(cfg)
		require.NoError(t, err)
		n.dtype = dtypes.Float64
		backend := openDevice(t, "go")
		store := formulaWeights(t, n, backend)
		objective := func(weight float64) []*tensors.Tensor {
			n.cfg.EntropyWeight = weight
			return goldenCall(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
				o := n.objective(s, in[0], in[1], in[2], nil)
				return []*Node{o.loss, o.std}
			}, golden.Tensor(golden.Uniform("x", 24), dtypes.Float64, 3, 2, 2, 2), []int32{0, 2, 1},
				golden.Tensor(golden.Uniform("z", 48), dtypes.Float64, 3, 2, 2, 2, 2))
		}
		plain, rewarded := objective(0), objective(0.2)
		var reward float64
		for _, s := range floats(plain[1]) {
			reward += 0.2 * math.Log(s+1e-6) / 24
		}
		require.InDelta(t, floats(plain[0])[0]-reward, floats(rewarded[0])[0], 1e-12, test)
	}
}

// Cross-entropy alone keeps σ small; the reward lets it grow, also where it starts near 0 and for a frozen base.
func TestEntropyMakesNoiseLarger(t *testing.T) {
	train, file := stripes(t, 96, 1), t.TempDir()+"/base"
	require.NoError(t, fitted(t, smallConfig("plain"), train, nil).ExportSafetensors(file, ExportOptions{Part: "base"}))
	for _, mode := range []string{"joint", "frozen"} {
		for _, std := range []string{"abs", "bounded"} {
			mean := func(weight float64) float64 {
				cfg := smallConfig(mode)
				cfg.ImageShape, cfg.Classes, cfg.Std, cfg.EntropyWeight, cfg.LearningRate = [3]int{4, 4, 1}, 3, std, weight, 0.002
				m := newModel(t, cfg, openDevice(t, "go"))
				require.NoError(t, m.ImportSafetensors(file, ImportOptions{}))
				require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
				last := m.History()[cfg.Epochs-1]
				require.False(t, math.IsNaN(float64(last.Loss)))
				return float64(last.StdMean)
			}
			require.Greater(t, mean(0.5), 1.2*mean(0), "%s, %s", mode, std)
		}
	}
}
