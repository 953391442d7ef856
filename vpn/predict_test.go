package vpn

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// hostLogits returns the logits of softmax regression, computed here in float64.
func hostLogits(m *Model, d *data.Dataset) [][]float64 {
	weight := engine.Floats(m.store.GetVariable("/base/linear/weight").MustValue()) // (3, 16)
	bias := engine.Floats(m.store.GetVariable("/base/linear/bias").MustValue())
	logits := make([][]float64, d.Len())
	for i := range logits {
		logits[i] = append([]float64{}, bias...)
		for j, x := range d.Image(i) {
			for k := range logits[i] {
				logits[i][k] += weight[k*16+j] * float64(x)
			}
		}
	}
	return logits
}

func hostSoftmax(logits []float64) []float64 {
	var sum float64
	p := make([]float64, len(logits))
	for k, v := range logits {
		p[k] = math.Exp(v)
		sum += p[k]
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

// Every image counts, for any number of images and size of a chunk. 513 images are a full chunk and
// one more.
func TestAllImagesAreUsed(t *testing.T) {
	train := stripes(t, 96, 1)
	for _, images := range []int{1, 7, 513} {
		labels := make([]int32, images)
		for i := range labels {
			labels[i] = int32(i / 2 % 3) // some right, some wrong
		}
		d, err := stripes(t, images, 2).WithLabels(labels, nil)
		require.NoError(t, err)
		defer d.Close()
		for _, chunk := range []int{0, 1, 3, 64, 1000} {
			cfg := smallConfig("plain")
			cfg.Epochs, cfg.EvalBatchSize = 1, chunk
			m := fitted(t, cfg, train, nil)
			p, err := m.Predict(ctx, d, PredictOptions{Output: "proba"})
			require.NoError(t, err)
			require.Len(t, p.Labels, images)
			require.Len(t, p.Scores, images*3)
			var loss, right float64
			for i, logits := range hostLogits(m, d) {
				proba := hostSoftmax(logits)
				best := argmaxRows(p.Scores[3*i:3*i+3], 3)[0]
				require.Equal(t, best, p.Labels[i])
				for k := range 3 {
					require.InDelta(t, proba[k], float64(p.Scores[3*i+k]), 1e-5, "image %d of %d, chunk %d", i, images, chunk)
				}
				loss -= math.Log(proba[d.Labels()[i]]) / float64(images)
				if best == d.Labels()[i] {
					right++
				}
			}
			e, err := m.Evaluate(ctx, d, EvalOptions{})
			require.NoError(t, err)
			require.Equal(t, images, e.Images)
			require.InEpsilon(t, loss, float64(e.CrossEntropy), 1e-5)
			require.InDelta(t, right/float64(images), float64(e.Accuracy), 1e-12)
		}
	}
}

func TestPredictOutputs(t *testing.T) {
	d := stripes(t, 20, 2)
	m := fitted(t, smallConfig("joint"), stripes(t, 96, 1), nil)
	predict := func(o PredictOptions) *Prediction {
		p, err := m.Predict(ctx, d, o)
		require.NoError(t, err)
		require.Equal(t, 3, p.Classes)
		return p
	}
	labels, logits := predict(PredictOptions{}), predict(PredictOptions{Output: "logits"})
	require.Nil(t, labels.Scores)
	require.Equal(t, labels.Labels, logits.Labels)
	proba := predict(PredictOptions{Output: "proba"})
	require.Equal(t, proba, predict(PredictOptions{Output: "scores"}), "without noise scores are probabilities")
	for i := range 20 {
		p := hostSoftmax(engine.Floats(tensors.FromValue(logits.Scores[3*i : 3*i+3])))
		for k := range 3 {
			require.InDelta(t, p[k], float64(proba.Scores[3*i+k]), 1e-6)
		}
	}

	scores := predict(PredictOptions{Noise: "classwise", Output: "scores"})
	proba = predict(PredictOptions{Noise: "classwise", Output: "proba"})
	require.Equal(t, scores.Labels, proba.Labels)
	require.Equal(t, scores.Labels, predict(PredictOptions{Noise: "classwise"}).Labels)
	for i := range 20 {
		s, p := scores.Scores[3*i:3*i+3], proba.Scores[3*i:3*i+3]
		require.Equal(t, argmaxRows(s, 3)[0], scores.Labels[i])
		require.InDelta(t, 1, p[0]+p[1]+p[2], 1e-6)
		for k := range 3 {
			require.InDelta(t, s[k]/(s[0]+s[1]+s[2]), p[k], 1e-6)
		}
	}
	require.NotEqual(t, scores.Scores, predict(PredictOptions{Noise: "classwise", Output: "scores", Seed: 7}).Scores)
}

// Where σ = 0, the classwise scores are the probabilities without noise.
func TestClasswiseWithoutNoise(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.Std = "abs"
	m, d := fitted(t, cfg, stripes(t, 96, 1), nil), stripes(t, 9, 2)
	zero := func(int) float32 { return 0 }
	fill(t, m, "generator.fc3.weight", zero)
	fill(t, m, "generator.fc3.bias", zero)
	none, err := m.Predict(ctx, d, PredictOptions{Output: "proba"})
	require.NoError(t, err)
	classwise, err := m.Predict(ctx, d, PredictOptions{Noise: "classwise", Output: "scores", Samples: 3})
	require.NoError(t, err)
	require.InDeltaSlice(t, none.Scores, classwise.Scores, 1e-6)
	e, err := m.Evaluate(ctx, d, EvalOptions{})
	require.NoError(t, err)
	c, err := m.Evaluate(ctx, d, EvalOptions{Noise: "classwise"})
	require.NoError(t, err)
	require.InEpsilon(t, float64(e.CrossEntropy), float64(c.CrossEntropy), 1e-5)
}

// Samples averages the scores of several draws, each from a random state of its own.
func TestSamplesAreAveraged(t *testing.T) {
	m, d := fitted(t, smallConfig("joint"), stripes(t, 96, 1), nil), stripes(t, 8, 2) // 8 images: one chunk
	images, err := d.OnDevice(m.backend)
	require.NoError(t, err)
	mean := make([]float64, 24)
	for draw := range int64(2) {
		out, err := m.programs[classwiseProgram].Call(images, randomState(5, streamClasswise, draw))
		require.NoError(t, err)
		for i, s := range engine.Floats(out[0]) {
			mean[i] += s / 2
		}
	}
	p, err := m.Predict(ctx, d, PredictOptions{Noise: "classwise", Output: "scores", Samples: 2, Seed: 5})
	require.NoError(t, err)
	for i := range mean {
		require.InDelta(t, mean[i], float64(p.Scores[i]), 1e-6)
	}
}

// Chunks of classwise inference differ in their draws alone. With little noise, chunks of any size
// give nearly the same scores.
func TestClasswiseChunks(t *testing.T) {
	d := stripes(t, 50, 2)
	cfg := smallConfig("joint")
	cfg.StdRange = [2]float64{0, 1e-4}
	m := fitted(t, cfg, stripes(t, 96, 1), nil)
	var first []float32
	for _, chunk := range []int{0, 7, 64} {
		m.net.Config.EvalBatchSize = chunk
		p, err := m.Predict(ctx, d, PredictOptions{Noise: "classwise", Output: "scores"})
		require.NoError(t, err)
		require.Len(t, p.Labels, 50)
		if first == nil {
			first = p.Scores
		}
		require.InDeltaSlice(t, first, p.Scores, 0.005) // |w|·σ·√16 ≲ 10·1e-4·4
	}
}

// Pixels of float32 in [0, 1] and of uint8 in 0..255 are the same images.
func TestPixelTypesAgree(t *testing.T) {
	d := stripes(t, 6, 2)
	var pixels []float32
	for i := range 6 {
		pixels = append(pixels, d.Image(i)...)
	}
	wide, err := data.FromFloat32(pixels, 6, 4, 4, 1, data.Options{})
	require.NoError(t, err)
	defer wide.Close()
	m := fitted(t, smallConfig("plain"), stripes(t, 96, 1), nil)
	a, err := m.Predict(ctx, d, PredictOptions{Output: "logits"})
	require.NoError(t, err)
	b, err := m.Predict(ctx, wide, PredictOptions{Output: "logits"})
	require.NoError(t, err)
	require.InDeltaSlice(t, a.Scores, b.Scores, 1e-5)
}

// A chunk of inference has fewer images if one image needs much memory, and fewer again if a
// classwise pass multiplies it by the classes.
func TestChunkSize(t *testing.T) {
	cfg := resNetConfig("joint")
	small := newModel(t, cfg, openDevice(t, "go"))
	cfg.ImageShape = [3]int{224, 224, 3}
	large := newModel(t, cfg, openDevice(t, "go"))
	require.Equal(t, 9*64*4*4*4, small.imageBytes["base"],
		"patches of a 3×3 convolution on 4×4 pixels of 64 channels, float32")
	require.Equal(t, 49*3*112*112*4, large.imageBytes["base"], "patches of the 7×7/2 convolution")
	require.Equal(t, 9*64*224*224*4, large.imageBytes["generator"], "patches of the last convolution")
	require.Equal(t, 512, small.chunkSize("base", 10_000, chunkImages, 1))
	require.Equal(t, 36, large.chunkSize("base", 10_000, chunkImages, 1), "256 MiB")
	require.Equal(t, 3, large.chunkSize("base", 10_000, chunkImages, 10))
	require.Equal(t, 2, large.chunkSize("generator", 10_000, chunkImages, 1))
	require.Equal(t, 4, large.chunkSize("base", 3, chunkImages, 1))
	require.Equal(t, 1, large.chunkSize("base", 10_000, chunkImages, 1000))
	require.Equal(t, 32, small.chunkSize("base", 64, 51, 1), "64 images go through, not 102")
	require.Equal(t, 51, small.chunkSize("base", 100, 51, 1), "102, not 128")
}
