package vpn

import (
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"
)

// Values of 4 KiB: what is alive at the same time, by hand.
func TestPeakBytes(t *testing.T) {
	const kib = 1024 / 4
	for _, test := range []struct {
		name           string
		build          func(x *Node) []*Node // of x (2, 512)
		fused, unfused int
	}{
		{"one after another, each in its input's place", func(x *Node) []*Node { return []*Node{Exp(Sqrt(Exp(x)))} }, 4, 4},
		{"one that is read later too", func(x *Node) []*Node { e := Exp(x); return []*Node{Add(e, Sqrt(Exp(e)))} }, 8, 8},
		{"only for a sum", func(x *Node) []*Node { return []*Node{ReduceAllSum(Square(OnePlus(x)))} }, 0, 4},
		{"before a product, through another view", func(x *Node) []*Node {
			e := Reshape(OnePlus(x), 512, 2)
			return []*Node{MatMul(e, Transpose(e, 0, 1))}
		}, 4 + 1024, 4 + 4 + 1024},
		{"results stay", func(x *Node) []*Node { return []*Node{OnePlus(x), Exp(x), Sqrt(x)} }, 12, 12},
	} {
		backend := openDevice(t, "go")
		g := NewGraph(backend, "test")
		outputs := test.build(Parameter(g, "x", shapes.Make(dtypes.Float32, 2, 2*kib)))
		require.Equal(t, test.fused, int(peakBytes(outputs, true))/1024, test.name)
		require.Equal(t, test.unfused, int(peakBytes(outputs, false))/1024, test.name)
		g.Finalize()
	}
}

// More images in a batch, or in memory, take more; what is not there takes nothing.
func TestEstimateMemory(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		cfg := DefaultConfig()
		cfg.ImageShape, cfg.Classes = [3]int{28, 28, 1}, 10
		estimate := func(change func(*Config), images int) *Memory {
			c := cfg
			change(&c)
			e, err := EstimateMemory(c, backend, images)
			require.NoError(t, err)
			return e
		}
		same := func(*Config) {}
		e := estimate(same, 1000)
		require.Equal(t, 1863690+2657040, e.Parameters, "784-1024-1024-10 and 784-1024-1024-784")
		require.Greater(t, e.Training.Host, int64(4*4*e.Parameters), "weights, their best, and Adam's two sums")
		require.Zero(t, e.Training.Device)
		require.Equal(t, int64(784*59000), estimate(same, 60_000).Training.Host-e.Training.Host, "the data set itself")
		small := estimate(func(c *Config) { c.BatchSize = 16 }, 0)
		large := estimate(func(c *Config) { c.BatchSize = 1 << 15 }, 0)
		require.Greater(t, large.Training.Host-small.Training.Host, int64(1<<15*1024*4), "at least one hidden layer")
		require.Equal(t, small.Inference, large.Inference)
		require.Zero(t, estimate(func(c *Config) { c.Mode = "plain" }, 0).Classwise)

		for _, wrong := range []func(*Config){func(c *Config) { c.Classes = 0 }, func(c *Config) { c.ImageShape = [3]int{} }} {
			c := cfg
			wrong(&c)
			_, err := EstimateMemory(c, backend, 1)
			require.ErrorIs(t, err, ErrArgument)
		}
		_, err := EstimateMemory(cfg, backend, -1)
		require.ErrorContains(t, err, "images is -1")
	})
}

// What does not fit is refused before it begins, with what to lower, and the model is as it was.
func TestMemoryIsRefused(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		d, path := stripes(t, 64, 1), t.TempDir()+"/weights"
		trained := newModel(t, smallConfig("joint"), backend)
		require.NoError(t, trained.Fit(ctx, d, nil, FitOptions{}))
		require.NoError(t, trained.ExportSafetensors(path, ExportOptions{}))
		cfg := trained.Config()
		cfg.NoiseSamples = 1 << 24
		m := newModel(t, cfg, backend)
		require.NoError(t, m.ImportSafetensors(path, ImportOptions{}))
		for _, refused := range []func() error{
			func() error { return m.Fit(ctx, d, nil, FitOptions{}) },
			func() error { _, err := m.TrainBatch(ctx, d); return err },
		} {
			err := refused()
			require.ErrorIs(t, err, ErrMemory)
			require.True(t, strings.HasPrefix(err.Error(), "vpn: program train for images (Uint8)["), err)
			require.ErrorContains(t, err, "lower BatchSize or NoiseSamples")
		}
		_, _, err := m.Noise(ctx, d, NoiseOptions{Output: "sample", Samples: 1 << 40})
		require.ErrorIs(t, err, ErrMemory)
		require.ErrorContains(t, err, "lower Samples")
		want, err := trained.Predict(ctx, d, PredictOptions{Output: "logits"})
		require.NoError(t, err)
		got, err := m.Predict(ctx, d, PredictOptions{Output: "logits"})
		require.NoError(t, err)
		require.Equal(t, want.Scores, got.Scores)
	})
}
