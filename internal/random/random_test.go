package random

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// The known answers of Random123 1.14, kat_vectors: philox 2x32, 10 rounds.
func TestPhilox2x32KnownAnswers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, _ dtypes.DType) {
		exec := MustNewExec(backend, func(c0, c1, key *Node) []*Node {
			b0, b1 := Philox2x32(c0, c1, key)
			return []*Node{b0, b1}
		})
		defer exec.Finalize()
		out := exec.MustCall([]uint32{0, 0xffffffff, 0x243f6a88}, []uint32{0, 0xffffffff, 0x85a308d3}, []uint32{0, 0xffffffff, 0x13198a2e})
		require.Equal(t, []uint32{0xff1dae59, 0x2c3f628b, 0xdd7ce038}, tensors.MustCopyFlatData[uint32](out[0]))
		require.Equal(t, []uint32{0x6cd10df2, 0xab4fd7ad, 0xf62a4c12}, tensors.MustCopyFlatData[uint32](out[1]))
	})
}

func TestCosineOfTurn(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		if dtype != dtypes.Float32 {
			return
		}
		u := make([]float32, 4097)
		for i := range u {
			u[i] = float32(i) / 4096
		}
		exec := MustNewExec(backend, cosineOfTurn)
		defer exec.Finalize()
		for i, v := range tensors.MustCopyFlatData[float32](exec.MustCall(u)[0]) {
			require.InDelta(t, math.Cos(2*math.Pi*float64(u[i])), v, 3e-7, "u = %g", u[i])
		}
	})
}

// A draw from the returned state has nothing in common with the first, also where a word of the state overflows.
func TestNormalGoesOn(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		exec := MustNewExec(backend, func(state *Node) []*Node {
			shape := shapes.Make(dtype, 1<<14)
			next, first := Normal(state, shape)
			_, second := Normal(next, shape)
			return []*Node{ConvertDType(Stack([]*Node{ReduceAllMean(Mul(first, second)), ReduceAllMax(Abs(first))}, 0), dtypes.Float64)}
		})
		defer exec.Finalize()
		for _, word := range []uint64{1, math.MaxUint32, math.MaxUint64} {
			got := tensors.MustCopyFlatData[float64](exec.MustCall([]uint64{word, 2, 3})[0])
			require.InDelta(t, 0, got[0], 5/math.Sqrt(1<<14), "correlation")
			require.InDelta(t, 4, got[1], 1, "the largest of 2¹⁴")
		}
	})
}

// Moments of n draws: E z = 0, E z² = 1, and E z⁴, which tells the distributions apart, is 6 for Laplace's and 9/5 for the uniform
// one. Five standard errors bound what chance may do; E z⁸ is 8!/16 = 2520 and 9.
func TestLaplaceAndUniform(t *testing.T) {
	const n = 1 << 18
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		for _, d := range []struct {
			draw           func(*Node, shapes.Shape) (*Node, *Node)
			fourth, eighth float64
			largest        float64 // of n: ln(n)/√2 ± 4 for Laplace's
			within         float64
		}{{Laplace, 6, 2520, math.Log(n) / math.Sqrt2, 4}, {Uniform, 1.8, 9, math.Sqrt(3), 1e-3}} {
			exec := MustNewExec(backend, func(state *Node) *Node {
				next, z := d.draw(state, shapes.Make(dtype, 2, n/2))
				_, other := d.draw(next, shapes.Make(dtype, 2, n/2))
				mean := func(x *Node) *Node { return ReduceAllMean(ConvertDType(x, dtypes.Float64)) }
				rows := Mul(Slice(z, AxisElem(0)), Slice(z, AxisElem(1)))
				return Stack([]*Node{mean(z), mean(Square(z)), mean(Square(Square(z))), mean(rows), mean(Mul(z, other)),
					ConvertDType(ReduceAllMax(z), dtypes.Float64), ConvertDType(ReduceAllMin(z), dtypes.Float64)}, 0)
			})
			defer exec.Finalize()
			got := tensors.MustCopyFlatData[float64](exec.MustCall([]uint64{7, 2, 3})[0])
			require.InDelta(t, 0, got[0], 5/math.Sqrt(n), "mean")
			require.InDelta(t, 1, got[1], 5*math.Sqrt((d.fourth-1)/n), "variance")
			require.InDelta(t, d.fourth, got[2], 5*math.Sqrt((d.eighth-d.fourth*d.fourth)/n), "fourth moment")
			require.InDelta(t, 0, got[3], 5/math.Sqrt(n/2), "correlation of the halves")
			require.InDelta(t, 0, got[4], 5/math.Sqrt(n), "correlation with the next draw")
			require.InDelta(t, d.largest, got[5], d.within)
			require.InDelta(t, -d.largest, got[6], d.within)
		}
	})
}
