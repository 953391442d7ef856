package vpn

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/internal/random"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// normals draws standard normal values from random state (seed, streamTrain, 1).
func normals(t *testing.T, backend compute.Backend, dtype dtypes.DType, seed int64, dims ...int) []float64 {
	exec := MustNewExec(backend, func(state *Node) *Node {
		_, z := random.Normal(state, shapes.Make(dtype, dims...))
		return z
	})
	defer exec.Finalize()
	out, err := exec.Call(randomState(seed, streamTrain, 1))
	require.NoError(t, err)
	require.Equal(t, dims, out[0].Shape().Dimensions)
	return engine.Floats(out[0])
}

// The sample moments of n standard normal values have standard errors 1/√n (mean), √(2/n)
// (variance), √(6/n) (skewness), √(24/n) (excess kurtosis) and 1/√n (correlations). The tests allow
// five standard errors.
func TestStandardNormalMoments(t *testing.T) {
	const n = 1 << 18
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		z := normals(t, backend, dtype, 1, n)
		mean, deviation := moments(z)
		var skewness, kurtosis, next, halves, squares float64
		for i, v := range z {
			skewness += v * v * v / n
			kurtosis += v * v * v * v / n
			next += v * z[(i+1)%n] / n
			if i < n/2 { // Box–Muller's pairs share a radius, which their squares would show
				partner := z[i+n/2]
				halves += v * partner / (n / 2)
				squares += (v*v - 1) * (partner*partner - 1) / 2 / (n / 2)
			}
		}
		require.InDelta(t, 0, mean, 5/math.Sqrt(n), "mean")
		require.InDelta(t, 1, deviation*deviation, 5*math.Sqrt(2./n), "variance")
		require.InDelta(t, 0, skewness, 5*math.Sqrt(15./n), "third moment")  // its variance about 0 is 15/n
		require.InDelta(t, 3, kurtosis, 5*math.Sqrt(96./n), "fourth moment") // E z⁸ − 9 = 96
		require.InDelta(t, 0, next, 5/math.Sqrt(n), "correlation of neighbours")
		require.InDelta(t, 0, halves, 5/math.Sqrt(n/2), "correlation of the halves")
		require.InDelta(t, 0, squares, 5/math.Sqrt(n/2), "correlation of the halves' squares")
		require.InDelta(t, 4.6, slices.Max(z), 1, "the largest of 2¹⁸ is about √(2 ln 2¹⁸/√(4π ln 2¹⁸)) = 4.5")
	})
}

func TestStandardNormalSeeds(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		z := normals(t, backend, dtypes.Float32, 1, 3, 5, 7) // an odd number drops one draw of the last pair
		require.Equal(t, z, normals(t, backend, dtypes.Float32, 1, 3, 5, 7), "the same seed")
		require.NotEqual(t, z, normals(t, backend, dtypes.Float32, 2, 3, 5, 7), "another seed")
	})
}

// Uniform bits that are all 0 give u = 0. Bits that are all 1 give the largest value below 1, which
// is 1 − 2⁻²⁴ in float32.
func TestBoxMullerExtremes(t *testing.T) {
	const largest = 1 - 0x1p-24
	radius := math.Sqrt(66 * math.Ln2) // √(−2 ln 2⁻³³) = 6.76
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		u := [][]float64{ // z₀ = √(−2 ln u₀)·cos 2πu₁, z₁ with sin
			{0, 0, 0, 0x1p-32, 0x1p-32, largest, largest, 0.5, math.Exp(-2), math.Exp(-2)},
			{0, 0.5, largest, 0, largest, 0, largest, largest, 0, 0.25},
		}
		k := len(u[0])
		exec := MustNewExec(backend, random.BoxMuller)
		defer exec.Finalize()
		out, err := exec.Call(golden.Tensor(slices.Concat(u[0], u[1]), dtype, 2, k))
		require.NoError(t, err)
		z := engine.Floats(out[0])
		for i, v := range z {
			require.LessOrEqual(t, math.Abs(v), radius+1e-5, "z[%d]", i) // false for NaN
		}
		require.InDelta(t, radius, z[0], 1e-5)  // u = (0, 0)
		require.InDelta(t, -radius, z[1], 1e-5) // u = (0, ½)
		require.InDelta(t, 2, z[8], 1e-5)       // u = (e⁻², 0): radius 2, angle 0
		require.InDelta(t, 0, z[k+8], 1e-5)     //
		require.InDelta(t, 0, z[9], 1e-5)       // u = (e⁻², ¼): radius 2, angle 90°
		require.InDelta(t, 2, z[k+9], 1e-5)     //
		require.InDelta(t, 0, z[k+7], 1e-5)     // u₁ next to 1: a full turn
	})
}

func TestRandomStateDependsOnItsArgumentsAlone(t *testing.T) {
	words := func(seed int64, stream uint64, counter int64) []uint64 {
		return tensors.MustCopyFlatData[uint64](randomState(seed, stream, counter))
	}
	one := words(1, streamTrain, 1)
	require.Equal(t, one, words(1, streamTrain, 1))
	for _, other := range [][]uint64{
		words(2, streamTrain, 1), words(1, streamSample, 1), words(1, streamTrain, 2), words(-1, streamTrain, 1),
	} {
		require.NotEqual(t, one, other)
	}
}

func TestPermutation(t *testing.T) {
	order := permutation(1, 0, 100)
	require.Equal(t, order, permutation(1, 0, 100))
	require.NotEqual(t, order, permutation(1, 1, 100), "another epoch")
	require.NotEqual(t, order, permutation(2, 0, 100), "another seed")
	require.NotEqual(t, order, sequence(100))
	slices.Sort(order)
	require.Equal(t, sequence(100), order, "every image once")
}
