package vpn

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// noisyZ returns the z that the noises label and gaussian draw for a set of one chunk.
func noisyZ(t *testing.T, m *Model, d *data.Dataset, seed, draw int64) []float64 {
	images, err := d.OnDevice(m.backend)
	require.NoError(t, err)
	out, err := MustNewExec(m.backend, func(images, state *Node) *Node {
		return m.net.DrawOne(state, m.net.Pixels(images))
	}).Call(images, randomState(seed, streamNoisy, draw))
	require.NoError(t, err)
	return engine.Floats(out[0])
}

// noisyHostLogits returns the logits of softmax regression for x + σ⊙z, computed here in float64.
func noisyHostLogits(m *Model, d *data.Dataset, sigma func(i int) float64, z []float64) [][]float64 {
	weight := engine.Floats(m.store.GetVariable("/base/linear/weight").MustValue()) // (3, 16)
	logits := hostLogits(m, d)
	for i := range logits {
		for k := range logits[i] {
			for j := range 16 {
				logits[i][k] += weight[k*16+j] * sigma(i*16+j) * z[i*16+j]
			}
		}
	}
	return logits
}

// The logits under noise are f(x + σ⊙z). σ is that of the image's own label, or Std. The expected
// values are computed here.
func TestNoisyLogits(t *testing.T) {
	train, d := stripes(t, 96, 1), stripes(t, 8, 2) // 8 images: one chunk
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for _, dtype := range []string{"float32", "float64"} {
			if dtype == "float64" && method.Fuses(backend) && !golden.IsLong() {
				continue
			}
			cfg := smallConfig("joint")
			cfg.ComputeDType, cfg.LabelCoefficient, cfg.NoiseDistribution = dtype, 1, "laplace"
			m := newModel(t, cfg, backend)
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			sigma, _, err := m.Noise(ctx, d, NoiseOptions{})
			require.NoError(t, err)
			z := noisyZ(t, m, d, 5, 0)
			for noise, std := range map[string]func(i int) float64{
				"label":    func(i int) float64 { return float64(sigma[i]) },
				"gaussian": func(int) float64 { return 0.25 },
			} {
				o := PredictOptions{Noise: noise, Output: "logits", Seed: 5}
				if noise == "gaussian" {
					o.Std = new(0.25)
				}
				p, err := m.Predict(ctx, d, o)
				require.NoError(t, err)
				require.Equal(t, argmaxRows(p.Scores, 3), p.Labels)
				for i, want := range noisyHostLogits(m, d, std, z) {
					for k := range 3 {
						require.InDelta(t, want[k], float64(p.Scores[3*i+k]), 2e-5, "%s, image %d", noise, i)
					}
				}
			}
		}
	})
}

// Gaussian noise of σ = 0 changes no bit, in every mode.
func TestNoGaussianNoise(t *testing.T) {
	train, d := stripes(t, 96, 1), stripes(t, 50, 2)
	for _, mode := range []string{"plain", "gaussian", "joint"} {
		m := fitted(t, smallConfig(mode), train, nil)
		for _, output := range []string{"label", "proba", "scores", "logits"} {
			want, err := m.Predict(ctx, d, PredictOptions{Output: output})
			require.NoError(t, err)
			got, err := m.Predict(ctx, d, PredictOptions{Noise: "gaussian", Std: new(0.), Output: output})
			require.NoError(t, err)
			require.Equal(t, want, got, "%s %s", mode, output)
		}
		want, err := m.Evaluate(ctx, d, EvalOptions{})
		require.NoError(t, err)
		got, err := m.Evaluate(ctx, d, EvalOptions{Noise: "gaussian", Std: new(0.)})
		require.NoError(t, err)
		require.Equal(t, want.CrossEntropy, got.CrossEntropy)
		require.Equal(t, want.Accuracy, got.Accuracy)
	}
}

// If the generator's σ is the same everywhere, noise for the label is gaussian noise of that σ:
// both draw the same z.
func TestLabelNoiseOfConstantStd(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.StdRange = [2]float64{0.125, 0.375}
	m, d := fitted(t, cfg, stripes(t, 96, 1), nil), stripes(t, 700, 2) // two chunks
	zero := func(int) float32 { return 0 }
	fill(t, m, "generator.fc3.weight", zero)
	fill(t, m, "generator.fc3.bias", zero)
	for _, samples := range []int{1, 3} {
		o := PredictOptions{Noise: "label", Samples: samples, Output: "proba", Seed: 9}
		label, err := m.Predict(ctx, d, o)
		require.NoError(t, err)
		o.Noise, o.Std = "gaussian", new(0.25)
		gaussian, err := m.Predict(ctx, d, o)
		require.NoError(t, err)
		require.InDeltaSlice(t, label.Scores, gaussian.Scores, 1e-5)
		o.Seed = 10
		other, err := m.Predict(ctx, d, o)
		require.NoError(t, err)
		require.NotEqual(t, gaussian.Scores, other.Scores)
	}
}

