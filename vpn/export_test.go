package vpn

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// headerEntry describes a tensor in the header of a safetensors file.
type headerEntry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// header reads the header of a safetensors file by the format's definition: a little-endian length
// of 8 bytes, then JSON.
func header(t *testing.T, path string) (entries map[string]headerEntry, metadata map[string]string) {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	size := binary.LittleEndian.Uint64(b)
	require.Zero(t, size%8, "the data start aligned")
	raw := map[string]json.RawMessage{}
	require.NoError(t, json.Unmarshal(b[8:8+size], &raw))
	if text, ok := raw["__metadata__"]; ok {
		require.NoError(t, json.Unmarshal(text, &metadata))
	}
	delete(raw, "__metadata__")
	entries = map[string]headerEntry{}
	for name, text := range raw {
		var e headerEntry
		require.NoError(t, json.Unmarshal(text, &e))
		entries[name] = e
	}
	return entries, metadata
}

// dimensions returns the shapes of a file's tensors by name.
func dimensions(t *testing.T, path string) map[string][]int {
	shapes := map[string][]int{}
	entries, _ := header(t, path)
	for name, e := range entries {
		shapes[name] = e.Shape
	}
	return shapes
}

// Names and layouts are PyTorch's. Dense weights are (out, in).
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
			require.NoError(t, m.ExportSafetensors(path, ExportOptions{}))
			entries, metadata := header(t, path)
			for _, e := range entries {
				require.Equal(t, "F32", e.DType)
			}
			require.Equal(t, map[string]string{"format": "pt", "govpn.flatten": "hwc"}, metadata,
				"the first as safetensors.torch.save_file writes it")
			shapes := dimensions(t, path)
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

// A part that is exported alone has the names that it has in PyTorch.
func TestExportOnePart(t *testing.T) {
	path, d := filepath.Join(t.TempDir(), "w"), dataset(t, make([]uint8, 24), []int32{0, 4}, 2, 3, 2)
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	_, err := m.TrainBatch(ctx, d)
	require.NoError(t, err)
	require.NoError(t, m.ExportSafetensors(path, ExportOptions{Part: "base"}))
	require.Equal(t, map[string][]int{"linear.weight": {5, 12}, "linear.bias": {5}}, dimensions(t, path))
	require.NoError(t, m.ExportSafetensors(path, ExportOptions{Part: "generator"}))
	require.Equal(t, map[string][]int{
		"fc1.weight": {1024, 12}, "fc1.bias": {1024}, "fc2.weight": {1024, 1024}, "fc2.bias": {1024},
		"fc3.weight": {12, 1024}, "fc3.bias": {12},
	}, dimensions(t, path))

	err = m.ExportSafetensors(path, ExportOptions{Part: "head"})
	require.ErrorContains(t, err, `Part is "head", want "base", "generator"`)
	plain := fitted(t, smallConfig("plain"), d, nil)
	err = plain.ExportSafetensors(path, ExportOptions{Part: "generator"})
	require.ErrorContains(t, err, "which a model of mode plain does not have")
}
