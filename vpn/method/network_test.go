package method

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

func TestPixelsAndNormalization(t *testing.T) {
	backend := golden.OpenDevice(t, "go")
	for _, where := range []string{"image", "input"} {
		n := &Network{DType: dtypes.Float32}
		n.Config.Normalize = Normalize{Where: where, Mean: []float64{0.5, 0}, Std: []float64{0.25, 2}}
		x := call(t, backend, func(in []*Node) *Node { return n.Pixels(in[0]) }, [][][][]uint8{{{{255, 51}}}}) // 1 and 0.2
		y := call(t, backend, func(in []*Node) *Node { return n.normalize(in[0]) }, [][][][]float32{{{{1, 0.2}}}})
		require.InDeltaSlice(t, []float64{2, 0.1}, y, 1e-6) // (1 − 0.5)/0.25, (0.2 − 0)/2
		if where == "input" {
			require.InDeltaSlice(t, y, x, 1e-6, "σ is added after the normalisation")
		} else {
			require.InDeltaSlice(t, []float64{1, 0.2}, x, 1e-6, "σ is added before the normalisation")
		}
	}
}
