package vpn

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
)

// released is what testdata/released.py keeps of a version: its data and what the models in its files do with them.
type released struct {
	folder             string
	Train, Valid, Test struct {
		Images []byte  `json:"images"`
		Labels []int32 `json:"labels"`
	}
	Joint, Gaussian struct {
		outcome
		Std     [][][][]float32 `json:"std"`
		Resumed outcome         `json:"resumed"`
	}
}

type outcome struct {
	Proba [][]float32 `json:"proba"`
	Loss  []float64   `json:"loss"`
}

func eachReleased(t *testing.T, test func(t *testing.T, r released)) {
	folders, err := filepath.Glob("testdata/files/*")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
			require.NoError(t, err)
			r := released{folder: folder}
			require.NoError(t, json.Unmarshal(text, &r))
			test(t, r)
		})
	}
}

// content is that of a file, unpacked.
func (r released) content(t *testing.T, name string) []byte {
	f, err := os.Open(filepath.Join(r.folder, name))
	require.NoError(t, err)
	defer f.Close()
	var content io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		content, err = gzip.NewReader(f)
		require.NoError(t, err)
	}
	b, err := io.ReadAll(content)
	require.NoError(t, err)
	return b
}

// model is one out of a file, which the test closes.
func (r released) model(t *testing.T, name string, backend compute.Backend) *Model {
	m, err := Unmarshal(r.content(t, name), backend)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func (r released) data(t *testing.T) (train, valid, test *data.Dataset) {
	return dataset(t, r.Train.Images, r.Train.Labels, 4, 4, 1), dataset(t, r.Valid.Images, r.Valid.Labels, 4, 4, 1),
		dataset(t, r.Test.Images, r.Test.Labels, 4, 4, 1)
}

// requireOutcome compares what a model predicts and has recorded with what its version did.
func requireOutcome(t *testing.T, want outcome, m *Model, test *data.Dataset, delta float64) {
	t.Helper()
	p, err := m.Predict(ctx, test, PredictOptions{Output: "proba"})
	require.NoError(t, err)
	for i, row := range want.Proba {
		require.InDeltaSlice(t, row, p.Scores[i*len(row):(i+1)*len(row)], delta)
	}
	history := m.History()
	require.Len(t, history, len(want.Loss))
	for i, loss := range want.Loss {
		require.InDelta(t, loss, float64(history[i].Loss), delta)
	}
}

// Files of every released version load on every device, predict what they did, and training goes on as it would have there.
func TestReleasedFiles(t *testing.T) {
	eachReleased(t, func(t *testing.T, r released) {
		train, valid, test := r.data(t)
		eachDevice(t, func(t *testing.T, backend compute.Backend) {
			resumed := 1e-4
			if backend != openDevice(t, "go") {
				resumed = 0.1 // it draws other noise
			}
			m := r.model(t, "joint.govpn.gz", backend)
			require.Equal(t, []string{"ant", "bee", "cat"}, m.Config().ClassNames)
			requireOutcome(t, r.Joint.outcome, m, test, 1e-5)
			sigma, _, err := m.Noise(ctx, test, NoiseOptions{})
			require.NoError(t, err)
			var want []float32
			for _, image := range r.Joint.Std {
				for _, row := range image {
					for _, pixel := range row {
						want = append(want, pixel...)
					}
				}
			}
			require.InDeltaSlice(t, want, sigma, 1e-5)
			require.NoError(t, m.Fit(ctx, train, valid, FitOptions{Epochs: 5, Resume: true}))
			requireOutcome(t, r.Joint.Resumed, m, test, resumed)

			m = r.model(t, "gaussian.govpn", backend)
			requireOutcome(t, r.Gaussian.outcome, m, test, 1e-5)
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Resume: true}))
			requireOutcome(t, r.Gaussian.Resumed, m, test, resumed)
		})
	})
}

// What a version did not know has the value that means what it did.
func TestFilesWithoutLaterOptions(t *testing.T) {
	eachReleased(t, func(t *testing.T, r released) {
		packed := rewritten(t, r.content(t, "joint.govpn.gz"), "govpn.config", func(text string) string {
			var config map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &config))
			for _, key := range []string{"label_smoothing", "entropy_weight", "label_fusion", "noise_layer", "noise_distribution", "augment", "compute_dtype"} {
				require.Contains(t, config, key)
				delete(config, key)
			}
			short, err := json.Marshal(config)
			require.NoError(t, err)
			return string(short)
		})
		m, err := Unmarshal(packed, openDevice(t, "go"))
		require.NoError(t, err)
		defer m.Close()
		require.Equal(t, r.model(t, "joint.govpn.gz", openDevice(t, "go")).Config(), m.Config())
		_, _, test := r.data(t)
		requireOutcome(t, r.Joint.outcome, m, test, 1e-5)
	})
}
