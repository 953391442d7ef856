package method

import (
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

func TestNoisyPixels(t *testing.T) {
	backend := golden.OpenDevice(t, "go")
	x := [][][][]float32{{{{0.5}, {0.9}}}}                 // (1, 1, 2, 1)
	sigma := [][][][]float32{{{{0.1}, {0.2}}}}             // (1, 1, 2, 1)
	z := [][][][][]float32{{{{{1}, {1}}}, {{{-2}, {-1}}}}} // (1, m = 2, 1, 2, 1)
	// x + σ·z
	for clip, want := range map[bool][]float64{false: {0.6, 1.1, 0.3, 0.7}, true: {0.6, 1, 0.3, 0.7}} {
		n := &Network{Config: Config{ClipNoisy: clip}}
		got := call(t, backend, func(in []*Node) *Node { return n.noisy(in[0], in[1], in[2]) }, x, sigma, z)
		require.InDeltaSlice(t, want, got, 1e-6)
	}
}
