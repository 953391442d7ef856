package method

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/models"
)

// hiddenConfig returns a small configuration with noise at a hidden layer.
func hiddenConfig(mode, base, generator string, layer int) Config {
	c := smallConfig(mode)
	c.Base, c.Generator, c.NoiseLayer, c.LearningRate, c.BatchSize, c.Epochs = base, generator, layer, 1e-3, 6, 1
	return c
}

// The shapes of the hidden layers, by hand: 1024 units of dnn3; maps of ResNets that halve from
// layer2 on; a class token and H·W/p² patches. Both generators give a σ of each shape.
func TestHiddenShapes(t *testing.T) {
	for _, test := range []struct {
		base  string
		image [3]int
		want  map[int][]int
	}{
		{
			base: "dnn3", image: [3]int{5, 4, 2},
			want: map[int][]int{0: {5, 4, 2}, 1: {1024}, 2: {1024}},
		},
		{
			base: "resnet18", image: [3]int{12, 10, 1},
			want: map[int][]int{0: {12, 10, 1}, 1: {12, 10, 64}, 2: {6, 5, 128}, 3: {3, 3, 256}, 4: {2, 2, 512}},
		},
		{
			base: "resnet50_7x7", image: [3]int{64, 32, 3},
			want: map[int][]int{1: {16, 8, 256}, 4: {2, 1, 2048}},
		},
		{
			base: "vit_tiny_patch4", image: [3]int{8, 12, 2},
			want: map[int][]int{1: {1 + 2*3, 192}, 12: {1 + 2*3, 192}},
		},
		{
			base: "vit_small_patch8", image: [3]int{32, 8, 1},
			want: map[int][]int{5: {1 + 4*1, 384}},
		},
	} {
		for layer, want := range test.want {
			for _, generator := range GeneratorNames() {
				cfg := hiddenConfig("joint", test.base, generator, layer)
				cfg.ImageShape, cfg.Classes = test.image, 3
				n, err := New(cfg)
				require.NoError(t, err)
				store, g := model.NewStore(), NewGraph(golden.OpenDevice(t, "go"), "test")
				store.SetParam("/"+models.ShapesOnly, true)
				x := Parameter(g, "x", shapes.Make(dtypes.Float32, 2, test.image[0], test.image[1], test.image[2]))
				sigma := n.Std(store.RootScope(), x, Parameter(g, "y", shapes.Make(LabelDType, 2)))
				require.Equal(t, append([]int{2}, want...), sigma.Shape().Dimensions,
					"%s, layer %d, %s", test.base, layer, generator)
				all := n.stdOfAll(store.RootScope(), x)
				require.Equal(t, append([]int{6}, want...), all.Shape().Dimensions)
				g.Finalize()
			}
		}
	}
}

// hiddenNetwork returns a network in float64 with weights by formula.
func hiddenNetwork(t *testing.T, cfg Config, classes int, image ...int) (*Network, *model.Store) {
	cfg.ImageShape, cfg.Classes = [3]int(image), classes
	n, err := New(cfg)
	require.NoError(t, err)
	n.DType = dtypes.Float64
	return n, formulaWeights(n, golden.OpenDevice(t, "go"))
}

// For two noises per image, the hook gives f₂(ReLU(W₁x + b₁) + σ⊙z), computed here by hand, and the
// like after the second layer. Clean and noisy images share the layers before the noise.
func TestHiddenNoiseByHand(t *testing.T) {
	x, z := uniform64("x", 3, 2, 2, 1), uniform64("z", 3, 2, 1024)
	for layer := 1; layer <= 2; layer++ {
		n, store := hiddenNetwork(t, hiddenConfig("joint", "dnn3", "dnn3", layer), 4, 2, 2, 1)
		got := callOver(t, golden.OpenDevice(t, "go"), store, func(s *model.Scope, in []*Node) []*Node {
			sigma := n.Std(s, in[0], in[1])
			noisy := func(h *Node) *Node { return n.noisy(h, sigma, in[2]) }
			base := s.At("base")
			linear := func(name string, x *Node, out int) *Node {
				return models.Linear(base.In("%s", name), x, out, models.TorchUniform)
			}
			h := models.ReLU(linear("fc1", models.Flatten(in[0]), 1024))
			twice := func(h *Node) *Node { return Reshape(BroadcastToDims(InsertAxes(h, 1), 3, 2, 1024), 6, 1024) }
			noise := Mul(twice(sigma), Reshape(in[2], 6, 1024))
			by := Add(twice(h), noise)
			if layer == 2 {
				by = Add(models.ReLU(linear("fc2", twice(h), 1024)), noise)
			} else {
				by = models.ReLU(linear("fc2", by, 1024))
			}
			clean, dirty := n.bothLogits(s, in[0], noisy)
			return []*Node{linear("fc3", by, 4), n.NoisyLogits(s, in[0], noisy), dirty, n.Logits(s, in[0]), clean}
		}, x, []int32{0, 3, 1}, z)
		require.InDeltaSlice(t, golden.Float64s(got[0]), golden.Float64s(got[1]), 1e-12)
		require.InDeltaSlice(t, golden.Float64s(got[0]), golden.Float64s(got[2]), 1e-12)
		require.InDeltaSlice(t, golden.Float64s(got[3]), golden.Float64s(got[4]), 1e-12)
		require.NotEqual(t, golden.Float64s(got[0])[:4], golden.Float64s(got[3])[:4])
	}
}

