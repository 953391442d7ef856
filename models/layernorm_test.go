package models

import (
	"testing"

	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"
)

// The values have mean 2.5 and biased variance 1.25: (1 − 2.5)/√1.25 = −1.3416.
func TestLayerNorm(t *testing.T) {
	got := model.MustCallOnce(gobackend.GetBackend(), model.NewStore(), func(s *model.Scope, x *Node) *Node {
		return LayerNorm(s, x, 0)
	}, [][]float32{{1, 2, 3, 4}})
	require.InDeltaSlice(t, []float32{-1.3416, -0.4472, 0.4472, 1.3416}, got.Value().([][]float32)[0], 1e-4)
}

// torch.nn.functional.gelu([-1, 0, 1]) in float64 is x·Φ(x), Φ(1) = 0.8413447460685429.
func TestGELU(t *testing.T) {
	got := MustExecOnce(gobackend.GetBackend(), GELU, []float64{-1, 0, 1})
	require.InDeltaSlice(t, []float64{-0.1586552539314571, 0, 0.8413447460685429}, got.Value(), 1e-15)
}
