package vpn

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// The counts for Fashion-MNIST's d = 784 and K = 10, by hand. sr has 784·10 + 10 parameters. dnn3
// has 784·1024 + 1024 + 1024·1024 + 1024 + 1024·10 + 10. The generator has d outputs in place of
// 10.
func TestParameterCounts(t *testing.T) {
	for base, want := range map[string]int{"sr": 7850, "dnn3": 1_863_690} {
		cfg := DefaultConfig()
		cfg.Base, cfg.ImageShape, cfg.Classes = base, [3]int{28, 28, 1}, 10
		m := newModel(t, cfg, openDevice(t, "go"))
		require.Equal(t, map[string]int{"base": want, "generator": 2_657_040}, m.Describe().Parameters)
	}
	cfg := DefaultConfig()
	cfg.Mode, cfg.Base, cfg.ImageShape, cfg.Classes = "plain", "sr", [3]int{28, 28, 1}, 10
	m := newModel(t, cfg, openDevice(t, "go"))
	require.Equal(t, 0, m.Describe().Parameters["generator"], "plain training has no generator")
}

func TestInitialWeights(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ImageShape, cfg.Classes = [3]int{8, 8, 1}, 10
	weights := func(name string) []float64 {
		v := newModel(t, cfg, openDevice(t, "go")).store.GetVariable(variablePath(name))
		require.NotNil(t, v, name)
		return engine.Floats(v.MustValue())
	}
	_, deviation := moments(weights("generator.fc2.weight"))
	require.InEpsilon(t, 0.002, deviation, 0.01, "N(0, 0.002²) in the generator")
	for _, b := range weights("generator.fc2.bias") {
		require.Zero(t, b)
	}
	w := weights("base.fc1.weight") // torch.nn.Linear: U(−1/√64, 1/√64), deviation 1/√(3·64)
	_, deviation = moments(w)
	require.InEpsilon(t, 0.0722, deviation, 0.01)
	for _, v := range w {
		require.LessOrEqual(t, v*v, 1./64)
	}
	same := weights("base.fc1.weight")
	cfg.Seed = 1
	require.Equal(t, w, same)
	require.NotEqual(t, w, weights("base.fc1.weight"), "another seed")
}

// The convolutions of ResNets, in base and generator, start from torchvision's N(0, 2/fan_out), or
// with "torch" from PyTorch's default: uniform within ±1/√fan_in, deviation 1/√(3·fan_in).
func TestInitialValuesOfResNets(t *testing.T) {
	for values, literal := range map[string]map[string]float64{
		// 3×3 over 3 channels, to 64: fan_in 27, fan_out 576; 3×3 over 512: 4,608; 7×7 over 3: 147, 3,136
		"torch": {
			"base.conv1.weight": 0.11111, "base.layer4.1.conv2.weight": 0.0085052, "generator.conv1.weight": 0.047619,
		},
		"torchvision": {
			"base.conv1.weight": 0.058926, "base.layer4.1.conv2.weight": 0.020833, "generator.conv1.weight": 0.025254,
		},
	} {
		cfg := DefaultConfig()
		cfg.Base, cfg.Generator, cfg.InitialValues = "resnet18", "resnet18", values
		cfg.ImageShape, cfg.Classes = [3]int{8, 8, 3}, 4
		m := newModel(t, cfg, openDevice(t, "go"))
		convolutions := 0
		for _, v := range method.Variables(m.store, "base", "generator") {
			dims, name := v.Shape().Dimensions, tensorName(v)
			if len(dims) != 4 || name == "generator.head.weight" { // which starts from PyTorch's default in any case
				continue
			}
			convolutions++
			fanIn, fanOut := float64(dims[1]*dims[2]*dims[3]), float64(dims[0]*dims[2]*dims[3])
			want, bound := math.Sqrt(2/fanOut), math.Inf(1)
			if values == "torch" {
				want, bound = 1/math.Sqrt(3*fanIn), 1/math.Sqrt(fanIn)
			}
			drawn := engine.Floats(v.MustValue())
			mean, deviation := moments(drawn)
			require.InEpsilon(t, want, deviation, 5/math.Sqrt(float64(len(drawn))), name)
			require.InDelta(t, 0, mean, 5*want/math.Sqrt(float64(len(drawn))), name)
			require.LessOrEqual(t, max(slices.Max(drawn), -slices.Min(drawn)), bound*(1+1e-6), name)
			if l := literal[name]; l != 0 {
				require.InEpsilon(t, l, want, 1e-4, name)
				delete(literal, name)
			}
		}
		require.Equal(t, 20+20, convolutions)
		require.Empty(t, literal)
	}
}

// With Std "rms", σ starts at r with either generator, and stays there: training is stable from the
// first step.
func TestStdRMSFromTheStart(t *testing.T) {
	for _, test := range []struct {
		generator string
		optimizer string
		rate      float64
		encoding  float64 // κ
	}{
		{"dnn3", "adam", 1e-3, 1}, {"dnn3", "sgd", 0.1, 0.01}, {"resnet18", "adam", 1e-3, 0.01},
	} {
		t.Run(strings.Join([]string{test.generator, test.optimizer}, "-"), func(t *testing.T) {
			cfg := smallConfig("joint")
			cfg.Generator, cfg.Optimizer = test.generator, test.optimizer
			cfg.LearningRate, cfg.LabelCoefficient = test.rate, test.encoding
			cfg.Std, cfg.StdRMS, cfg.ImageShape, cfg.Classes = "rms", 0.1, [3]int{4, 4, 1}, 3
			m, d := newModel(t, cfg, openDevice(t, "go")), stripes(t, 30, 1)
			m.setTrained("base", "generator")
			start, err := m.Evaluate(ctx, d, EvalOptions{})
			require.NoError(t, err)
			require.InEpsilon(t, 0.1, float64(start.StdRMS), 0.01, "at the start")
			for range 5 {
				step, err := m.TrainBatch(ctx, d)
				require.NoError(t, err)
				require.Less(t, float64(step.Loss), 3.)
			}
			trained, err := m.Evaluate(ctx, d, EvalOptions{})
			require.NoError(t, err)
			require.InEpsilon(t, 0.1, float64(trained.StdRMS), 0.01, "after five steps")
		})
	}
}