// With σ = 0 at any layer of any base, the logits are those of the base without noise.
func TestHiddenNoiseOfZero(t *testing.T) {
	for base, layers := range map[string]int{"dnn3": 2, "resnet18": 4, "vit_tiny_patch4": 12} {
		for _, layer := range []int{1, layers/2 + 1, layers} {
			n, store := hiddenNetwork(t, hiddenConfig("gaussian", base, "dnn3", layer), 3, 8, 4, 1)
			got := callOver(t, golden.OpenDevice(t, "go"), store, func(s *model.Scope, in []*Node) []*Node {
				z := func(h *Node) *Node { return OnesLike(InsertAxes(h, 1)) }
				same := n.NoisyLogits(s, in[0], func(h *Node) *Node { return n.noisy(h, ZerosLike(h), z(h)) })
				other := n.NoisyLogits(s, in[0], func(h *Node) *Node { return n.noisy(h, OnesLike(h), z(h)) })
				return []*Node{n.Logits(s, in[0]), same, other}
			}, uniform64("x", 2, 8, 4, 1))
			require.Equal(t, golden.Float64s(got[0]), golden.Float64s(got[1]), "%s, layer %d", base, layer)
			require.NotEqual(t, golden.Float64s(got[0]), golden.Float64s(got[2]), "%s, layer %d", base, layer)
		}
	}
}

// The gradients in base and generator are the slopes of the loss.
func TestHiddenGradients(t *testing.T) {
	cfg := hiddenConfig("joint", "dnn3", "dnn3", 1)
	cfg.NoiseSamples, cfg.BaseLossWeight, cfg.LabelFusion = 2, 0.7, "film"
	n, store := hiddenNetwork(t, cfg, 3, 2, 2, 2)
	variables := Variables(store, "base", "generator")
	require.Len(t, variables, 14)
	x, z := uniform64("x", 3, 2, 2, 2), uniform64("z", 3, 2, 1024)
	requireSlopes(t, n, golden.OpenDevice(t, "go"), store, variables, x, z)
}

// Algorithm 2 at a hidden layer equals a loop over the classes, s_k = softmax(f₂(h + σ(x,
// k)⊙z_k))_k.
func TestHiddenClasswise(t *testing.T) {
	for base, layer := range map[string]int{"dnn3": 2, "resnet18": 2, "vit_tiny_patch4": 3} {
		n, store := hiddenNetwork(t, hiddenConfig("joint", base, "resnet18", layer), 3, 4, 8, 1)
		backend := golden.OpenDevice(t, "go")
		dims := n.hiddenDims(backend, []int{4, 8, 1})
		got := callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			x := in[0]
			out := []*Node{n.classwise(s, x, Reshape(in[1], append([]int{6, 1}, dims...)...))}
			for k := range 3 {
				sigma := n.Std(s, x, Const(x.Graph(), []int32{int32(k), int32(k)}))
				own := Slice(in[1], AxisRange(), AxisRange(k, k+1)) // (2, 1, …)
				logits := n.NoisyLogits(s, x, func(h *Node) *Node { return n.noisy(h, sigma, own) })
				out = append(out, Slice(Softmax(logits, -1), AxisRange(), AxisElem(k)))
			}
			return out
		}, uniform64("x", 2, 4, 8, 1), uniform64("z", append([]int{2, 3}, dims...)...))
		for k := range 3 {
			for i, want := range golden.Float64s(got[1+k]) {
				require.InEpsilon(t, want, golden.Float64s(got[0])[3*i+k], 1e-9, base)
			}
		}
	}
}

// σ of a vector has RMS r over all units. σ of tokens and of maps has it per channel over the
// positions.
func TestHiddenRMS(t *testing.T) {
	c := &Config{StdRMS: 0.5, StdEpsilon: 1e-16}
	for _, dims := range [][]int{{2, 6}, {2, 5, 3}, {2, 4, 2, 3}} {
		sigma := call(t, golden.OpenDevice(t, "go"), func(in []*Node) *Node {
			positions := make([]int, len(dims)-2)
			for i := range positions {
				positions[i] = i + 1
			}
			if len(positions) == 0 {
				positions = []int{1}
			}
			return Sqrt(ReduceMean(Square(stdByName["rms"](c, in[0])), positions...))
		}, uniform64("o", dims...))
		for _, rms := range sigma {
			require.InDelta(t, 0.5, rms, 1e-3)
		}
	}
}
