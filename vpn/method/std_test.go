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

// σ has the RMS r whatever the size of o. With the ε of 0.1.0 it had less where o is small.
func TestStdRMS(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		for epsilon, small := range map[float64]float64{1e-16: 0.2, 1e-6: 0.2 * 5e-5 / 1e-3 / math.Sqrt(3)} {
			c := Config{Std: "rms", StdRMS: 0.2, StdEpsilon: epsilon}
			sigma := stdOf(t, backend, dtype, c, outputs())
			require.GreaterOrEqual(t, slices.Min(sigma), 0.)
			for image, want := range []float64{0.2, small, 0.2} {
				for channel := range 2 {
					var square float64
					for pixel := range 8 {
						v := sigma[image*16+pixel*2+channel]
						square += v * v / 8
					}
					tolerance := 1e-4
					if want != 0.2 { // √3 is that of 8 uniform numbers only about
						tolerance = 0.5
					}
					require.InEpsilon(t, want, math.Sqrt(square), tolerance, "image %d, channel %d", image, channel)
				}
			}
			for _, v := range stdOf(t, backend, dtype, c, make([]float64, 48)) {
				require.Zero(t, v, "σ of o = 0")
			}
		}
	})
}

// The gradient of Σ w·σ in o against differences, for o of order 5e-5. It is 0, not NaN, at o = 0.
func TestStdRMSGradient(t *testing.T) {
	c, weights := Config{Std: "rms", StdRMS: 0.1, StdEpsilon: 1e-16}, golden.Uniform("w", 48)
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		gradient := func(o []float64) []float64 {
			return call(t, backend, func(in []*Node) *Node {
				sum := ReduceAllSum(Mul(stdByName["rms"](&c, in[0]), in[1]))
				return Gradient(sum, in[0])[0]
			}, golden.Tensor(o, dtype, 3, 2, 4, 2), golden.Tensor(weights, dtype, 3, 2, 4, 2))
		}
		got := gradient(outputs())
		for i := 16; i < 32; i++ {
			at := func(by float64) (sum float64) {
				o := outputs()
				o[i] += by
				for pixel := range 8 { // the channel's pixels in the second image
					j := 16 + 2*pixel + i%2
					var square float64
					for p := range 8 {
						square += o[16+2*p+i%2] * o[16+2*p+i%2] / 8
					}
					sum += weights[j] * math.Abs(o[j]) * 0.1 / math.Sqrt(square)
				}
				return sum
			}
			want := (at(1e-10) - at(-1e-10)) / 2e-10
			require.InDelta(t, want, got[i], 500*max(1e-6, golden.Tolerance(dtype, 1e-4)), "in o[%d]", i) // of about 500
		}
		for _, v := range gradient(make([]float64, 48)) {
			require.Zero(t, v)
		}
	})
}
