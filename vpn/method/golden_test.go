package method

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/internal/golden/networks"
	"github.com/govpn/govpn/models"
)

// The expected values of this file come from PyTorch. testdata/golden.py computes them for the same
// weights, images and noise.

// goldenNetwork returns the network of a case in the test's dtype, and a store with its weights.
func goldenNetwork(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) (*Network, *model.Store) {
	cfg, err := ParseConfig(c.Config)
	require.NoError(t, err)
	cfg.StdEpsilon = 1e-6 // of testdata/reference.py
	n, err := New(cfg)
	require.NoError(t, err)
	n.DType = dtype
	store := formulaWeights(n, backend)
	t.Cleanup(store.Finalize) // some hold a gigabyte
	return n, store
}

// goldenInputs returns images, labels and noise of a case.
func goldenInputs(stored map[string]*tensors.Tensor, dtype dtypes.DType) (images, labels, z *tensors.Tensor) {
	images, labels = golden.As(stored["images"], dtype), stored["labels"]
	if stored["z"] == nil { // mode plain has no noise, but takes an input
		return images, labels, images
	}
	return images, labels, golden.As(stored["z"], dtype)
}

func eachGoldenCase(t *testing.T, kind string,
	test func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType)) {
	for _, c := range golden.Cases(t, kind) {
		t.Run(c.Name, func(t *testing.T) {
			c.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
				test(t, c, backend, dtype)
			})
		})
	}
}

// σ of every parametrisation and label encoding.
func TestGoldenStd(t *testing.T) {
	eachGoldenCase(t, "std", func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) {
		stored := c.Tensors(t)
		n, store := goldenNetwork(t, c, backend, dtype)
		images, labels, _ := goldenInputs(stored, dtype)
		got := callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			return []*Node{n.Std(s, n.Pixels(in[0]), in[1])}
		}, images, labels)
		golden.RequireClose(t, stored["std"], got[0], golden.Tolerance(dtype, 1e-5), "σ")
	})
}

// Generators alone: outputs, gradients and running statistics.
func TestGoldenGenerators(t *testing.T) {
	networks.Test(t, "generator", func(config json.RawMessage, s *model.Scope, u *Node) *Node {
		var c struct{ Generator string }
		require.NoError(t, json.Unmarshal(config, &c))
		build, err := generatorNamed(c.Generator)
		require.NoError(t, err)
		n := &Network{Config: Config{LabelFusion: "bias", LabelEncoding: "index"}} // κ = 0
		y := Zeros(u.Graph(), shapes.Make(LabelDType, u.Shape().Dim(0), 1))
		return build(s, u, labels{n: n, y: y}, u.Shape().Dimensions[1:], u.DType())
	})
}

// The loss of every mode (Eq. 12 and 13), and its gradients in all parameters that the mode trains.
func TestGoldenObjective(t *testing.T) {
	eachGoldenCase(t, "objective", func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) {
		stored := c.Tensors(t)
		n, store := goldenNetwork(t, c, backend, dtype)
		images, labels, z := goldenInputs(stored, dtype)
		var trained []*model.Variable
		for _, v := range networks.Variables(store) {
			if stored["grad/"+golden.Name(v)] != nil {
				trained = append(trained, v)
			}
		}
		require.Len(t, trained, c.Trained)
		got := callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			loss := n.objective(s, n.Pixels(in[0]), in[1], in[2], nil).loss
			values := make([]*Node, len(trained))
			for i, v := range trained {
				values[i] = v.NodeValue(loss.Graph())
			}
			return append([]*Node{loss}, Gradient(loss, values...)...)
		}, images, labels, z)

		want := golden.Float64s(stored["loss"])[0]
		require.InEpsilon(t, want, golden.Float64s(got[0])[0], golden.Tolerance(dtype, 1e-5), "loss")
		for i, v := range trained {
			name := "grad/" + golden.Name(v)
			golden.RequireDigest(t, stored[name], got[1+i], golden.Tolerance(dtype, 1e-3), name)
		}
	})
}

