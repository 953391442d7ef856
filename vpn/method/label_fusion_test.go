package method

import (
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/models"
)

// fusionNetwork returns a network for images of 2×3×2 in three classes, in float64.
func fusionNetwork(t *testing.T, fusion, generator string) *Network {
	cfg := smallConfig("frozen")
	cfg.LabelFusion, cfg.Generator, cfg.LabelCoefficient = fusion, generator, 0.5
	cfg.ImageShape, cfg.Classes = [3]int{2, 3, 2}, 3
	n, err := New(cfg)
	require.NoError(t, err)
	n.DType = dtypes.Float64
	return n
}

// The generator's input u by each fusion's definition. bias adds κ·y/(K−1), plane appends one-hot
// channels, embedding adds E_y.
func TestFusedImages(t *testing.T) {
	backend, x := golden.OpenDevice(t, "go"), golden.Uniform("x", 2*12)
	table := golden.Formula("label.weight", []int{3, 2, 3, 2})
	for fusion, want := range map[string]func(image, pixel, label int) []float64{
		"bias": func(i, p, y int) []float64 {
			return []float64{x[12*i+2*p] + 0.25*float64(y), x[12*i+2*p+1] + 0.25*float64(y)}
		},
		"plane": func(i, p, y int) []float64 {
			return append([]float64{x[12*i+2*p], x[12*i+2*p+1]}, [][]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}[y]...)
		},
		"embedding": func(i, p, y int) []float64 {
			return []float64{x[12*i+2*p] + table[12*y+2*p], x[12*i+2*p+1] + table[12*y+2*p+1]}
		},
	} {
		n, store := fusionNetwork(t, fusion, "dnn3"), model.NewStore()
		store.VariableWithValue("/label/weight", golden.Tensor(table, dtypes.Float64, 3, 2, 3, 2))
		// one label per image; all classes for both images; two labels per image
		for _, y := range [][][]int32{{{2}, {0}}, {{0, 1, 2}}, {{1, 2}, {0, 1}}} {
			got := callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
				return []*Node{fusionByName[fusion].images(labels{n: n, scope: s.In("label"), y: in[1]}, in[0])}
			}, golden.Tensor(x, dtypes.Float64, 2, 2, 3, 2), y)
			var values []float64
			for image := range 2 {
				for _, label := range y[min(image, len(y)-1)] {
					for pixel := range 6 {
						values = append(values, want(image, pixel, int(label))...)
					}
				}
			}
			require.InDeltaSlice(t, values, golden.Float64s(got[0]), 1e-15, "%s %v", fusion, y)
			require.Equal(t, []int{2 * len(y[0]), 2, 3, len(values) / 2 / len(y[0]) / 6}, got[0].Shape().Dimensions)
		}
	}
}

// The first product, which all labels share, equals that of a linear layer on u.
func TestFusedLinear(t *testing.T) {
	backend, x := golden.OpenDevice(t, "go"), golden.Tensor(golden.Uniform("x", 2*12), dtypes.Float64, 2, 2, 3, 2)
	for name, fusion := range fusionByName {
		n, store := fusionNetwork(t, name, "dnn3"), model.NewStore()
		for _, y := range [][][]int32{{{2}, {0}}, {{0, 1, 2}}} {
			got := callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
				l := labels{n: n, scope: s.At("label"), y: in[1]}
				want := models.Linear(s.At("fc"), models.Flatten(fusion.images(l, in[0])), 5, models.TorchUniform)
				got := fusion.linear(l, s.At("fc"), in[0], 5, models.TorchUniform)
				weight := s.At("fc").GetVariable("weight").NodeValue(want.Graph())
				gradient := func(y *Node) *Node { return Gradient(ReduceAllSum(Square(y)), weight)[0] }
				return []*Node{want, got, gradient(want), gradient(got)}
			}, x, y)
			require.InDeltaSlice(t, golden.Float64s(got[0]), golden.Float64s(got[1]), 1e-14, name)
			require.InDeltaSlice(t, golden.Float64s(got[2]), golden.Float64s(got[3]), 1e-12, "%s: gradient of the weight", name)
		}
	}
}

// h·(1 + γ_y) + δ_y by hand, for vectors and for maps.
func TestFilm(t *testing.T) {
	n, store := fusionNetwork(t, "film", "dnn3"), model.NewStore()
	store.VariableWithValue("/label/gamma/weight", [][]float64{{1, -1}, {0, 2}, {-1, 0.5}})
	store.VariableWithValue("/label/delta/weight", [][]float64{{0, 0}, {10, 20}, {0.5, -1}})
	got := callOver(t, golden.OpenDevice(t, "go"), store, func(s *model.Scope, in []*Node) []*Node {
		of := func(y *Node) labels { return labels{n: n, scope: s.At("label"), y: y} }
		return []*Node{film(of(in[1]), in[0]), film(of(in[1]), InsertAxes(in[0], 1, 1)), film(of(in[2]), in[0])}
	}, [][]float64{{2, 3}, {4, -5}}, [][]int32{{0, 1, 2}}, [][]int32{{1}, {0}})
	all := [][]float64{{4, 0}, {12, 29}, {0.5, 3.5}, {8, 0}, {14, 5}, {0.5, -8.5}}
	require.Equal(t, all, got[0].Value())
	require.Equal(t, slices.Concat(all...), golden.Float64s(got[1]))
	require.Equal(t, []int{6, 1, 1, 2}, got[1].Shape().Dimensions)
	require.Equal(t, [][]float64{{12, 29}, {8, 0}}, got[2].Value())
}

// The gradient in all that a generator learns, tables of labels included, is the slope of the loss.
func TestFusionGradients(t *testing.T) {
	images := golden.Tensor(golden.Uniform("x", 3*12), dtypes.Float64, 3, 2, 3, 2)
	z := golden.Tensor(golden.Uniform("z", 3*12), dtypes.Float64, 3, 1, 2, 3, 2)
	for fusion, learned := range map[string]int{"plane": 6, "embedding": 7, "film": 8} { // dnn3 has 6
		n, backend := fusionNetwork(t, fusion, "dnn3"), golden.OpenDevice(t, "go")
		n.Config.EntropyWeight = 0.1
		store := formulaWeights(n, backend)
		variables := Variables(store, "generator")
		require.Len(t, variables, learned)
		requireSlopes(t, n, backend, store, variables, images, z)
	}
}

// The dnn3 generator multiplies the 7 images once. It makes no copy of them for each of the 50
// classes.
func TestFusedClassesShareTheirProduct(t *testing.T) {
	for _, fusion := range LabelFusionNames() {
		golden.EachBackend(t, func(t *testing.T, backend compute.Backend) {
			n, err := New(smallConfig("joint"))
			require.NoError(t, err)
			n.Config.LabelFusion, n.Config.ImageShape, n.Config.Classes = fusion, [3]int{8, 8, 3}, 50
			products := 0
			store := model.NewStore()
			store.SetParam("/"+models.ShapesOnly, true)
			g := NewGraph(backend, "test")
			defer g.Finalize()
			n.stdOfAll(store.RootScope(), Zeros(g, shapes.Make(dtypes.Float32, 7, 8, 8, 3)))
			for _, node := range g.Nodes() {
				if d := node.Shape().Dimensions; len(d) == 2 && d[0] == 7*50 && d[1] != 1024 && d[1] != 192 {
					t.Errorf("%s has a value of shape %v: every class's image", fusion, d)
				}
				if d := node.Shape().Dimensions; len(d) == 2 && d[0] == 7 && d[1] == 1024 {
					products++
				}
			}
			require.Positive(t, products, "the product of the 7 images")
		})
	}
}
