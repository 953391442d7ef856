package method

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// The expected values are those of cross_entropy(logits, Y, label_smoothing=ε) for probabilities Y,
// by its formula in float64: the mean of −Σ_k Q_k·log softmax(x)_k, where Q = (1 − ε)·Y + ε/K. Its
// gradient is (softmax(x) − Q)/N, which central differences confirmed to 1e-10.
func TestSoftCrossEntropy(t *testing.T) {
	logits := [][]float64{{1, 2, -1, 0.5}, {0.3, -0.7, 2.2, 0}}
	soft := [][]float32{{0.125, 0.5, 0.25, 0.125}, {0, 0.25, 0.75, 0}}
	for smoothing, want := range map[float64][]float64{
		0: {
			1.2784094485227604,
			0.04960390902410057, 0.05473001879943856, -0.10982838572029188, 0.0054944578967527635,
			0.05685311997188116, -0.10408490599589139, 0.005113958846236888, 0.042117827177773244,
		},
		0.1: {
			1.3452844485227604,
			0.043353909024100565, 0.06723001879943855, -0.10982838572029188, -0.000755542103247242,
			0.044353119971881155, -0.10408490599589139, 0.030113958846236855, 0.029617827177773243,
		},
	} {
		n := &Network{Config: Config{LabelSmoothing: smoothing}}
		golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
			got := call(t, backend, func(in []*Node) *Node {
				x := ConvertDType(in[0], dtype)
				loss := n.crossEntropy(x, in[1], nil)
				return Concatenate([]*Node{Reshape(loss, 1), Reshape(Gradient(loss, x)[0], -1)}, 0)
			}, logits, soft)
			require.InDeltaSlice(t, want, got, map[dtypes.DType]float64{dtypes.Float64: 1e-14, dtypes.Float32: 1e-6}[dtype])
		})
	}
}

// classOf gives the label of the largest probability, the first of equal ones. repeat gives each
// label m times. labelBias takes the mean label.
func TestSoftLabelGraphs(t *testing.T) {
	soft := [][]float32{{0.25, 0.5, 0.25}, {0.5, 0, 0.5}, {0, 0.25, 0.75}}
	golden.EachBackend(t, func(t *testing.T, backend compute.Backend) {
		float := func(x *Node) *Node { return ConvertDType(x, dtypes.Float64) }
		require.Equal(t, []float64{1, 0, 2}, call(t, backend, func(in []*Node) *Node { return float(classOf(in[0])) }, soft))
		twice := []float64{0.25, 0.5, 0.25, 0.25, 0.5, 0.25, 0.5, 0, 0.5, 0.5, 0, 0.5, 0, 0.25, 0.75, 0, 0.25, 0.75}
		require.Equal(t, twice,
			call(t, backend, func(in []*Node) *Node { return float(repeat(in[0], 2)) }, soft))
		logits := [][]float32{{0, 1, 0}, {1, 0, 0}, {1, 0, 0}} // right, right, wrong
		right := call(t, backend, func(in []*Node) *Node { return accuracy(in[1], in[0]) }, soft, logits)
		require.InDeltaSlice(t, []float64{2. / 3}, right, 1e-7)
		for encoding, want := range map[string][]float64{"scaled": {1, 1, 1.75}, "index": {2, 2, 3.5}} { // κ·y/2 and κ·y
			n := &Network{Config: Config{LabelEncoding: encoding, LabelCoefficient: 2, Classes: 3}}
			got := call(t, backend, func(in []*Node) *Node { return n.labelBias(in[0], in[1]) }, soft, logits)
			require.InDeltaSlice(t, want, got, 1e-6, encoding)
		}
	})
}

