package vpn

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
	"github.com/govpn/govpn/vpn/device"
)

// The expected values of this file come from PyTorch: testdata/golden.py computes them for the same weights, images
// and noise.

// goldenNetwork is the network of a case in the dtype of the test, and a store with its weights.
func goldenNetwork(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) (*network, *model.Store) {
	cfg, err := ParseConfig(c.Config)
	require.NoError(t, err)
	n, err := newNetwork(cfg)
	require.NoError(t, err)
	n.dtype = dtype
	store := formulaWeights(t, n, backend)
	t.Cleanup(store.Finalize) // some hold a gigabyte
	return n, store
}

// formulaWeights are the variables of a network, with the values that golden.Formula gives their names.
func formulaWeights(t *testing.T, n *network, backend compute.Backend) *model.Store {
	return networks.Weights(func(plan *model.Store) {
		_, err := (&Model{net: n, backend: backend}).buildVariables(plan, 1)
		require.NoError(t, err)
	})
}

// goldenInputs are the images, labels and noise of a case.
func goldenInputs(stored map[string]*tensors.Tensor, dtype dtypes.DType) (images, labels, z *tensors.Tensor) {
	images, labels = golden.As(stored["images"], dtype), stored["labels"]
	if stored["z"] == nil { // plain: no noise, but an input all the same
		return images, labels, images
	}
	return images, labels, golden.As(stored["z"], dtype)
}

// goldenCall compiles and runs build over the variables of a store.
func goldenCall(t *testing.T, backend compute.Backend, store *model.Store,
	build func(s *model.Scope, in []*Node) []*Node, inputs ...any) []*tensors.Tensor {
	exec := model.MustNewExec(backend, store, build)
	t.Cleanup(exec.Finalize)
	out, err := exec.Call(inputs...)
	require.NoError(t, err)
	t.Cleanup(func() { free(out...) })
	return out
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

// σ for every parametrisation and label encoding.
func TestGoldenStd(t *testing.T) {
	eachGoldenCase(t, "std", func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) {
		stored := c.Tensors(t)
		n, store := goldenNetwork(t, c, backend, dtype)
		images, labels, _ := goldenInputs(stored, dtype)
		got := goldenCall(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			return []*Node{n.std(s, n.pixels(in[0]), in[1])}
		}, images, labels)
		golden.RequireClose(t, stored["std"], got[0], golden.Tolerance(dtype, 1e-5), "σ")
	})
}

// Generators alone.
func TestGoldenGenerators(t *testing.T) {
	networks.Test(t, "generator", func(config json.RawMessage, s *model.Scope, u *Node) *Node {
		var c struct{ Generator string }
		require.NoError(t, json.Unmarshal(config, &c))
		build, err := generator(c.Generator)
		require.NoError(t, err)
		n := &network{cfg: Config{LabelFusion: "bias", LabelEncoding: "index"}} // κ = 0
		return build(s, u, labels{n: n, y: Zeros(u.Graph(), shapes.Make(labelDType, u.Shape().Dim(0), 1))}, u.Shape().Dimensions[1:], u.DType())
	})
}

// The loss of every mode (Eq. 12 and 13), and the gradients of everything that the mode trains.
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
		got := goldenCall(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			loss := n.objective(s, n.pixels(in[0]), in[1], in[2], nil).loss
			values := make([]*Node, len(trained))
			for i, v := range trained {
				values[i] = v.NodeValue(loss.Graph())
			}
			return append([]*Node{loss}, Gradient(loss, values...)...)
		}, images, labels, z)

		require.InEpsilon(t, floats(stored["loss"])[0], floats(got[0])[0], golden.Tolerance(dtype, 1e-5), "loss")
		for i, v := range trained {
			name := "grad/" + golden.Name(v)
			golden.RequireDigest(t, stored[name], got[1+i], golden.Tolerance(dtype, 1e-3), name)
		}
	})
}

