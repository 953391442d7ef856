package method

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

// L − β·mean(log(σ + 1e-6)) has slope −β/(n·(σ + 1e-6)), also where σ = 0. The expected values are
// computed here in float64.
func TestEntropyLoss(t *testing.T) {
	n := &Network{Config: Config{EntropyWeight: 0.5}}
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

// Every loss of a mode with a generator contains the reward once, for the σ of that step, whatever
// λ and m.
func TestEntropyIsInTheObjective(t *testing.T) {
	for _, test := range []struct {
		mode   string
		lambda float64
	}{{"joint", 0}, {"joint", 0.7}, {"frozen", 0}, {"frozen", 0.7}} {
		cfg := smallConfig(test.mode)
		cfg.ImageShape, cfg.Classes, cfg.NoiseSamples, cfg.BaseLossWeight = [3]int{2, 2, 2}, 3, 2, test.lambda
		n, err := New(cfg)
		require.NoError(t, err)
		n.DType = dtypes.Float64
		backend := golden.OpenDevice(t, "go")
		store := formulaWeights(n, backend)
		objective := func(weight float64) []*tensors.Tensor {
			n.Config.EntropyWeight = weight
			return callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
				o := n.objective(s, in[0], in[1], in[2], nil)
				return []*Node{o.loss, o.std}
			}, golden.Tensor(golden.Uniform("x", 24), dtypes.Float64, 3, 2, 2, 2), []int32{0, 2, 1},
				golden.Tensor(golden.Uniform("z", 48), dtypes.Float64, 3, 2, 2, 2, 2))
		}
		plain, rewarded := objective(0), objective(0.2)
		var reward float64
		for _, s := range golden.Float64s(plain[1]) {
			reward += 0.2 * math.Log(s+1e-6) / 24
		}
		require.InDelta(t, golden.Float64s(plain[0])[0]-reward, golden.Float64s(rewarded[0])[0], 1e-12, test)
	}
}
