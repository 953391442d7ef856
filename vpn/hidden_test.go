package vpn

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/models"
)

// hiddenConfig is a small configuration with noise at a hidden layer.
func hiddenConfig(mode, base, generator string, layer int) Config {
	c := smallConfig(mode)
	c.Base, c.Generator, c.NoiseLayer, c.LearningRate, c.BatchSize, c.Epochs = base, generator, layer, 1e-3, 6, 1
	return c
}

// The shapes of the hidden layers, by hand: 1024 units; maps that halve from layer2 on; a class token and H·W/p² patches. Both
// generators give a σ of each.
func TestHiddenShapes(t *testing.T) {
	for _, test := range []struct {
		base  string
		image [3]int
		want  map[int][]int
	}{
		{"dnn3", [3]int{5, 4, 2}, map[int][]int{0: {5, 4, 2}, 1: {1024}, 2: {1024}}},
		{"resnet18", [3]int{12, 10, 1}, map[int][]int{0: {12, 10, 1}, 1: {12, 10, 64}, 2: {6, 5, 128}, 3: {3, 3, 256}, 4: {2, 2, 512}}},
		{"resnet50_7x7", [3]int{64, 32, 3}, map[int][]int{1: {16, 8, 256}, 4: {2, 1, 2048}}},
		{"vit_tiny_patch4", [3]int{8, 12, 2}, map[int][]int{1: {1 + 2*3, 192}, 12: {1 + 2*3, 192}}},
		{"vit_small_patch8", [3]int{32, 8, 1}, map[int][]int{5: {1 + 4*1, 384}}},
	} {
		for layer, want := range test.want {
			for _, generator := range GeneratorNames() {
				cfg := hiddenConfig("joint", test.base, generator, layer)
				cfg.ImageShape, cfg.Classes = test.image, 3
				n, err := newNetwork(cfg)
				require.NoError(t, err)
				store, g := model.NewStore(), NewGraph(openDevice(t, "go"), "test")
				store.SetParam("/"+models.ShapesOnly, true)
				x := Parameter(g, "x", shapes.Make(dtypes.Float32, 2, test.image[0], test.image[1], test.image[2]))
				sigma := n.std(store.RootScope(), x, Parameter(g, "y", shapes.Make(labelDType, 2)))
				require.Equal(t, append([]int{2}, want...), sigma.Shape().Dimensions, "%s, layer %d, %s", test.base, layer, generator)
				all := n.stdOfAll(store.RootScope(), x)
				require.Equal(t, append([]int{6}, want...), all.Shape().Dimensions)
				g.Finalize()
			}
		}
	}
}

// hiddenNetwork is a network in float64 with weights by formula.
func hiddenNetwork(t *testing.T, cfg Config, classes int, image ...int) (*network, *model.Store) {
	cfg.ImageShape, cfg.Classes = [3]int(image), classes
	n, err := newNetwork(cfg)
	require.NoError(t, err)
	n.dtype = dtypes.Float64
	return n, formulaWeights(t, n, openDevice(t, "go"))
}

func uniform64(name string, dims ...int) *tensors.Tensor {
	return golden.Tensor(golden.Uniform(name, shapes.Make(dtypes.Float64, dims...).Size()), dtypes.Float64, dims...)
}

// The hook gives what the two parts of dnn3 give by hand, for two noises per image: f₂(ReLU(W₁x + b₁) + σ⊙z), and the like after the
// second layer; clean and noisy images share what comes before.
func TestHiddenNoiseByHand(t *testing.T) {
	x, z := uniform64("x", 3, 2, 2, 1), uniform64("z", 3, 2, 1024)
	for layer := 1; layer <= 2; layer++ {
		n, store := hiddenNetwork(t, hiddenConfig("joint", "dnn3", "dnn3", layer), 4, 2, 2, 1)
		got := goldenCall(t, openDevice(t, "go"), store, func(s *model.Scope, in []*Node) []*Node {
			sigma := n.std(s, in[0], in[1])
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
			return []*Node{linear("fc3", by, 4), n.noisyLogits(s, in[0], noisy), dirty, n.logits(s, in[0]), clean}
		}, x, []int32{0, 3, 1}, z)
		require.InDeltaSlice(t, floats(got[0]), floats(got[1]), 1e-12)
		require.InDeltaSlice(t, floats(got[0]), floats(got[2]), 1e-12)
		require.InDeltaSlice(t, floats(got[3]), floats(got[4]), 1e-12)
		require.NotEqual(t, floats(got[0])[:4], floats(got[3])[:4])
	}
}