// Training steps follow PyTorch's losses, and the statistics of batch norm after them; what the mode does not train
// stays as it was, bit for bit.
func TestGoldenTraining(t *testing.T) {
	eachGoldenCase(t, "training", func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) {
		stored := c.Tensors(t)
		n, store := goldenNetwork(t, c, backend, dtype)
		images, labels, z := goldenInputs(stored, dtype)
		before := map[string][]float64{}
		for _, v := range variables(store, "base", "generator") {
			before[v.Path()] = golden.Float64s(v.MustValue())
		}
		step, losses := goldenStep(t, n, store, backend), golden.Float64s(stored["losses"])
		for i, want := range losses {
			half := golden.Part(images, i%2, 2)
			batch := []any{half, golden.Part(labels, i%2, 2), half}
			if n.cfg.Mode != "plain" { // stored as (steps·N, m, H, W, C)
				batch[2] = golden.Part(z, i, len(losses))
			}
			got := step(batch, int64(i+1), i/2)
			require.InEpsilon(t, want, got, golden.Tolerance(dtype, 1e-3), "loss of step %d", i+1)
		}
		for _, v := range variables(store, "base", "generator") {
			frozen := n.cfg.Mode == "frozen" && strings.HasPrefix(v.Path(), "/base/")
			require.Equal(t, frozen, slices.Equal(golden.Float64s(v.MustValue()), before[v.Path()]), v.Path())
			if models.IsBuffer(v.Name()) {
				name := "after/" + golden.Name(v)
				golden.RequireDigest(t, stored[name], v.MustValue(), golden.Tolerance(dtype, 1e-3), name)
			}
		}
	})
}

// goldenStep makes training steps on given images, labels and noise, and returns their loss.
func goldenStep(t *testing.T, n *network, store *model.Store, backend compute.Backend) func(batch []any, step int64, epoch int) float64 {
	read := func(v *model.Variable) (*tensors.Tensor, error) { return v.Value() }
	p, err := newProgram(backend, store, "train", read, func(s *model.Scope, in []*Node) ([]*Node, []update) {
		loss := n.objective(s, n.pixels(in[0]), in[1], in[2], nil).loss
		return []*Node{loss}, n.trainingUpdates(s, loss, in[3])
	})
	require.NoError(t, err)
	t.Cleanup(p.close)
	return func(batch []any, step int64, epoch int) float64 {
		out, err := p.call(append(batch, n.vector(n.cfg.stepRates(step, epoch, n.cfg.Epochs)))...)
		require.NoError(t, err)
		for i, v := range p.updates {
			require.NoError(t, v.SetValue(out[1+i]))
		}
		return floats(out[0])[0]
	}
}

// Classwise scores (Algorithm 2), averaged over two noises per class, and without noise.
func TestGoldenClasswise(t *testing.T) {
	eachGoldenCase(t, "classwise", func(t *testing.T, c golden.Case, backend compute.Backend, dtype dtypes.DType) {
		stored := c.Tensors(t)
		n, store := goldenNetwork(t, c, backend, dtype)
		images, _, z := goldenInputs(stored, dtype) // z (2·N·K, 1, H, W, C)
		got := goldenCall(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			x := n.pixels(in[0])
			scores := Add(n.classwise(s, x, in[1]), n.classwise(s, x, in[2]))
			return []*Node{MulScalar(scores, 0.5), Softmax(n.logits(s, x), -1)}
		}, images, golden.Part(z, 0, 2), golden.Part(z, 1, 2))
		golden.RequireClose(t, stored["scores"], got[0], golden.Tolerance(dtype, 1e-5), "scores")
		golden.RequireClose(t, stored["none"], got[1], golden.Tolerance(dtype, 1e-5), "none")
	})
}

// The optimisers and their schedules, in float64, against torch.optim.
func TestGoldenOptimizer(t *testing.T) {
	backend, _, err := device.Open("go", device.Options{})
	require.NoError(t, err)
	for _, c := range golden.Cases(t, "optimizer") {
		t.Run(c.Name, func(t *testing.T) {
			cfg, err := ParseConfig(c.Config)
			require.NoError(t, err)
			n := &network{cfg: cfg, dtype: dtypes.Float64}
			store := model.NewStore()
			v := store.VariableWithValue("/base/p", c.Params[0])
			read := func(v *model.Variable) (*tensors.Tensor, error) { return v.Value() }
			p, err := newProgram(backend, store, "step", read, func(s *model.Scope, in []*Node) ([]*Node, []update) {
				return []*Node{in[0]}, n.optimizerUpdates(s, v, in[0], in[1])
			})
			require.NoError(t, err)
			defer p.close()
			for i, gradient := range c.Gradients {
				out, err := p.call(n.vector(gradient), n.vector(cfg.stepRates(int64(i+1), i/2, cfg.Epochs)))
				require.NoError(t, err)
				for j, u := range p.updates {
					require.NoError(t, u.SetValue(out[1+j]))
				}
				require.InEpsilonSlice(t, c.Params[i+1], floats(v.MustValue()), 1e-12, "step %d", i+1)
			}
		})
	}
}