// Probabilities of a half for class 0 and for class 2 of three have the noise of class 1, and the
// mean of both classes' losses. λ times the loss without noise is added. The gradient is that of
// central differences.
func TestSoftObjective(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.ComputeDType, cfg.NoiseSamples, cfg.LabelCoefficient, cfg.BaseLossWeight = "float64", 2, 1, 0.5
	cfg.ImageShape, cfg.Classes = [3]int{1, 2, 1}, 3
	n, err := New(cfg)
	require.NoError(t, err)
	backend := golden.OpenDevice(t, "go")
	store := formulaWeights(n, backend)
	fill(t, store, "/generator/fc3/bias", func(i int) float64 { return float64(i) - 0.4 })
	fill(t, store, "/base/linear/weight", func(i int) float64 { return float64(i%4) - 1.2 })
	z := [][][]float64{{{1.5, -0.5}, {-2, 1}}}
	run := func(build func(s *model.Scope, x, z *Node) *Node, images []float64) []float64 {
		return golden.Float64s(callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			return []*Node{build(s, in[0], Reshape(in[1], 1, 2, 1, 2, 1))}
		}, [][][][]float64{{{{images[0]}, {images[1]}}}}, z)[0])
	}
	soft := func(x *Node) *Node { return Const(x.Graph(), [][]float32{{0.5, 0, 0.5}}) }
	value := func(s *model.Scope, x, z *Node) *Node { return n.objective(s, x, soft(x), z, nil).loss }

	images := []float64{0.3, 0.8}
	logits := run(func(s *model.Scope, x, z *Node) *Node {
		noisy := n.noisy(x, n.Std(s, x, Const(x.Graph(), []int32{1})), z)
		return LogSoftmax(Concatenate([]*Node{n.Logits(s, noisy), n.Logits(s, x)}, 0))
	}, images)
	of := func(i int) float64 { return -(logits[3*i] + logits[3*i+2]) / 2 }
	require.InDelta(t, (of(0)+of(1))/2+0.5*of(2), run(value, images)[0], 1e-12)

	gradient := run(func(s *model.Scope, x, z *Node) *Node { return Gradient(value(s, x, z), x)[0] }, images)
	for i := range images {
		const h = 1e-5
		up, down := []float64{0.3, 0.8}, []float64{0.3, 0.8}
		up[i], down[i] = up[i]+h, down[i]-h
		require.InDelta(t, (run(value, up)[0]-run(value, down)[0])/(2*h), gradient[i], 1e-8)
		require.Greater(t, math.Abs(gradient[i]), 1e-3)
	}
}

// With every fusion, one-hot probabilities give the σ of their class. Mixed probabilities give the
// mean of the classes' u.
func TestSoftFusions(t *testing.T) {
	images := golden.Tensor(golden.Uniform("x", 2*12), dtypes.Float64, 2, 2, 3, 2)
	for _, fusion := range LabelFusionNames() {
		for _, generator := range GeneratorNames() {
			n, store := fusionNetwork(t, fusion, generator), model.NewStore()
			of := func(y any, build func(s *model.Scope, in []*Node) []*Node) []float64 {
				return golden.Float64s(callOver(t, golden.OpenDevice(t, "go"), store, build, images, y)[0])
			}
			std := func(s *model.Scope, in []*Node) []*Node { return []*Node{n.Std(s, in[0], in[1])} }
			hard := of([]int32{2, 0}, std)
			require.InDeltaSlice(t, hard, of([][]float32{{0, 0, 1}, {1, 0, 0}}, std), 1e-12, "%s, %s", fusion, generator)
			if fusion == "film" {
				continue // no label in u
			}
			u := func(s *model.Scope, in []*Node) []*Node {
				y := in[1]
				if !isSoft(y) {
					y = InsertAxes(y, -1)
				}
				return []*Node{fusionByName[fusion].images(labels{n: n, scope: s.At("generator").In("label"), y: y}, in[0])}
			}
			first, second := of([]int32{0, 0}, u), of([]int32{2, 2}, u)
			for i, mixed := range of([][]float32{{0.25, 0, 0.75}, {0.25, 0, 0.75}}, u) {
				require.InDelta(t, 0.25*first[i]+0.75*second[i], mixed, 1e-12, "%s, %s", fusion, generator)
			}
		}
	}
}