// Without noise, σ = 0, all layers of all bases give the plain base's logits, and training is plain training.
func TestHiddenNoiseOfZero(t *testing.T) {
	for base, layers := range map[string]int{"dnn3": 2, "resnet18": 4, "vit_tiny_patch4": 12} {
		for _, layer := range []int{1, layers/2 + 1, layers} {
			n, store := hiddenNetwork(t, hiddenConfig("gaussian", base, "dnn3", layer), 3, 8, 4, 1)
			got := goldenCall(t, openDevice(t, "go"), store, func(s *model.Scope, in []*Node) []*Node {
				same := n.noisyLogits(s, in[0], func(h *Node) *Node { return n.noisy(h, ZerosLike(h), OnesLike(InsertAxes(h, 1))) })
				other := n.noisyLogits(s, in[0], func(h *Node) *Node { return n.noisy(h, OnesLike(h), OnesLike(InsertAxes(h, 1))) })
				return []*Node{n.logits(s, in[0]), same, other}
			}, uniform64("x", 2, 8, 4, 1))
			require.Equal(t, floats(got[0]), floats(got[1]), "%s, layer %d", base, layer)
			require.NotEqual(t, floats(got[0]), floats(got[2]), "%s, layer %d", base, layer)
		}
	}
	train := stripes(t, 24, 1)
	for _, layer := range []int{1, 2} {
		cfg := hiddenConfig("gaussian", "dnn3", "dnn3", layer)
		cfg.FixedStd, cfg.BaseLossWeight = 0, 0
		control := fitted(t, cfg, train, nil)
		cfg.Mode, cfg.NoiseLayer = "plain", 0
		require.Equal(t, state(t, fitted(t, cfg, train, nil)), state(t, control), "layer %d", layer)
	}
}

// The gradients of base and generator are the loss's slopes.
func TestHiddenGradients(t *testing.T) {
	cfg := hiddenConfig("joint", "dnn3", "dnn3", 1)
	cfg.NoiseSamples, cfg.BaseLossWeight, cfg.LabelFusion = 2, 0.7, "film"
	n, store := hiddenNetwork(t, cfg, 3, 2, 2, 2)
	variables := variables(store, "base", "generator")
	require.Len(t, variables, 14)
	requireSlopes(t, n, openDevice(t, "go"), store, variables, uniform64("x", 3, 2, 2, 2), uniform64("z", 3, 2, 1024))
}

// Algorithm 2 at a hidden layer, class after class: s_k = softmax(f₂(h + σ(x, k)⊙z_k))_k.
func TestHiddenClasswise(t *testing.T) {
	for base, layer := range map[string]int{"dnn3": 2, "resnet18": 2, "vit_tiny_patch4": 3} {
		n, store := hiddenNetwork(t, hiddenConfig("joint", base, "resnet18", layer), 3, 4, 8, 1)
		backend := openDevice(t, "go")
		dims := n.hiddenDims(backend, []int{4, 8, 1})
		got := goldenCall(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
			x := in[0]
			out := []*Node{n.classwise(s, x, Reshape(in[1], append([]int{6, 1}, dims...)...))}
			for k := range 3 {
				sigma := n.std(s, x, Const(x.Graph(), []int32{int32(k), int32(k)}))
				own := Slice(in[1], AxisRange(), AxisRange(k, k+1)) // (2, 1, …)
				logits := n.noisyLogits(s, x, func(h *Node) *Node { return n.noisy(h, sigma, own) })
				out = append(out, Slice(Softmax(logits, -1), AxisRange(), AxisElem(k)))
			}
			return out
		}, uniform64("x", 2, 4, 8, 1), uniform64("z", append([]int{2, 3}, dims...)...))
		for k := range 3 {
			for i, want := range floats(got[1+k]) {
				require.InEpsilon(t, want, floats(got[0])[3*i+k], 1e-9, base)
			}
		}
	}
}

