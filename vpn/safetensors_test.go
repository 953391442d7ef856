package vpn

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"
)

// header is the JSON header of a safetensors file, read by the format's definition: 8 bytes little-endian length, JSON.
func header(t *testing.T, path string) map[string]tensorEntry {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	size := binary.LittleEndian.Uint64(b)
	require.Zero(t, size%8, "the data start aligned")
	var entries map[string]tensorEntry
	require.NoError(t, json.Unmarshal(b[8:8+size], &entries))
	return entries
}

// safetensors writes a file with a header and a body as given.
func safetensors(t *testing.T, head string, body ...float32) string {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	b = append(b, head...)
	b, err := binary.Append(b, binary.LittleEndian, body)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

// The names and layouts are PyTorch's: dense weights (out, in).
func TestExportedNamesAndShapes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	d := dataset(t, make([]uint8, 24), []int32{0, 4}, 2, 3, 2) // d = 12, K = 5
	for base, want := range map[string]map[string][]int{
		"sr": {"base.linear.weight": {5, 12}, "base.linear.bias": {5}},
		"dnn3": {
			"base.fc1.weight": {1024, 12}, "base.fc1.bias": {1024},
			"base.fc2.weight": {1024, 1024}, "base.fc2.bias": {1024},
			"base.fc3.weight": {5, 1024}, "base.fc3.bias": {5},
		},
	} {
		for _, mode := range []string{"plain", "joint"} {
			cfg := smallConfig(mode)
			cfg.Base = base
			m := newModel(t, cfg, openDevice(t, "go"))
			_, err := m.TrainBatch(ctx, d)
			require.NoError(t, err)
			require.NoError(t, m.ExportSafetensors(path))
			shapes := map[string][]int{}
			for name, e := range header(t, path) {
				require.Equal(t, "F32", e.DType)
				shapes[name] = e.Shape
			}
			if mode == "joint" {
				for name, shape := range map[string][]int{
					"generator.fc1.weight": {1024, 12}, "generator.fc1.bias": {1024},
					"generator.fc2.weight": {1024, 1024}, "generator.fc2.bias": {1024},
					"generator.fc3.weight": {12, 1024}, "generator.fc3.bias": {12},
				} {
					require.Equal(t, shape, shapes[name], name)
					delete(shapes, name)
				}
			}
			require.Equal(t, want, shapes)
		}
	}
}

// A file written by hand, for pixels p in [0, 1]: logits (2p, 1 − p).
func TestImportByHand(t *testing.T) {
	path := safetensors(t, `{"base.linear.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},`+
		`"base.linear.bias":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"__metadata__":{"made":"by hand"}}`,
		2, -1, 0, 1)
	cfg := smallConfig("plain")
	cfg.ImageShape, cfg.Classes = [3]int{1, 1, 1}, 2
	m := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.ImportSafetensors(path))
	p, err := m.Predict(ctx, dataset(t, []uint8{0, 255, 51}, nil, 1, 1, 1), PredictOptions{Output: "logits"})
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{0, 1, 2, 0, 0.4, 0.8}, p.Scores, 1e-6) // p = 0, 1, 0.2
	require.Equal(t, []int32{1, 0, 1}, p.Labels)
}

// Export and import carry a whole model over, on another store with other initial weights.
func TestImportEqualsExported(t *testing.T) {
	d, path := stripes(t, 30, 1), filepath.Join(t.TempDir(), "w")
	m := fitted(t, smallConfig("joint"), d, d)
	require.NoError(t, m.ExportSafetensors(path))
	cfg := m.Config()
	cfg.Seed = 9
	other := newModel(t, cfg, m.backend)
	require.NoError(t, other.ImportSafetensors(path))
	options := PredictOptions{Noise: "classwise", Output: "scores", Seed: 3}
	want, err := m.Predict(ctx, d, options)
	require.NoError(t, err)
	got, err := other.Predict(ctx, d, options)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Empty(t, other.History())
	require.NoError(t, other.Fit(ctx, d, nil, FitOptions{Epochs: 1}), "training goes on from imported weights")
	require.NoError(t, other.ImportSafetensors(path), "also after a fit")
	require.NoError(t, other.Fit(ctx, d, nil, FitOptions{Epochs: 1}))
}

// A file of one part replaces that part.
func TestImportOnePart(t *testing.T) {
	d := stripes(t, 30, 1)
	m := fitted(t, smallConfig("joint"), d, nil)
	for part, other := range map[string]string{"base": "generator", "generator": "base"} {
		f := &tensorFile{tensors: map[string]*tensors.Tensor{}}
		for _, v := range variables(m.store, part) {
			f.tensors[tensorName(v)] = v.MustValue()
		}
		path := filepath.Join(t.TempDir(), part)
		require.NoError(t, writeFile(path, f.write))
		cfg := m.Config()
		cfg.Seed, cfg.Mode = 9, "frozen"
		two := newModel(t, cfg, m.backend)
		before := state(t, two)
		require.NoError(t, two.ImportSafetensors(path))
		for name, bytes := range state(t, two) {
			if strings.HasPrefix(name, other) {
				require.Equal(t, before[name], bytes, name)
			} else {
				require.Equal(t, state(t, m)[name], bytes, name)
			}
		}
		err := two.Fit(ctx, d, nil, FitOptions{Epochs: 1})
		if part == "base" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "the base has no trained weights")
		}
	}
}

// Everything that does not fit is listed, and nothing is changed.
func TestImportMisfits(t *testing.T) {
	d := stripes(t, 30, 1)
	m := fitted(t, smallConfig("plain"), d, nil)
	before := state(t, m)
	for _, test := range []struct {
		path string
		kind error
		want []string
	}{
		{safetensors(t, `{"base.linear.weight":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]},`+
			`"base.fc1.bias":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}`, 1, 2, 3, 4), ErrFormat,
			[]string{"base.linear.bias is missing", "base.linear.weight is (Float32)[1, 3], want (Float32)[3, 16]", "base.fc1.bias is not a weight"}},
		{safetensors(t, `{"fc1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1), ErrFormat,
			[]string{"no tensor named base.… or generator.…"}},
		{safetensors(t, `{"base.linear.bias":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 1), ErrUnsupported,
			[]string{"base.linear.bias", "F16", "want F32 or F64"}},
		{safetensors(t, `{"base.linear.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 1), ErrFormat,
			[]string{"base.linear.bias", "[2]"}},
		{safetensors(t, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1),
			ErrFormat, []string{"want [4 8]"}}, // an overlap
		{safetensors(t, `{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 1), ErrFormat, []string{"shape [-1]"}},
		{safetensors(t, `{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}`, 1), ErrFormat, []string{"does not fit"}},
		{safetensors(t, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`), ErrFormat, []string{"does not fit"}},
		{safetensors(t, `{"a":7}`), ErrFormat, []string{`tensor "a" does not decode`}},
		{safetensors(t, `{"__metadata__":{"a":7}}`), ErrFormat, []string{"the metadata does not decode"}},
		{filepath.Join(t.TempDir(), "missing"), ErrIO, []string{"missing"}},
	} {
		err := m.ImportSafetensors(test.path)
		require.ErrorIs(t, err, test.kind, test.want)
		for _, text := range test.want {
			require.ErrorContains(t, err, text)
		}
		require.Equal(t, before, state(t, m))
	}
	require.ErrorContains(t, newModel(t, smallConfig("plain"), m.backend).ImportSafetensors(
		safetensors(t, `{"base.linear.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1)), "set ImageShape and Classes")
}
