package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/data"
)

// softened returns d with the probabilities that row gives for each label.
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

// vague returns 0.7 for the label, and 0.2 and 0.1 for the next two.
func vague(y int32) []float32 {
	row := make([]float32, 3)
	row[y], row[(y+1)%3], row[(y+2)%3] = 0.7, 0.2, 0.1
	return row
}

// Probabilities of 1 for a class train as the class does, in every mode and from a stream. The
// losses differ in rounding alone.
func TestOneHotEqualsClasses(t *testing.T) {
	train := stripes(t, 70, 1)
	soft := softened(t, train, oneHot)
	fromDisk := softened(t, streamed(t, train), oneHot)
	pure := openDevice(t, "go")
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		base := fitted(t, smallConfig("plain"), train, nil)
		path := t.TempDir() + "/base.safetensors"
		require.NoError(t, base.ExportSafetensors(path, ExportOptions{}))
		for _, mode := range []string{"joint", "frozen", "plain", "gaussian"} {
			if mode != "joint" && backend != pure {
				continue // XLA compiles for seconds
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
			if mode == "joint" && (backend == pure || golden.IsLong()) {
				require.Equal(t, state(t, got), state(t, trained(fromDisk)), "a stream trains as memory does, bit for bit")
			}
		}
	})
}

// Training on probabilities learns them. As the images of two classes never look alike, the loss
// falls to the entropy of the probabilities, 0.8018 nats, and not below.
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
	mean := make([]float64, 3) // over the images of class 0, every third
	for i := 0; i < train.Len(); i += 3 {
		for k := range mean {
			mean[k] += float64(p.Scores[3*i+k]) / 32
		}
	}
	require.InDeltaSlice(t, []float64{0.7, 0.2, 0.1}, mean, 0.02)
}

// Training on soft labels resumes from a file, bit for bit. Soft labels of another number of
// classes are refused.
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
