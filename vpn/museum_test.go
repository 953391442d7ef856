package vpn

import (
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/safetensors"
)

// museum is what testdata/museum.py keeps of a version: one example of each kind of file, and what
// the model in it does.
type museum struct {
	folder string
	Data   map[string]struct{ Train, Test, Valid museumData } `json:"data"`
	Soft   [][]float32                                        `json:"soft"`    // labels of fit "soft"
	Weigh  []float32                                          `json:"weights"` // of fit "weights"
	Models map[string]struct {
		museumAnswers
		Data    string `json:"data"`
		Fit     string `json:"fit"`    // labels of the training: "hard", "soft", "weights"
		Valid   bool   `json:"valid"`  // whether training has validation data
		Resume  int    `json:"resume"` // epochs that it goes on for
		Resumed struct {
			museumAnswers
			Epochs int `json:"epochs"`
		} `json:"resumed"`
	} `json:"models"`
	Exports map[string]struct {
		museumAnswers
		Data    string           `json:"data"`
		Part    string           `json:"part"`
		Model   string           `json:"model"`   // whose weights they are
		Imports []string         `json:"imports"` // files, in the order in which a new model takes them
		Tensors map[string][]any `json:"tensors"` // dtype, then dimensions
	} `json:"exports"`
}

type museumData struct {
	Shape  [4]int  `json:"shape"`
	Images []byte  `json:"images"`
	Labels []int32 `json:"labels"`
}

// museumAnswers are what a version said on device go. A column of the history has null where it has
// no value.
type museumAnswers struct {
	Config   map[string]any        `json:"config"`
	Proba    [][]float32           `json:"proba"`
	Gaussian [][]float32           `json:"gaussian"` // under Gaussian noise of σ 0.25, seed 5
	Scores   [][]float32           `json:"scores"`   // classwise, of the first image, seed 6
	History  map[string][]*float64 `json:"history"`
	Std      *struct {
		Shape  []int     `json:"shape"`
		Step   int       `json:"step"` // every so many values of the last axis
		Values []float32 `json:"values"`
	} `json:"std"`
}

// eachMuseum runs test on the museum of every version that has one.
func eachMuseum(t *testing.T, test func(t *testing.T, m museum)) {
	files, err := filepath.Glob("testdata/files/*/museum/museum.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		folder := filepath.Dir(file)
		t.Run(filepath.Base(filepath.Dir(folder)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			m := museum{folder: folder}
			require.NoError(t, json.Unmarshal(text, &m))
			test(t, m)
		})
	}
}

// content returns the unpacked bytes of a file.
func (m museum) content(t *testing.T, name string) []byte {
	f, err := os.Open(filepath.Join(m.folder, name+".bz2"))
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(bzip2.NewReader(f))
	require.NoError(t, err)
	return b
}

// model returns the model of a file. The test closes it.
func (m museum) model(t *testing.T, name string, backend compute.Backend) *Model {
	model, err := Unmarshal(m.content(t, name+".govpn"), backend)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, model.Close()) })
	return model
}

// dataset returns images with their labels. The test closes it.
func (d museumData) dataset(t *testing.T) *data.Dataset {
	return dataset(t, d.Images, d.Labels, d.Shape[1], d.Shape[2], d.Shape[3])
}

// first returns the first image alone.
func (d museumData) first(t *testing.T) *data.Dataset {
	return dataset(t, d.Images[:len(d.Images)/d.Shape[0]], d.Labels[:1], d.Shape[1], d.Shape[2], d.Shape[3])
}

