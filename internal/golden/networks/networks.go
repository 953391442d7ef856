// Package networks compares networks with PyTorch's, using the golden files of
// vpn/method/testdata/golden_networks.py.
package networks

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/models"
)

// Test compares every network of a kind ("base", "generator" or "layer") with PyTorch's, on every
// device. It compares variables, output, gradients and, after a pass in training mode, the
// statistics of batch norm. build gets the configuration of the case, and builds the network in
// scope /kind: images (N, H, W, C) → output.
func Test(t *testing.T, kind string, build func(config json.RawMessage, s *model.Scope, images *Node) *Node) {
	for _, c := range golden.Cases(t, kind) {
		t.Run(c.Name, func(t *testing.T) {
			stored := c.Tensors(t)
			countParameters(t, c, func(s *model.Scope, x *Node) *Node {
				return build(c.Config, s.At("%s", kind), x)
			})
			c.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
				n := comparison{Case: c, stored: stored, build: func(s *model.Scope, x *Node) *Node {
					return build(c.Config, s.At("%s", kind), x)
				}}
				n.compare(t, backend, dtype)
			})
		})
	}
}

type comparison struct {
	golden.Case
	stored  map[string]*tensors.Tensor
	build   func(s *model.Scope, x *Node) *Node
	results []string // the names under which the graph's results are stored
}

func (n *comparison) compare(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
	input := n.input(t, dtype)
	store := Weights(func(plan *model.Store) {
		g := NewGraph(backend, "variables")
		defer g.Finalize()
		n.build(plan.RootScope(), Zeros(g, input.Shape()))
	})
	defer store.Finalize() // some stores hold a gigabyte

	exec := model.MustNewExec(backend, store, n.graph)
	defer exec.Finalize()
	got, err := exec.Call(input)
	require.NoError(t, err)
	require.Len(t, n.stored, len(got), "a variable that PyTorch has is missing")
	for i, name := range n.results {
		tolerance := golden.Tolerance(dtype, n.tolerance(name))
		if want := n.stored[name]; want != nil && n.Kind == "base" && strings.HasSuffix(name, "/output") { // logits
			golden.RequireClose(t, want, got[i], tolerance, name)
		} else {
			golden.RequireDigest(t, want, got[i], tolerance, name)
		}
	}
}

// countParameters compares the number of a network's parameters with PyTorch's. It computes nothing.
func countParameters(t *testing.T, c golden.Case, build func(s *model.Scope, x *Node) *Node) {
	n := comparison{Case: c}
	plan := model.NewStore()
	plan.SetParam("/"+models.ShapesOnly, true)
	g := NewGraph(golden.OpenDevice(t, "go"), "parameters")
	defer g.Finalize()
	build(plan.RootScope(), Zeros(g, n.input(t, dtypes.Float32).Shape()))
	parameters := 0
	for _, v := range Variables(plan) {
		if !models.IsBuffer(v.Name()) {
			parameters += v.Shape().Size()
		}
	}
	require.Equal(t, c.Parameters, parameters, "parameters")
}

// tolerance returns the tolerance of a float32 result. In a deep network, rounding alone may switch
// a ReLU unit on one machine and not on another. That changes a gradient by a thousandth, in
// PyTorch too. float64 shows that the gradient is exactly right.
func (n *comparison) tolerance(name string) float64 {
	switch {
	case n.Kind == "layer":
		return 1e-5
	case strings.Contains(name, "/grad/"):
		return 1e-2
	default:
		return 1e-4
	}
}

// graph computes all stored values of the network, first in inference mode, then in training mode.
func (n *comparison) graph(s *model.Scope, x *Node) (out []*Node) {
	n.results = nil
	add := func(name string, value *Node) { n.results, out = append(n.results, name), append(out, value) }
	for _, mode := range []string{"inference", "training"} {
		if n.stored[mode+"/output"] == nil {
			continue
		}
		s.SetGraphParam(x.Graph(), models.Training, mode == "training")
		y := n.build(s, x)
		add(mode+"/output", y)
		if n.stored[mode+"/grad/input"] == nil {
			continue
		}
		names, values := []string{"input"}, []*Node{x}
		for _, v := range Variables(s.Store()) {
			if !models.IsBuffer(v.Name()) {
				names, values = append(names, golden.Name(v)), append(values, v.NodeValue(x.Graph()))
			}
		}
		cotangent := ConstTensor(x.Graph(),
			golden.Tensor(golden.Uniform("cotangent", y.Shape().Size()), y.DType(), y.Shape().Dimensions...))
		for i, gradient := range Gradient(ReduceAllSum(Mul(y, cotangent)), values...) {
			add(mode+"/grad/"+names[i], gradient)
		}
	}
	for _, v := range Variables(s.Store()) {
		if v.ChangedInGraph(x.Graph()) {
			add("after/"+golden.Name(v), v.NodeValue(x.Graph()))
		}
	}
	return out
}

// input returns the input, whose values a formula gives.
func (n *comparison) input(t *testing.T, dtype dtypes.DType) *tensors.Tensor {
	var config struct {
		Shape []int `json:"image_shape"`
	}
	require.NoError(t, json.Unmarshal(n.Config, &config))
	dims := append([]int{n.Batch}, config.Shape...)
	values := golden.Uniform(n.Name+" input", n.Batch*config.Shape[0]*config.Shape[1]*config.Shape[2])
	for i, v := range values {
		if n.Levels > 0 {
			values[i] = math.RoundToEven(v*float64(n.Levels)) / float64(n.Levels)
		}
	}
	return golden.Tensor(values, dtype, dims...)
}

// Weights returns a store with the variables that build creates, with values given by a formula.
func Weights(build func(plan *model.Store)) *model.Store {
	plan, store := model.NewStore(), model.NewStore()
	plan.SetParam("/"+models.ShapesOnly, true)
	build(plan)
	for v := range plan.IterVariables() {
		dtype, dims := v.DType(), v.Shape().Dimensions
		value := tensors.FromScalar(int64(0)) // num_batches_tracked
		if dtype != dtypes.Int64 {
			value = golden.Tensor(golden.Formula(golden.Name(v), dims), dtype, dims...)
		}
		store.VariableWithValue(v.Path(), value)
	}
	return store
}

// Variables returns the variables of a store, sorted by path.
func Variables(store *model.Store) []*model.Variable {
	return slices.SortedFunc(store.IterVariables(),
		func(a, b *model.Variable) int { return strings.Compare(a.Path(), b.Path()) })
}
