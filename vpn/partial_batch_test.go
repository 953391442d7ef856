package vpn

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/internal/engine"
)

// An epoch on five images in batches of two makes three steps, the last one on one image: those of
// PyTorch's DataLoader(batch_size=2, drop_last=False) and SGD(lr=0.5), here in plain Go. The loss
// is the mean over the images. Weights are float32, so a relative error of 1e-5 is rounding.
func TestPartialBatch(t *testing.T) {
	train := stripes(t, 5, 1)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for _, dropLast := range []bool{false, true} {
			cfg := smallConfig("plain")
			cfg.BatchSize, cfg.Epochs, cfg.DropLast, cfg.Seed = 2, 1, dropLast, 3
			cfg.Optimizer, cfg.Momentum, cfg.LearningRate = "sgd", 0, 0.5
			cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
			m := newModel(t, cfg, backend)
			weights := valuesOf(t, m)
			w, b := weights["base.linear.weight"], weights["base.linear.bias"] // (3, 16), (3)
			order := permutation(3, 0, 5)
			batches := [][]int32{order[:2], order[2:4], order[4:]}
			images := 5
			if dropLast {
				batches, images = batches[:2], 4
			}
			var loss, right float64
			for _, batch := range batches {
				gradient, gradientOfBias := make([]float64, 48), make([]float64, 3)
				for _, i := range batch {
					x, y := train.Image(int(i)), int(train.Labels()[i])
					logits, sum := make([]float64, 3), 0.
					for k := range logits {
						logits[k] = b[k]
						for j, v := range x {
							logits[k] += w[16*k+j] * float64(v)
						}
						sum += math.Exp(logits[k])
					}
					loss += (math.Log(sum) - logits[y]) / float64(images)
					if logits[y] == max(logits[0], logits[1], logits[2]) {
						right += 1 / float64(images)
					}
					for k := range logits {
						d := math.Exp(logits[k]) / sum
						if k == y {
							d--
						}
						gradientOfBias[k] += d / float64(len(batch))
						for j, v := range x {
							gradient[16*k+j] += d * float64(v) / float64(len(batch))
						}
					}
				}
				for i := range w {
					w[i] -= 0.5 * gradient[i]
				}
				for i := range b {
					b[i] -= 0.5 * gradientOfBias[i]
				}
			}
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			got := valuesOf(t, m)
			require.InDeltaSlice(t, w, got["base.linear.weight"], 1e-5)
			require.InDeltaSlice(t, b, got["base.linear.bias"], 1e-5)
			row := m.History()[0]
			require.InDelta(t, loss, float64(row.Loss), 1e-5)
			require.InDelta(t, right, float64(row.Accuracy), 1e-6)
			require.EqualValues(t, len(batches), m.state.run.Step)
			require.InEpsilon(t, float64(images)/float64(row.Seconds), float64(row.ImagesPerSecond), 1e-9)
		}
	})
}

// The programs compile once for whole batches and once for the partial one, however many epochs and
// fits follow.
func TestPartialBatchCompilesOnce(t *testing.T) {
	train := stripes(t, 70, 1)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		cfg := smallConfig("plain")
		m := newModel(t, cfg, backend)
		for range 2 {
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			require.Equal(t, 2, m.programs[stepProgram].Executables)
			require.Equal(t, 2, m.programs[gatherProgram].Executables)
		}
		cfg.Accumulate = 2
		m = newModel(t, cfg, backend)
		var parts, apply *engine.Program
		for range 2 {
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			require.Len(t, m.partPrograms, 2)
			require.Equal(t, 1, m.partPrograms[32].Executables)
			require.Equal(t, 1, m.partPrograms[6].Executables)
			require.Equal(t, 1, m.programs[applyProgram].Executables)
			if parts != nil {
				require.Same(t, parts, m.partPrograms[6])
				require.Same(t, apply, m.programs[applyProgram])
			}
			parts, apply = m.partPrograms[6], m.programs[applyProgram]
		}
	})
}

// The last batch of an epoch is cut to a multiple of workers, parts and devices, and so is a set
// smaller than a batch. Numbers by hand, with batches of 24.
func TestEpochPlan(t *testing.T) {
	for _, test := range []struct {
		images, workers, accumulate int
		dropLast                    bool
		want                        epochPlan
	}{
		{images: 48, workers: 1, accumulate: 1, want: epochPlan{size: 24, whole: 2}},
		{images: 49, workers: 1, accumulate: 1, want: epochPlan{size: 24, whole: 2, last: 1}},
		{images: 49, workers: 1, accumulate: 1, dropLast: true, want: epochPlan{size: 24, whole: 2}},
		{images: 59, workers: 1, accumulate: 4, want: epochPlan{size: 24, whole: 2, last: 8}},
		{images: 59, workers: 3, accumulate: 2, want: epochPlan{size: 24, whole: 2, last: 6}},
		{images: 53, workers: 3, accumulate: 2, want: epochPlan{size: 24, whole: 2}},
		{images: 23, workers: 1, accumulate: 1, want: epochPlan{size: 23, whole: 1}},
		{images: 23, workers: 1, accumulate: 4, want: epochPlan{size: 20, whole: 1}},
		{images: 20, workers: 1, accumulate: 4, dropLast: true, want: epochPlan{size: 20, whole: 1}},
		{images: 1, workers: 1, accumulate: 1, want: epochPlan{size: 1, whole: 1}},
	} {
		cfg := smallConfig("joint")
		cfg.BatchSize, cfg.Accumulate, cfg.DropLast = 24, test.accumulate, test.dropLast
		cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
		m := newModel(t, cfg, openDevice(t, "go"))
		if test.workers > 1 {
			require.NoError(t, m.SetShare(&Share{Workers: test.workers, Sum: func([]float32) bool { return true }}))
		}
		got, err := m.planEpoch(test.images)
		require.NoError(t, err)
		require.Equal(t, test.want, got, test)
	}
	m := spreadModel(t, smallConfig("joint"), openSeveral(t), 0, 1, 2, 3)
	got, err := m.planEpoch(71) // batches of 32 on four devices
	require.NoError(t, err)
	require.Equal(t, epochPlan{size: 32, whole: 2, last: 4}, got)
}

