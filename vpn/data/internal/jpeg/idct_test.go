package jpeg

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cosine is the inverse transform as defined in section A.3.3.
func cosine(b [64]int32) (out [64]float64) {
	basis := func(x, u int) float64 {
		if u == 0 {
			return math.Sqrt(1. / 8)
		}
		return math.Cos(float64((2*x+1)*u)*math.Pi/16) / 2
	}
	for i := range out {
		for j, v := range b {
			out[i] += float64(v) * basis(i/8, j/8) * basis(i%8, j%8)
		}
	}
	return out
}

// randomBlock returns coefficients that are zero after zigzag position last.
func randomBlock(rng *rand.Rand, last int, size int32) (b [64]int32) {
	for _, at := range zigzag[:last+1] {
		b[at] = rng.Int32N(2*size+1) - size
	}
	return b
}

// Every implementation agrees with the definition up to rounding. The implementations agree with
// each other bit for bit, even where they overflow.
func TestInverse(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 2000 {
		last := i % 64
		b := randomBlock(rng, last, 1<<(i%32/3))
		var want, got [64]uint8
		c := b
		inverseGo(&c, last, want[:], 8)
		for j, v := range cosine(b) {
			require.InDelta(t, min(max(v+128, 0), 255), want[j], 0.6, "%v, sample %d", b, j)
		}
		c = b
		inverse(&c, last, got[:], 8)
		require.Equal(t, want, got, "%v", b)

		b = randomBlock(rng, last, math.MaxInt32/2)
		c = b
		inverseGo(&c, last, want[:], 8)
		inverse(&b, last, got[:], 8)
		require.Equal(t, want, got, "%v", c)
	}
}

func TestInverseFlat(t *testing.T) {
	for dc, want := range map[int32]uint8{0: 128, 3: 128, 4: 129, -4: 128, -5: 127, 2000: 255, -2000: 0} {
		var out [3*8*8 + 8]uint8
		inverse(&[64]int32{dc}, 0, out[:], 24)
		for y := range 8 {
			assert.Equal(t, []uint8{want, want, want, want, want, want, want, want, 0}, out[24*y:24*y+9])
		}
	}
}
