package models

import (
	"testing"

	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"
)

// torch.relu([-1, 0, 2]) is [0, 0, 2] with gradient [0, 0, 1].
func TestReLU(t *testing.T) {
	out := MustExecOnceN(gobackend.GetBackend(), func(x *Node) []*Node {
		y := ReLU(x)
		return []*Node{y, Gradient(ReduceAllSum(y), x)[0]}
	}, []float32{-1, 0, 2})
	require.Equal(t, []float32{0, 0, 2}, out[0].Value())
	require.Equal(t, []float32{0, 0, 1}, out[1].Value())
}