// train returns the training set with the labels or weights that fit names.
func (m museum) train(t *testing.T, name, fit string) (d *data.Dataset) {
	set, err := m.Data[name].Train, error(nil)
	switch d = set.dataset(t); fit {
	case "soft":
		d, err = data.FromUint8(set.Images, set.Shape[0], set.Shape[1], set.Shape[2], set.Shape[3],
			data.Options{SoftLabels: slices.Concat(m.Soft...)})
	case "weights":
		d, err = d.WithWeights(m.Weigh)
	default:
		return d
	}
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// sameRows compares rows of numbers, and a prediction that lists them.
func sameRows(t *testing.T, what string, want [][]float32, got []float32, delta float64) {
	t.Helper()
	require.Len(t, got, len(slices.Concat(want...)), what)
	require.InDeltaSlice(t, slices.Concat(want...), got, delta, what)
}

// check wants the recorded answers. Keys of the configuration and columns of the history that a
// later version adds are none of its business. Each device draws its own noise: drawn says whether
// this one draws the recorded noise.
func (a museumAnswers) check(t *testing.T, m *Model, set museumData, drawn bool, delta float64) {
	t.Helper()
	test := set.dataset(t)
	text, err := json.Marshal(m.Config())
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(text, &config))
	for key, want := range a.Config {
		require.Equal(t, want, config[key], "config %s", key)
	}
	p, err := m.Predict(ctx, test, PredictOptions{Output: "proba"})
	require.NoError(t, err)
	sameRows(t, "proba", a.Proba, p.Scores, delta)
	if a.Gaussian != nil && drawn {
		std := 0.25
		p, err := m.Predict(ctx, test, PredictOptions{Output: "proba", Noise: "gaussian", Std: &std, Seed: 5})
		require.NoError(t, err)
		sameRows(t, "gaussian", a.Gaussian, p.Scores, delta)
	}
	if a.Scores != nil && drawn {
		p, err := m.Predict(ctx, set.first(t), PredictOptions{Output: "scores", Noise: "classwise", Seed: 6})
		require.NoError(t, err)
		sameRows(t, "scores", a.Scores, p.Scores, delta)
	}
	if a.Std != nil {
		sigma, dims, err := m.Noise(ctx, test, NoiseOptions{})
		require.NoError(t, err)
		require.Equal(t, a.Std.Shape, dims)
		var values []float32
		for i := 0; i < len(sigma); i += a.Std.Step {
			values = append(values, sigma[i])
		}
		require.InDeltaSlice(t, a.Std.Values, values, delta, "std")
	}
	a.checkHistory(t, m, delta)
}

func (a museumAnswers) checkHistory(t *testing.T, m *Model, delta float64) {
	t.Helper()
	history := m.History()
	text, err := json.Marshal(history)
	require.NoError(t, err)
	var rows []map[string]*float64
	require.NoError(t, json.Unmarshal(text, &rows))
	for column, values := range a.History {
		require.Len(t, history, len(values), column)
		for i, want := range values {
			if got := rows[i][column]; want == nil {
				require.Nil(t, got, "%s of epoch %d", column, i+1)
			} else {
				require.NotNil(t, got, "%s of epoch %d", column, i+1)
				require.InDelta(t, *want, *got, delta, "%s of epoch %d", column, i+1)
			}
		}
	}
}

// Each saved model of each version loads and answers as it did there. Where a training is recorded,
// it goes on as it did.
func TestMuseumModels(t *testing.T) {
	eachMuseum(t, func(t *testing.T, m museum) {
		for _, name := range slices.Sorted(maps.Keys(m.Models)) {
			t.Run(name, func(t *testing.T) {
				want := m.Models[name]
				model, set := m.model(t, name, openDevice(t, "go")), m.Data[want.Data]
				want.check(t, model, set.Test, true, 1e-5)
				if want.Resume == 0 {
					return
				}
				var valid *data.Dataset
				if want.Valid {
					valid = set.Valid.dataset(t)
				}
				options := FitOptions{Epochs: want.Resumed.Epochs, Resume: true}
				require.NoError(t, model.Fit(ctx, m.train(t, want.Data, want.Fit), valid, options))
				want.Resumed.check(t, model, set.Test, true, 1e-4)
			})
		}
	})
}

// Small files load on the device cpu too. Answers without noise are the same there.
func TestMuseumModelsOnCPU(t *testing.T) {
	backend := openDevice(t, "cpu")
	eachMuseum(t, func(t *testing.T, m museum) {
		for _, name := range []string{"best-epoch", "bounded-film", "float64"} {
			t.Run(name, func(t *testing.T) {
				want := m.Models[name]
				want.check(t, m.model(t, name, backend), m.Data[want.Data].Test, false, 1e-5)
			})
		}
	})
}

