package engine

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// The bytes that are alive at the same time, by hand. Each value has 4 KiB.
func TestPeakBytes(t *testing.T) {
	const kib = 1024 / 4
	for _, test := range []struct {
		name           string
		build          func(x *Node) []*Node // of x (2, 512)
		fused, unfused int
	}{
		{"one after another, each in its input's place", func(x *Node) []*Node { return []*Node{Exp(Sqrt(Exp(x)))} }, 4, 4},
		{"one that is read later too", func(x *Node) []*Node { e := Exp(x); return []*Node{Add(e, Sqrt(Exp(e)))} }, 8, 8},
		{"only for a sum", func(x *Node) []*Node { return []*Node{ReduceAllSum(Square(OnePlus(x)))} }, 0, 4},
		{"before a product, through another view", func(x *Node) []*Node {
			e := Reshape(OnePlus(x), 512, 2)
			return []*Node{MatMul(e, Transpose(e, 0, 1))}
		}, 4 + 1024, 4 + 4 + 1024},
		{"results stay", func(x *Node) []*Node { return []*Node{OnePlus(x), Exp(x), Sqrt(x)} }, 12, 12},
	} {
		backend := golden.OpenDevice(t, "go")
		g := NewGraph(backend, "test")
		outputs := test.build(Parameter(g, "x", shapes.Make(dtypes.Float32, 2, 2*kib)))
		require.Equal(t, test.fused, int(peakBytes(outputs, true))/1024, test.name)
		require.Equal(t, test.unfused, int(peakBytes(outputs, false))/1024, test.name)
		g.Finalize()
	}
}