// Several samples average the probabilities of draws that have random states of their own. Evaluate
// measures the averages.
func TestNoisySamples(t *testing.T) {
	m, d := fitted(t, smallConfig("joint"), stripes(t, 96, 1), nil), relabelled(t, stripes(t, 8, 2))
	mean, loss := make([]float64, 24), 0.
	for draw := range int64(2) {
		for i, logits := range noisyHostLogits(m, d, func(int) float64 { return 0.5 }, noisyZ(t, m, d, 5, draw)) {
			for k, p := range hostSoftmax(logits) {
				mean[3*i+k] += p / 2
			}
		}
	}
	for i, y := range d.Labels() {
		loss -= math.Log(mean[3*i+int(y)]) / 8
	}
	for _, output := range []string{"proba", "scores"} {
		p, err := m.Predict(ctx, d, PredictOptions{Noise: "gaussian", Std: new(0.5), Samples: 2, Seed: 5, Output: output})
		require.NoError(t, err)
		for i := range mean {
			require.InDelta(t, mean[i], float64(p.Scores[i]), 1e-5)
		}
		require.Equal(t, argmaxRows(p.Scores, 3), p.Labels)
	}
	e, err := m.Evaluate(ctx, d, EvalOptions{Noise: "gaussian", Std: new(0.5), Samples: 2, Seed: 5})
	require.NoError(t, err)
	require.InEpsilon(t, loss, float64(e.CrossEntropy), 1e-5)
}

// σ is an input of the program, so that another Std compiles nothing.
func TestStdIsAnInput(t *testing.T) {
	m, d := fitted(t, smallConfig("plain"), stripes(t, 96, 1), nil), stripes(t, 4, 2)
	images, err := d.OnDevice(m.backend)
	require.NoError(t, err)
	builds := 0
	build := func(s *model.Scope, in []*Node) ([]*Node, []method.Update) {
		builds++
		return m.net.GaussianNoise(s, in)
	}
	p, err := engine.NewProgram(m.backend, m.store, engine.Spec{Read: m.inferenceValue, Build: build})
	require.NoError(t, err)
	defer p.Close()
	var rows [][]float64
	for _, std := range []float64{0.1, 0.2} {
		out, err := p.Call(images, tensors.FromScalar(std), randomState(1, streamNoisy, 0))
		require.NoError(t, err)
		rows = append(rows, engine.Floats(out[0]))
	}
	require.Equal(t, 1, builds)
	require.NotEqual(t, rows[0], rows[1])
}

// Noisy passes use the batch norms of noisy images if these are separate.
func TestNoisyPassesUseTheirOwnBatchNorms(t *testing.T) {
	cfg := resNetConfig("joint")
	cfg.NoisyBatchNorm, cfg.BaseLossWeight = "separate", 1
	m, d := fitted(t, cfg, stripes(t, 24, 1), nil), stripes(t, 4, 2)
	images, err := d.OnDevice(m.backend)
	require.NoError(t, err)
	out, err := model.MustNewExec(m.backend, m.store, func(s *model.Scope, in []*Node) *Node {
		return m.net.NoisyLogits(s, m.net.Pixels(in[0]), func(x *Node) *Node { return x })
	}).Call(images)
	require.NoError(t, err)
	want := engine.Floats(out[0])
	p, err := m.Predict(ctx, d, PredictOptions{Noise: "gaussian", Std: new(0.), Output: "logits"})
	require.NoError(t, err)
	clean, err := m.Predict(ctx, d, PredictOptions{Output: "logits"})
	require.NoError(t, err)
	require.NotEqual(t, clean.Scores, p.Scores)
	for i := range want {
		require.InDelta(t, want[i], float64(p.Scores[i]), 1e-5)
	}
}

// Noise for the label needs labels. Gaussian noise does not.
func TestLabelNoiseNeedsLabels(t *testing.T) {
	m, d := fitted(t, smallConfig("joint"), stripes(t, 96, 1), nil), stripes(t, 8, 2)
	unlabelled, err := d.WithLabels(nil, nil)
	require.NoError(t, err)
	defer unlabelled.Close()
	_, err = m.Predict(ctx, unlabelled, PredictOptions{Noise: "label"})
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, "has no labels, want one per image")
	_, err = m.Predict(ctx, unlabelled, PredictOptions{Noise: "gaussian", Std: new(0.1)})
	require.NoError(t, err)
}