// Training steps have PyTorch's losses and lead to its running statistics. What a mode does not
// train stays as it was, bit for bit.
func TestGoldenTraining(t *testing.T) {
	eachGoldenCase(t, "training", func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) {
		stored := c.Tensors(t)
		n, store := goldenNetwork(t, c, backend, dtype)
		images, labels, z := goldenInputs(stored, dtype)
		before := map[string][]float64{}
		for _, v := range Variables(store, "base", "generator") {
			before[v.Path()] = golden.Float64s(v.MustValue())
		}
		step, losses := goldenStep(t, n, store, backend), golden.Float64s(stored["losses"])
		for i, want := range losses {
			half := golden.Part(images, i%2, 2)
			batch := []any{half, golden.Part(labels, i%2, 2), half}
			if n.Config.Mode != "plain" { // stored as (steps·N, m, H, W, C)
				batch[2] = golden.Part(z, i, len(losses))
			}
			got := step(batch, int64(i+1), i/2)
			require.InEpsilon(t, want, got, golden.Tolerance(dtype, 1e-3), "loss of step %d", i+1)
		}
		for _, v := range Variables(store, "base", "generator") {
			frozen := n.Config.Mode == "frozen" && strings.HasPrefix(v.Path(), "/base/")
			require.Equal(t, frozen, slices.Equal(golden.Float64s(v.MustValue()), before[v.Path()]), v.Path())
			if models.IsBuffer(v.Name()) {
				name := "after/" + golden.Name(v)
				golden.RequireDigest(t, stored[name], v.MustValue(), golden.Tolerance(dtype, 1e-3), name)
			}
		}
	})
}

// goldenStep returns a function that makes a training step on given images, labels and noise, and
// returns its loss.
func goldenStep(
	t *testing.T, n *Network, store *model.Store, backend compute.Backend,
) func(batch []any, step int64, epoch int) float64 {
	run := updating(t, backend, store, func(s *model.Scope, in []*Node) (*Node, []Update) {
		loss := n.objective(s, n.Pixels(in[0]), in[1], in[2], nil).loss
		return loss, n.updates(s, loss, in[3])
	})
	return func(batch []any, step int64, epoch int) float64 {
		return run(append(batch, vector(n.Config.StepRates(step, epoch, n.Config.Epochs), n.DType))...)
	}
}

// Classwise scores (Algorithm 2), averaged over two noises per class, and probabilities without
// noise.
func TestGoldenClasswise(t *testing.T) {
	eachGoldenCase(t, "classwise", func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) {
		stored := c.Tensors(t)
		n, store := goldenNetwork(t, c, backend, dtype)
		images, _, z := goldenInputs(stored, dtype) // z (2·N·K, 1, H, W, C)
		got := callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			x := n.Pixels(in[0])
			scores := Add(n.classwise(s, x, in[1]), n.classwise(s, x, in[2]))
			return []*Node{MulScalar(scores, 0.5), Softmax(n.Logits(s, x), -1)}
		}, images, golden.Part(z, 0, 2), golden.Part(z, 1, 2))
		golden.RequireClose(t, stored["scores"], got[0], golden.Tolerance(dtype, 1e-5), "scores")
		golden.RequireClose(t, stored["none"], got[1], golden.Tolerance(dtype, 1e-5), "none")
	})
}

// The optimisers and their schedules equal torch.optim's, in float64.
func TestGoldenOptimizer(t *testing.T) {
	backend := golden.OpenDevice(t, "go")
	for _, c := range golden.Cases(t, "optimizer") {
		t.Run(c.Name, func(t *testing.T) {
			cfg, err := ParseConfig(c.Config)
			require.NoError(t, err)
			n := &Network{Config: cfg, DType: dtypes.Float64}
			store := model.NewStore()
			v := store.VariableWithValue("/base/p", c.Params[0])
			run := updating(t, backend, store, func(s *model.Scope, in []*Node) (*Node, []Update) {
				return in[0], n.optimizerUpdates(s, v, in[0], in[1])
			})
			for i, gradient := range c.Gradients {
				run(vector(gradient, n.DType), vector(cfg.StepRates(int64(i+1), i/2, cfg.Epochs), n.DType))
				require.InEpsilonSlice(t, c.Params[i+1], golden.Float64s(v.MustValue()), 1e-12, "step %d", i+1)
			}
		})
	}
}