// A new model that imports exported weights, whole or in part, answers as it did. The model in the
// museum still exports the same tensors.
func TestMuseumExports(t *testing.T) {
	eachMuseum(t, func(t *testing.T, m museum) {
		saved := map[string]*Model{} // by the names of their files, which take long to unpack
		for _, name := range slices.Sorted(maps.Keys(m.Exports)) {
			if of := m.Exports[name].Model; saved[of] == nil {
				saved[of] = m.model(t, of, openDevice(t, "go"))
			}
			t.Run(name, func(t *testing.T) {
				want, folder := m.Exports[name], t.TempDir()
				text, err := json.Marshal(want.Config)
				require.NoError(t, err)
				cfg, err := ParseConfig(text)
				require.NoError(t, err)
				model := newModel(t, cfg, openDevice(t, "go"))
				for _, file := range want.Imports {
					path := filepath.Join(folder, file)
					require.NoError(t, os.WriteFile(path, m.content(t, file), 0o600))
					require.NoError(t, model.ImportSafetensors(path, ImportOptions{}))
				}
				want.check(t, model, m.Data[want.Data].Test, true, 1e-5)

				again := filepath.Join(folder, "again")
				require.NoError(t, saved[want.Model].ExportSafetensors(again, ExportOptions{Part: want.Part}))
				written, err := os.ReadFile(again)
				require.NoError(t, err)
				requireSameTensors(t, m.content(t, name+".safetensors"), written)
			})
		}
	})
}

// requireSameTensors compares names, types, dimensions and bytes, and the metadata that want has. A
// later version may add metadata.
func requireSameTensors(t *testing.T, want, got []byte) {
	t.Helper()
	var files [2]*safetensors.File
	var values [2]map[string][]byte
	for i, b := range [][]byte{want, got} {
		f, err := safetensors.Parse(bytes.NewReader(b), int64(len(b)))
		require.NoError(t, err)
		files[i], values[i] = f, map[string][]byte{}
		require.NoError(t, f.EachBytes(func(name string, b []byte) error {
			values[i][name] = bytes.Clone(b)
			return nil
		}))
	}
	require.Subset(t, files[1].Metadata, files[0].Metadata)
	require.ElementsMatch(t, slices.Collect(maps.Keys(values[0])), slices.Collect(maps.Keys(values[1])))
	for name, b := range values[0] {
		require.True(t, files[0].Tensors[name].Shape().Equal(files[1].Tensors[name].Shape()), name)
		require.True(t, bytes.Equal(b, values[1][name]), "the values of %s differ", name)
	}
}

// The museum has an example of each mode, base, generator, parametrisation of σ, label fusion and
// the like.
func TestMuseumIsComplete(t *testing.T) {
	eachMuseum(t, func(t *testing.T, m museum) {
		found := map[string]map[any]bool{}
		for _, model := range m.Models {
			for key, value := range model.Config {
				if text, ok := value.(string); ok {
					if found[key] == nil {
						found[key] = map[any]bool{}
					}
					found[key][text] = true
				}
			}
		}
		for key, want := range map[string][]string{
			"mode": {"joint", "frozen", "plain", "gaussian"}, "base": {"sr", "dnn3", "resnet18", "resnet34_7x7", "resnet50", "vit"},
			"generator": {"dnn3", "resnet18"}, "std": {"abs", "bounded", "rms"}, "label_fusion": {"bias", "plane", "embedding", "film"},
			"label_encoding": {"scaled", "index"}, "noise_distribution": {"normal", "laplace", "uniform"}, "optimizer": {"adam", "sgd"},
			"schedule": {"constant", "cosine"}, "compute_dtype": {"float32", "float64", "bfloat16"}, "noisy_batch_norm": {"shared", "separate"},
		} {
			for _, value := range want {
				require.True(t, found[key][value], "no model has %s %s", key, value)
			}
		}
	})
}
