package method

import (
	"math"
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
)

var inf, nan = math.Inf(1), math.NaN()

// smallConfig returns a configuration with base sr. It sets every value in which the presets
// differ.
func smallConfig(mode string) Config {
	c := DefaultConfig()
	c.Base, c.Mode, c.Epochs, c.BatchSize, c.LearningRate, c.Schedule = "sr", mode, 3, 32, 0.02, "constant"
	c.Std, c.BaseLossWeight, c.LabelCoefficient = "bounded", 1, 0.01
	return c
}

// formulaWeights returns the variables of a network, with the values that golden.Formula gives to
// their names.
func formulaWeights(n *Network, backend compute.Backend) *model.Store {
	return networks.Weights(func(plan *model.Store) {
		g := NewGraph(backend, "variables")
		defer g.Finalize()
		s := n.Config.ImageShape
		x := Parameter(g, "images", shapes.Make(n.DType, 1, s[0], s[1], s[2]))
		n.BuildVariables(plan.RootScope(), x, func() *Node {
			return Parameter(g, "labels", shapes.Make(LabelDType, 1))
		})
	})
}

// call runs build on a backend and returns the values of its output.
func call(t *testing.T, backend compute.Backend, build func(in []*Node) *Node, inputs ...any) []float64 {
	exec := MustNewExec(backend, build)
	defer exec.Finalize()
	out, err := exec.Call(inputs...)
	require.NoError(t, err)
	return golden.Float64s(out[0])
}

// callOver runs build over the variables of a store and returns its outputs.
func callOver(t *testing.T, backend compute.Backend, store *model.Store,
	build func(s *model.Scope, in []*Node) []*Node, inputs ...any) []*tensors.Tensor {
	exec := model.MustNewExec(backend, store, build)
	t.Cleanup(exec.Finalize)
	out, err := exec.Call(inputs...)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, o := range out {
			_ = o.FinalizeAll()
		}
	})
	return out
}

// uniform64 returns the values of golden.Uniform as a float64 tensor.
func uniform64(name string, dims ...int) *tensors.Tensor {
	return golden.Tensor(golden.Uniform(name, shapes.Make(dtypes.Float64, dims...).Size()), dtypes.Float64, dims...)
}

// vector returns a tensor of values in a dtype.
func vector(values []float64, dtype dtypes.DType) *tensors.Tensor {
	return golden.Tensor(values, dtype, len(values))
}

// moments returns mean and standard deviation of values.
func moments(values []float64) (mean, deviation float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean) / n
	}
	return mean, math.Sqrt(deviation)
}

// updating returns a function that runs a step over the variables of a store, gives them their new
// values, and returns the step's first output.
func updating(t *testing.T, backend compute.Backend, store *model.Store,
	build func(s *model.Scope, in []*Node) (*Node, []Update)) func(inputs ...any) float64 {
	var changed []*model.Variable
	exec := MustNewExec(backend, func(in []*Node) []*Node {
		out, updates := build(store.RootScope(), in)
		outputs := []*Node{out}
		changed = changed[:0]
		for _, u := range updates {
			changed, outputs = append(changed, u.Variable), append(outputs, u.Value)
		}
		return outputs
	})
	t.Cleanup(exec.Finalize)
	exec.SetSideParamsHook(func(g *Graph, buffers []compute.Buffer, _ []bool) (err error) {
		for v := range store.IterVariables() {
			if v.InUseByGraph(g) {
				at := g.GetParameterByName(v.Path()).GetParameterHandle()
				if buffers[at], err = v.MustValue().Buffer(backend, 0); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return func(inputs ...any) float64 {
		out, err := exec.Call(inputs...)
		require.NoError(t, err)
		for i, v := range changed {
			require.NoError(t, v.SetValue(out[1+i]))
		}
		return golden.Float64s(out[0])[0]
	}
}

// fill sets a float64 variable to value(i) at each index i.
func fill(t *testing.T, store *model.Store, path string, value func(i int) float64) {
	v := store.GetVariable(path)
	require.NotNil(t, v, path)
	flat := make([]float64, v.Shape().Size())
	for i := range flat {
		flat[i] = value(i)
	}
	require.NoError(t, v.SetValue(tensors.FromFlatDataAndDimensions(flat, v.Shape().Dimensions...)))
}
