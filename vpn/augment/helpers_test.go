package augment

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// call compiles and runs a graph, and frees the program.
func call[F ExecGraphFn](t testing.TB, backend compute.Backend, build F, inputs ...any) []*tensors.Tensor {
	exec, err := NewExec(backend, build)
	require.NoError(t, err)
	defer exec.Finalize()
	out, err := exec.Call(inputs...)
	require.NoError(t, err)
	return out
}

// state returns a random state.
func state(t testing.TB, seed int64) *tensors.Tensor {
	s, err := RNGStateFromSeed(seed)
	require.NoError(t, err)
	return s
}

// augmenter compiles a list for images of one shape. It returns a function of the images' values
// and of a seed.
func augmenter(t testing.TB, backend compute.Backend, list List, dtype dtypes.DType,
	dims ...int) func(values []float64, seed int64) []float64 {
	exec, err := NewExec(backend, func(x, state *Node) *Node {
		// The pure-Go backend (compute v0.1.6) cannot return an unchanged input if another input is
		// unused.
		return AddScalar(list.Apply(x, state), 0)
	})
	require.NoError(t, err)
	t.Cleanup(exec.Finalize)
	return func(values []float64, seed int64) []float64 {
		out, err := exec.Call(golden.Tensor(values, dtype, dims...), state(t, seed))
		require.NoError(t, err)
		require.True(t, shapes.Make(dtype, dims...).Equal(out[0].Shape()), out[0].Shape())
		return golden.Float64s(out[0])
	}
}

// drawn returns the parameters that an augmentation draws for images of one shape, as float64.
func drawn(t testing.TB, backend compute.Backend, a Augmentation, seed int64, dims ...int) [][]float64 {
	out := call(t, backend, func(state *Node) []*Node {
		_, params := a.draw(state, shapes.Make(dtypes.Float32, dims...))
		for i, p := range params {
			params[i] = ConvertDType(p, dtypes.Float64)
		}
		return params
	}, state(t, seed))
	values := make([][]float64, len(out))
	for i, o := range out {
		values[i] = golden.Float64s(o)
	}
	return values
}

// constant returns n times v.
func constant(v float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = v
	}
	return values
}

// texture returns n values in [0, 1].
func texture(n int) []float64 {
	values := golden.Uniform("texture", n)
	for i, v := range values {
		values[i] = (v + 1) / 2
	}
	return values
}
