// Package golden reads, for tests, the files that vpn/method/testdata/golden.py writes from a
// PyTorch reference. It has its own reader of safetensors files, so that tests do not depend on the
// code they test.
package golden

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"
)

// Case is an entry of testdata/cases.json.
type Case struct {
	Name, Kind, File string
	Config           json.RawMessage // keys of vpn.Config; for layers: what the layer needs
	Trained          int             // objective: how many parameters have a gradient
	Batch            int             // base, generator, layer: how many images
	Levels           int             // base, generator, layer: the input is rounded to multiples of 1/Levels; 0: not
	Parameters       int             // base, generator, layer: how many parameters the network has
	DoubleOnly       bool            `json:"double_only"` // test in float64 only
	Gradients        [][]float64     // optimizer: one row per step
	Params           [][]float64     // optimizer: the initial values, then one row per step
	LearningRates    []float64       `json:"learning_rates"` // training: one per step
}

// Cases returns the cases of one kind, from the folder testdata of the package under test.
func Cases(t testing.TB, kind string) []Case {
	text, err := os.ReadFile(filepath.Join("testdata", "cases.json"))
	require.NoError(t, err)
	var all, found []Case
	require.NoError(t, json.Unmarshal(text, &all))
	for _, c := range all {
		if c.Kind == kind {
			found = append(found, c)
		}
	}
	require.NotEmpty(t, found)
	return found
}

// Tensors returns what the file stores under the name of a case, in the stored dtypes.
func (c Case) Tensors(t testing.TB) map[string]*tensors.Tensor {
	raw, err := os.ReadFile(filepath.Join("testdata", c.File))
	require.NoError(t, err)
	size := 8 + binary.LittleEndian.Uint64(raw)
	var header map[string]struct {
		DType   string
		Shape   []int
		Offsets [2]uint64 `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(raw[8:size], &header))
	found := map[string]*tensors.Tensor{}
	for key, h := range header {
		name, mine := strings.CutPrefix(key, c.Name+"/")
		if !mine {
			continue
		}
		data := raw[size+h.Offsets[0] : size+h.Offsets[1]]
		switch h.DType {
		case "F32":
			found[name] = decode[float32](data, h.Shape)
		case "F64":
			found[name] = decode[float64](data, h.Shape)
		case "I32":
			found[name] = decode[int32](data, h.Shape)
		default:
			require.Failf(t, "unknown dtype", "%s is %s", name, h.DType)
		}
	}
	return found
}

func decode[T float32 | float64 | int32](data []byte, shape []int) *tensors.Tensor {
	values := make([]T, len(data)/binary.Size(T(0)))
	if _, err := binary.Decode(data, binary.LittleEndian, values); err != nil {
		panic(err)
	}
	return tensors.FromFlatDataAndDimensions(values, shape...)
}

// Float64s returns the values of a float or int64 tensor as float64.
func Float64s(x *tensors.Tensor) []float64 {
	switch x.DType() {
	case dtypes.Float64:
		return tensors.MustCopyFlatData[float64](x)
	case dtypes.Int64:
		return widen(tensors.MustCopyFlatData[int64](x))
	default:
		return widen(tensors.MustCopyFlatData[float32](x))
	}
}

func widen[T float32 | int64](narrow []T) []float64 {
	wide := make([]float64, len(narrow))
	for i, v := range narrow {
		wide[i] = float64(v)
	}
	return wide
}

// Tensor returns a float32 or float64 tensor with these values.
func Tensor(values []float64, dtype dtypes.DType, dims ...int) *tensors.Tensor {
	if dtype == dtypes.Float64 {
		return tensors.FromFlatDataAndDimensions(values, dims...)
	}
	narrow := make([]float32, len(values))
	for i, v := range values {
		narrow[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(narrow, dims...)
}

// As converts a float tensor to dtype.
func As(x *tensors.Tensor, dtype dtypes.DType) *tensors.Tensor {
	return Tensor(Float64s(x), dtype, x.Shape().Dimensions...)
}

// Part splits the first axis of x into n equal parts and returns part i.
func Part(x *tensors.Tensor, i, n int) *tensors.Tensor {
	dims := slices.Clone(x.Shape().Dimensions)
	dims[0] /= n
	size := x.Shape().Size() / n
	if x.DType() == dtypes.Int32 {
		return tensors.FromFlatDataAndDimensions(tensors.MustCopyFlatData[int32](x)[i*size:(i+1)*size], dims...)
	}
	return Tensor(Float64s(x)[i*size:(i+1)*size], x.DType(), dims...)
}
