package method

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// outputs returns generator outputs of shape (3, 2, 4, 2). The first image's are of order 1, the
// second's of order 5e-5 as those of an untrained generator, the third's of order 1e4.
func outputs() []float64 {
	o := golden.Uniform("o", 3*16)
	for i := range o {
		o[i] *= []float64{1, 5e-5, 1e4}[i/16]
	}
	return o
}

func stdOf(t *testing.T, backend compute.Backend, dtype dtypes.DType, c Config, o []float64) []float64 {
	build := func(in []*Node) *Node { return stdByName[c.Std](&c, in[0]) }
	return call(t, backend, build, golden.Tensor(o, dtype, 3, 2, 4, 2))
}

func TestStdAbs(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		c := Config{Std: "abs"}
		for i, sigma := range stdOf(t, backend, dtype, c, outputs()) {
			require.InEpsilon(t, math.Abs(outputs()[i]), sigma, 1e-6)
		}
	})
}

func TestStdBounded(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		c := Config{Std: "bounded", StdRange: [2]float64{0.01, 0.3}}
		sigma := stdOf(t, backend, dtype, c, outputs())
		require.GreaterOrEqual(t, slices.Min(sigma), 0.01*(1-1e-6))
		require.LessOrEqual(t, slices.Max(sigma), 0.3*(1+1e-6))
		mean, deviation := moments(sigma[16:32]) // o ≈ 0: the middle of the range
		require.InDelta(t, 0.155, mean, 1e-5)
		require.Less(t, deviation, 1e-5)
	})
}

func TestStdRMS(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		c := Config{Std: "rms", StdRMS: 0.2}
		sigma := stdOf(t, backend, dtype, c, outputs())
		require.GreaterOrEqual(t, slices.Min(sigma), 0.)
		for image := range 3 {
			for channel := range 2 {
				var square float64
				for pixel := range 8 {
					v := sigma[image*16+pixel*2+channel]
					square += v * v / 8
				}
				if image == 1 { // |o| is below √rmsEpsilon = 1e-3, so that σ is near |o|·r/1e-3
					require.Less(t, math.Sqrt(square), 0.2*5e-5/1e-3)
				} else {
					require.InEpsilon(t, 0.2, math.Sqrt(square), 1e-4, "image %d, channel %d", image, channel)
				}
			}
		}
		for _, v := range stdOf(t, backend, dtype, c, make([]float64, 48)) {
			require.Zero(t, v, "σ of o = 0")
		}
	})
}
