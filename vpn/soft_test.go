package vpn

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/data"
)

// softened is d with the probabilities that row gives each label.
func softened(t testing.TB, d *data.Dataset, row func(y int32) []float32) *data.Dataset {
	var rows []float32
	for _, y := range d.Labels() {
		rows = append(rows, row(y)...)
	}
	v, err := d.WithSoftLabels(rows, nil)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

func oneHot(y int32) []float32 {
	row := make([]float32, 3)
	row[y] = 1
	return row
}

// vague is 0.7 for the label and 0.2 and 0.1 for the next two.
func vague(y int32) []float32 {
	row := make([]float32, 3)
	row[y], row[(y+1)%3], row[(y+2)%3] = 0.7, 0.2, 0.1
	return row
}

// The expected values are those of cross_entropy(logits, Y, label_smoothing=ε) for probabilities Y, by its formula in float64: the mean of
// −Σ_k Q_k·log softmax(x)_k, Q = (1 − ε)·Y + ε/K, and its gradient (softmax(x) − Q)/N, which central differences confirmed to 1e-10.
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
		n := &network{cfg: Config{LabelSmoothing: smoothing}}
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

// Labels of the largest probability, the first of equal ones; each label m times; the mean label in the generator's input.
func TestSoftLabelGraphs(t *testing.T) {
	soft := [][]float32{{0.25, 0.5, 0.25}, {0.5, 0, 0.5}, {0, 0.25, 0.75}}
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		float := func(x *Node) *Node { return ConvertDType(x, dtypes.Float64) }
		require.Equal(t, []float64{1, 0, 2}, call(t, backend, func(in []*Node) *Node { return float(classOf(in[0])) }, soft))
		require.Equal(t, []float64{0.25, 0.5, 0.25, 0.25, 0.5, 0.25, 0.5, 0, 0.5, 0.5, 0, 0.5, 0, 0.25, 0.75, 0, 0.25, 0.75},
			call(t, backend, func(in []*Node) *Node { return float(repeat(in[0], 2)) }, soft))
		logits := [][]float32{{0, 1, 0}, {1, 0, 0}, {1, 0, 0}} // right, right, wrong
		require.InDeltaSlice(t, []float64{2. / 3}, call(t, backend, func(in []*Node) *Node { return accuracy(in[1], in[0]) }, soft, logits), 1e-7)
		for encoding, want := range map[string][]float64{"scaled": {1, 1, 1.75}, "index": {2, 2, 3.5}} { // κ·y/2 and κ·y
			n := &network{cfg: Config{LabelEncoding: encoding, LabelCoefficient: 2, Classes: 3}}
			got := call(t, backend, func(in []*Node) *Node { return n.labelBias(in[0], in[1]) }, soft, logits)
			require.InDeltaSlice(t, want, got, 1e-6, encoding)
		}
	})
}

