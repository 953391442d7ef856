//go:build goexperiment.simd

package imaging

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The vectors' results equal those of the plain loops, for all lengths around the vectors' widths.
func TestVectors(t *testing.T) {
	if !vectors {
		t.Skip("this processor lacks AVX2")
	}
	rng := seeded(1)
	defer func() { vectors = true }()
	for n := 1; n < 150; n++ {
		in := make([]uint8, 4*n)
		for i := range in {
			in[i] = uint8(rng.Uint32())
		}
		var results [2][3][]uint8
		for i, on := range []bool{true, false} {
			vectors = on
			var tab table
			var sums []uint32
			tab.build(axis{in: 2 * n, out: n, count: n})
			across, down, rgb := make([]uint8, n), make([]uint8, n), make([]uint8, 3*n)
			tab.across(across, in[:2*n], 1)
			tab.build(axis{in: 4, out: 3, first: 1, count: 1})
			tab.down(down, in, 0, &sums)
			jfifToRGB(rgb, in[:n], in[n:2*n], in[2*n:])
			results[i] = [3][]uint8{across, down, rgb}
		}
		assert.Equal(t, results[1], results[0], n)
	}
}
