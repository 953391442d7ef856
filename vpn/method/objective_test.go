package method

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// In float64, the gradient of every mode's loss is its slope along a random direction v in each
// variable: (L(θ + h·v) − L(θ − h·v))/2h = ∇L·v up to O(h²).
func TestGradientByFiniteDifferences(t *testing.T) {
	images := golden.Tensor(golden.Uniform("x", 3*8), dtypes.Float64, 3, 2, 2, 2)
	z := golden.Tensor(golden.Uniform("z", 3*2*8), dtypes.Float64, 3, 2, 2, 2, 2)
	for mode, trained := range map[string]int{ // dnn3: 3 weights, 3 biases
		"joint": 12, "frozen": 6, "plain": 6, "gaussian": 6,
	} {
		t.Run(mode, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Mode, cfg.NoiseSamples, cfg.Classes = mode, 2, 3
			cfg.ImageShape, cfg.LabelEncoding, cfg.LabelCoefficient = [3]int{2, 2, 2}, "index", 0.3
			cfg.BaseLossWeight = 0.7
			n, err := New(cfg)
			require.NoError(t, err)
			n.DType = dtypes.Float64
			backend := golden.OpenDevice(t, "go")
			store := formulaWeights(n, backend)
			scopes := map[string][]string{"joint": {"base", "generator"}, "frozen": {"generator"}}[mode]
			if scopes == nil {
				scopes = []string{"base"}
			}
			variables := Variables(store, scopes...)
			require.Len(t, variables, trained)
			requireSlopes(t, n, backend, store, variables, images, z)
		})
	}
}

// requireSlopes checks the gradient of the objective in each variable, for three images of labels
// 0, 2 and 1.
func requireSlopes(
	t *testing.T, n *Network, backend compute.Backend, store *model.Store, variables []*model.Variable,
	images, z *tensors.Tensor,
) {
	exec := model.MustNewExec(backend, store, func(s *model.Scope, in []*Node) []*Node {
		loss := n.objective(s, in[0], in[1], in[2], nil).loss
		values := make([]*Node, len(variables))
		for i, v := range variables {
			values[i] = v.NodeValue(loss.Graph())
		}
		return append([]*Node{loss}, Gradient(loss, values...)...)
	})
	run := func() []*tensors.Tensor {
		out, err := exec.Call(images, []int32{0, 2, 1}, z)
		require.NoError(t, err)
		return out
	}
	gradients := run()[1:]
	for i, v := range variables {
		requireSlope(t, v, gradients[i], func() float64 { return golden.Float64s(run()[0])[0] })
	}
}

func requireSlope(t *testing.T, v *model.Variable, gradient *tensors.Tensor, loss func() float64) {
	const h = 1e-6
	start := golden.Float64s(v.MustValue())
	direction := golden.Uniform("direction"+v.Path(), len(start))
	at := func(step float64) float64 {
		moved := make([]float64, len(start))
		for i := range start {
			moved[i] = start[i] + step*direction[i]
		}
		require.NoError(t, v.SetValue(tensors.FromFlatDataAndDimensions(moved, v.Shape().Dimensions...)))
		return loss()
	}
	slope := (at(h) - at(-h)) / (2 * h)
	at(0)
	var want, norm float64
	for i, g := range golden.Float64s(gradient) {
		want += g * direction[i]
		norm += g * g
	}
	require.NotZero(t, norm, v.Path())
	require.InDelta(t, want, slope, 1e-4*max(1e-2, norm), v.Path())
}

// The expected values are PyTorch's: cross_entropy(logits, labels, label_smoothing=0.1) in float64,
// and its gradient.
func TestLabelSmoothing(t *testing.T) {
	n := &Network{Config: Config{LabelSmoothing: 0.1}}
	logits := [][]float64{{1, 2, -1, 0.5}, {0.3, -0.7, 2.2, 0}}
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		got := call(t, backend, func(in []*Node) *Node {
			x := ConvertDType(in[0], dtype)
			loss := n.crossEntropy(x, in[1], nil)
			return Concatenate([]*Node{Reshape(loss, 1), Reshape(Gradient(loss, x)[0], -1)}, 0)
		}, logits, []int32{1, 0})
		require.InDeltaSlice(t, []float64{
			1.3959094485227603,
			0.09960390902410057, -0.15776998120056146, 0.002671614279708112, 0.055494457896752766,
			-0.40564688002811883, 0.008415094004108607, 0.36761395884623693, 0.029617827177773243,
		}, got, map[dtypes.DType]float64{dtypes.Float64: 1e-14, dtypes.Float32: 1e-6}[dtype])
	})
}