// Half class 0 and half class 2 of three is the noise of class 1, and the mean of both classes' losses, plus λ times that without
// noise; its gradient is that of central differences.
func TestSoftObjective(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.ComputeDType, cfg.NoiseSamples, cfg.LabelCoefficient, cfg.BaseLossWeight = "float64", 2, 1, 0.5
	cfg.ImageShape, cfg.Classes = [3]int{1, 2, 1}, 3
	m := newModel(t, cfg, openDevice(t, "go"))
	fill(t, m, "generator.fc3.bias", func(i int) float32 { return float32(i) - 0.4 })
	fill(t, m, "base.linear.weight", func(i int) float32 { return float32(i%4) - 1.2 })
	z := [][][]float64{{{1.5, -0.5}, {-2, 1}}}
	run := func(build func(s *model.Scope, x, z *Node) *Node, images []float64) []float64 {
		return floats(goldenCall(t, m.backend, m.store, func(s *model.Scope, in []*Node) []*Node {
			return []*Node{build(s, in[0], Reshape(in[1], 1, 2, 1, 2, 1))}
		}, [][][][]float64{{{{images[0]}, {images[1]}}}}, z)[0])
	}
	soft := func(x *Node) *Node { return Const(x.Graph(), [][]float32{{0.5, 0, 0.5}}) }
	value := func(s *model.Scope, x, z *Node) *Node { return m.net.objective(s, x, soft(x), z, nil).loss }

	images := []float64{0.3, 0.8}
	logits := run(func(s *model.Scope, x, z *Node) *Node {
		noisy := m.net.noisy(x, m.net.std(s, x, Const(x.Graph(), []int32{1})), z)
		return LogSoftmax(Concatenate([]*Node{m.net.logits(s, noisy), m.net.logits(s, x)}, 0))
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

// Probabilities of 1 for a class train as the class does, in every mode, but for the rounding of the losses; from a stream, too.
func TestOneHotEqualsClasses(t *testing.T) {
	train := stripes(t, 70, 1)
	soft := softened(t, train, oneHot)
	fromDisk := softened(t, streamed(t, train), oneHot)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		base := fitted(t, smallConfig("plain"), train, nil)
		path := t.TempDir() + "/base.safetensors"
		require.NoError(t, base.ExportSafetensors(path, ExportOptions{}))
		for _, mode := range []string{"joint", "frozen", "plain", "gaussian"} {
			if mode != "joint" && backend != openDevice(t, "go") {
				continue // compiling takes seconds
			}
			cfg := smallConfig(mode)
			cfg.NoiseSamples, cfg.LabelSmoothing, cfg.LabelCoefficient, cfg.Epochs = 2, 0.1, 1, 2
			cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
			trained := func(d *data.Dataset) *Model {
				m := newModel(t, cfg, backend)
				if mode == "frozen" {
					require.NoError(t, m.ImportSafetensors(path, ImportOptions{}))
				}
				require.NoError(t, m.Fit(ctx, d, train, FitOptions{}))
				return m
			}
			want, got := trained(train), trained(soft)
			for i, row := range want.History() {
				mine := got.History()[i]
				require.InEpsilon(t, float64(row.Loss), float64(mine.Loss), 2e-5, "%s, epoch %d", mode, i+1)
				require.InEpsilon(t, float64(row.ValLoss), float64(mine.ValLoss), 2e-5, "%s, epoch %d", mode, i+1)
				require.InDelta(t, float64(row.Accuracy), float64(mine.Accuracy), 1e-6, "%s, epoch %d", mode, i+1)
			}
			if mode == "joint" {
				require.Equal(t, state(t, got), state(t, trained(fromDisk)), "a stream trains as memory does, bit by bit")
			}
		}
	})
}

// Training on probabilities learns them: without overlap of the images, the loss falls to their entropy, 0.8018 nats, and not below.
func TestLearnsProbabilities(t *testing.T) {
	train := softened(t, stripes(t, 96, 1), vague)
	cfg := smallConfig("plain")
	cfg.Epochs = 40
	m := fitted(t, cfg, train, nil)
	last := m.History()[39]
	require.InDelta(t, 0.8018, float64(last.Loss), 0.01)
	require.Equal(t, 1., float64(last.Accuracy))
	p, err := m.Predict(ctx, train, PredictOptions{Output: "proba"})
	require.NoError(t, err)
	mean := make([]float64, 3) // of the images of class 0, a third
	for i := 0; i < train.Len(); i += 3 {
		for k := range mean {
			mean[k] += float64(p.Scores[3*i+k]) / 32
		}
	}
	require.InDeltaSlice(t, []float64{0.7, 0.2, 0.1}, mean, 0.02)
}

// Soft labels resume bit by bit, from a file; of another number of classes they are refused.
func TestSoftResume(t *testing.T) {
	train := softened(t, stripes(t, 70, 1), vague)
	cfg := smallConfig("joint")
	want := fitted(t, cfg, train, nil)
	m := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 1}))
	m = reloaded(t, m)
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 3, Resume: true}))
	require.Equal(t, state(t, want), state(t, m))
	require.Equal(t, untimed(want.History()), untimed(m.History()))
	_, err := m.TrainBatch(ctx, train)
	require.NoError(t, err)

	other := softened(t, stripes(t, 70, 1), func(y int32) []float32 { return append(vague(y), 0) })
	err = m.Fit(ctx, other, nil, FitOptions{Resume: true})
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, "the training set has soft labels of 4 classes, want 3, the model's number of classes")
}

// One-hot probabilities give every fusion the noise of their class; mixed ones give the mean of the classes' u.
func TestSoftFusions(t *testing.T) {
	images := golden.Tensor(golden.Uniform("x", 2*12), dtypes.Float64, 2, 2, 3, 2)
	for _, fusion := range LabelFusionNames() {
		for _, generator := range GeneratorNames() {
			n, store := fusionNetwork(t, fusion, generator), model.NewStore()
			of := func(y any, build func(s *model.Scope, in []*Node) []*Node) []float64 {
				return floats(goldenCall(t, openDevice(t, "go"), store, build, images, y)[0])
			}
			std := func(s *model.Scope, in []*Node) []*Node { return []*Node{n.std(s, in[0], in[1])} }
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
				return []*Node{fusionByName[fusion].images(labels{n, s.At("generator").In("label"), y}, in[0])}
			}
			first, second := of([]int32{0, 0}, u), of([]int32{2, 2}, u)
			for i, mixed := range of([][]float32{{0.25, 0, 0.75}, {0.25, 0, 0.75}}, u) {
				require.InDelta(t, 0.25*first[i]+0.75*second[i], mixed, 1e-12, "%s, %s", fusion, generator)
			}
		}
	}
}
