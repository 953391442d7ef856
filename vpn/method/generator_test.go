package method

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

func TestLabelBias(t *testing.T) {
	backend := golden.OpenDevice(t, "go")
	for _, test := range []struct {
		encoding string
		classes  int
		labels   []int32
		want     []float64 // κ = 0.5; scaled is κ·y/(K−1), or 0 for K = 1; index is κ·y
	}{
		{encoding: "scaled", classes: 3, labels: []int32{0, 1, 2}, want: []float64{0, 0.25, 0.5}},
		{encoding: "scaled", classes: 1, labels: []int32{0, 0}, want: []float64{0, 0}},
		{encoding: "scaled", classes: 2, labels: []int32{1, 0}, want: []float64{0.5, 0}},
		{encoding: "index", classes: 3, labels: []int32{0, 1, 2}, want: []float64{0, 0.5, 1}},
		{encoding: "index", classes: 1, labels: []int32{0}, want: []float64{0}},
	} {
		n := &Network{Config: Config{LabelCoefficient: 0.5, LabelEncoding: test.encoding, Classes: test.classes}}
		got := call(t, backend, func(in []*Node) *Node { return n.labelBias(in[0], in[1]) }, test.labels, []float32{0})
		require.Equal(t, test.want, got, "%s, K = %d", test.encoding, test.classes)
	}
}

// σ of all classes at once equals σ of each class, though the perceptron's first product is shared.
func TestStdOfAllClasses(t *testing.T) {
	for _, name := range GeneratorNames() {
		for _, fusion := range LabelFusionNames() {
			golden.EachBackend(t, func(t *testing.T, backend compute.Backend) {
				if name == "resnet18" && fusion != "film" && Fuses(backend) {
					return // XLA compiles for seconds
				}
				cfg := DefaultConfig()
				cfg.Generator, cfg.LabelFusion, cfg.ImageShape, cfg.Classes = name, fusion, [3]int{5, 4, 2}, 3
				n, err := New(cfg)
				require.NoError(t, err)
				images := golden.Tensor(golden.Uniform("x", 2*40), dtypes.Float32, 2, 5, 4, 2)
				out := callOver(t, backend, formulaWeights(n, backend), func(s *model.Scope, in []*Node) []*Node {
					var one []*Node
					for k := range 3 {
						one = append(one, n.Std(s, in[0], Const(in[0].Graph(), []int32{int32(k), int32(k)})))
					}
					return []*Node{n.stdOfAll(s, in[0]), Reshape(Stack(one, 1), 6, 5, 4, 2)}
				}, images)
				all, each := golden.Float64s(out[0]), golden.Float64s(out[1])
				require.InDeltaSlice(t, each, all, 1e-5, name+" "+fusion)
				require.NotEqual(t, all[:40], all[40:80], "classes differ")
			})
		}
	}
}