// Each worker gets its part of every batch, the partial one included, from any batch on.
func TestEpochPlanServes(t *testing.T) {
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	p, order := epochPlan{size: 4, whole: 2, last: 2}, []int32{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10}
	whole := serving{order: []int32{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, size: 4, last: 2, lastSize: 2}
	require.Equal(t, whole, p.serve(order, 0, m))
	require.Equal(t, serving{order: []int32{1, 0}, size: 4, last: 2, lastSize: 2}, p.serve(order, 2, m))
	require.Empty(t, p.serve(order, 3, m).order)
	m.share = &Share{Rank: 1, Workers: 2}
	require.Equal(t, serving{order: []int32{7, 6, 3, 2, 0}, size: 2, last: 1, lastSize: 1}, p.serve(order, 0, m))
	require.Equal(t, serving{order: []int32{3, 2, 0}, size: 2, last: 1, lastSize: 1}, p.serve(order, 1, m))
}

// A last batch of one image is left out where a batch norm would see one value per channel, which
// the networks decide: at 4×4 pixels the last map of a ResNet18 is one pixel, at 16×16 it is 2×2. A
// frozen base does not measure. Two noises are two images to a base, but not to a generator.
func TestPartialBatchNorm(t *testing.T) {
	for _, test := range []struct {
		mode, generator string
		pixels, samples int
		images          int
		last            int
	}{
		{mode: "plain", pixels: 4, images: 25, last: 0},
		{mode: "plain", pixels: 4, images: 26, last: 2},
		{mode: "plain", pixels: 16, images: 25, last: 1},
		{mode: "joint", generator: "dnn3", pixels: 4, samples: 1, images: 25, last: 0},
		{mode: "joint", generator: "dnn3", pixels: 4, samples: 2, images: 25, last: 1},
		{mode: "joint", generator: "resnet18", pixels: 4, samples: 2, images: 25, last: 0},
		{mode: "frozen", generator: "dnn3", pixels: 4, samples: 1, images: 25, last: 1},
		{mode: "frozen", generator: "resnet18", pixels: 4, samples: 1, images: 25, last: 0},
	} {
		cfg := resNetConfig(test.mode)
		cfg.BaseLossWeight, cfg.NoiseSamples = 0, max(1, test.samples)
		if test.generator != "" {
			cfg.Generator = test.generator
		}
		cfg.ImageShape = [3]int{test.pixels, test.pixels, 1}
		m := newModel(t, cfg, openDevice(t, "go"))
		got, err := m.planEpoch(test.images)
		require.NoError(t, err)
		require.Equal(t, epochPlan{size: 12, whole: 2, last: test.last}, got, test)
	}
	m := newModel(t, resNetConfig("plain"), openDevice(t, "go"))
	err := m.Fit(ctx, stripes(t, 1, 1), nil, FitOptions{})
	require.ErrorIs(t, err, ErrArgument, "a set that is such a batch is an error")
	require.ErrorContains(t, err, "one value per channel has no variance; want larger batches or images")
	require.NoError(t, m.Fit(ctx, stripes(t, 13, 1), nil, FitOptions{}))
	require.EqualValues(t, 1, m.state.run.Step)
}

// A file of 0.1.0 that was saved within an epoch goes on as there, without the last partial batch.
func TestFileWithoutDropLast(t *testing.T) {
	train, cfg := stripes(t, 70, 1), smallConfig("joint")
	cfg.DropLast = true
	want := fitted(t, cfg, train, nil)
	require.EqualValues(t, 6, want.state.run.Step)
	m := newModel(t, cfg, openDevice(t, "go"))
	third := slowly(func(p Progress) bool { return p.Step == 3 })
	require.ErrorIs(t, m.Fit(ctx, train, nil, FitOptions{Progress: third}), ErrCancelled)
	packed, err := m.Marshal()
	require.NoError(t, err)
	packed = rewritten(t, packed, "govpn.config", func(config string) string {
		without := strings.Replace(config, `"drop_last":true,`, "", 1)
		require.NotEqual(t, config, without)
		return without
	})
	loaded, err := Unmarshal(packed, m.backend)
	require.NoError(t, err)
	defer loaded.Close()
	require.True(t, loaded.Config().DropLast)
	require.NoError(t, loaded.Fit(ctx, train, nil, FitOptions{Resume: true}))
	require.Equal(t, state(t, want), state(t, loaded))
	require.Equal(t, untimed(want.History()), untimed(loaded.History()))
}