// A vector, tokens and maps have an RMS of r: over all units, or per channel over the positions.
func TestHiddenRMS(t *testing.T) {
	c := &Config{StdRMS: 0.5}
	for _, dims := range [][]int{{2, 6}, {2, 5, 3}, {2, 4, 2, 3}} {
		sigma := call(t, openDevice(t, "go"), func(in []*Node) *Node {
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

// Training, both predictions, σ and its samples, evaluation, memory and files; on cpu, where compiling takes long, of dnn3 alone.
func TestHiddenModels(t *testing.T) {
	train := largeStripes(t, 12)
	for _, test := range []struct {
		mode, base, generator string
		layer                 int
		dims                  []int
		change                func(c *Config)
	}{
		{"joint", "dnn3", "dnn3", 1, []int{1024}, func(c *Config) { c.NoiseSamples, c.Std = 3, "rms" }},
		{"joint", "dnn3", "resnet18", 2, []int{1024}, func(c *Config) { c.LabelFusion, c.EntropyWeight = "embedding", 0.1 }},
		{"joint", "resnet18", "dnn3", 3, []int{2, 2, 256}, func(c *Config) { c.NoisyBatchNorm = "separate" }},
		{"joint", "dnn3", "dnn3", 2, []int{1024}, func(c *Config) { c.ComputeDType, c.LabelFusion = "bfloat16", "film" }},
		{"joint", "vit_tiny_patch4", "dnn3", 5, []int{5, 192}, func(c *Config) { c.Normalize.Mean, c.Normalize.Std = []float64{0.5}, []float64{0.25} }},
		{"frozen", "dnn3", "dnn3", 1, []int{1024}, func(c *Config) { c.BaseLossWeight = 0 }},
		{"gaussian", "dnn3", "dnn3", 2, nil, func(c *Config) { c.NoiseSamples = 2 }},
	} {
		name := fmt.Sprint(test.mode, test.base, test.generator)
		eachDevice(t, func(t *testing.T, backend compute.Backend) {
			if fuses(backend) && (test.base != "dnn3" || test.generator != "dnn3" || test.mode == "frozen") {
				return
			}
			cfg := hiddenConfig(test.mode, test.base, test.generator, test.layer)
			cfg.ImageShape, cfg.Classes = [3]int{8, 8, 1}, 3
			test.change(&cfg)
			m := newModel(t, cfg, backend)
			m.setTrained("base")
			base := state(t, m)["base.fc1.weight"]
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			require.Equal(t, test.mode == "frozen" || test.base != "dnn3", state(t, m)["base.fc1.weight"] == base, name)
			require.False(t, math.IsNaN(float64(m.History()[0].Loss)))
			memory, err := EstimateMemory(m.Config(), backend, 12)
			require.NoError(t, err)
			require.Positive(t, memory.Training.Host)
			if test.mode == "gaussian" {
				require.InDelta(t, 0.1, float64(m.History()[0].StdMean), 1e-4)
				return
			}
			requireHidden(t, m, name, test.dims, backend)
		})
	}
}

// requireHidden looks at σ and its samples, evaluates, and compares the predictions of a model and of its file.
func requireHidden(t *testing.T, m *Model, name string, dims []int, backend compute.Backend) {
	d, path := largeStripes(t, 5), t.TempDir()+"/m"
	sigma, shape, err := m.Noise(ctx, d, NoiseOptions{})
	require.NoError(t, err)
	require.Equal(t, append([]int{5}, dims...), shape, name)
	require.Len(t, sigma, shapes.Make(dtypes.Float32, shape...).Size())
	samples, shape, err := m.Noise(ctx, d, NoiseOptions{Output: "sample", Samples: 2})
	require.NoError(t, err)
	require.Equal(t, append([]int{2, 5}, dims...), shape)
	z := make([]float64, len(samples))
	for i, e := range samples {
		z[i] = float64(e) / max(float64(sigma[i%len(sigma)]), 1e-12)
	}
	_, deviation := moments(z)
	require.InDelta(t, 1, deviation, 0.1)
	e, err := m.Evaluate(ctx, d, EvalOptions{Noise: "classwise"})
	require.NoError(t, err)
	mean, _ := moments(sigma)
	require.InEpsilon(t, mean, float64(e.StdMean), 1e-4)
	require.NoError(t, m.Save(path))
	loaded, err := Load(path, backend)
	require.NoError(t, err)
	defer loaded.Close()
	require.Equal(t, m.Config().NoiseLayer, loaded.Config().NoiseLayer)
	for _, noise := range []string{"none", "classwise"} {
		want, err := m.Predict(ctx, d, PredictOptions{Noise: noise, Output: "scores"})
		require.NoError(t, err)
		got, err := loaded.Predict(ctx, d, PredictOptions{Noise: noise, Output: "scores"})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
