// Package golden reads, for tests, the files that vpn/testdata/golden.py writes from a PyTorch reference. Its own
// reader of safetensors keeps the tests apart from the code they test.
package golden

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"
)

// Case is a row of testdata/cases.json.
type Case struct {
	Name, Kind, File string
	Config           json.RawMessage // keys of vpn.Config
	Parameters       int             // logits: how many the model has
	Trained          []string        // objective: the parameters with a gradient
	Gradients        [][]float64     // optimizer: one row per step
	Params           [][]float64     // optimizer: the start, then one row per step
	LearningRates    []float64       `json:"learning_rates"` // training: one per step
}

// Cases returns the cases of one kind in the folder testdata of the package under test.
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

// Tensors reads the file of a case. Float tensors come as stored; As converts them.
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
	for name, h := range header {
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

// Float64s returns the values of a float tensor.
func Float64s(x *tensors.Tensor) []float64 {
	if x.DType() == dtypes.Float64 {
		return tensors.MustCopyFlatData[float64](x)
	}
	narrow := tensors.MustCopyFlatData[float32](x)
	wide := make([]float64, len(narrow))
	for i, v := range narrow {
		wide[i] = float64(v)
	}
	return wide
}

// Tensor makes a float32 or float64 tensor of values.
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

// Part cuts the first axis of x in n equal parts and returns part i.
func Part(x *tensors.Tensor, i, n int) *tensors.Tensor {
	dims := slices.Clone(x.Shape().Dimensions)
	dims[0] /= n
	size := x.Shape().Size() / n
	if x.DType() == dtypes.Int32 {
		return tensors.FromFlatDataAndDimensions(tensors.MustCopyFlatData[int32](x)[i*size:(i+1)*size], dims...)
	}
	return Tensor(Float64s(x)[i*size:(i+1)*size], x.DType(), dims...)
}

// Tag is the prefix of the outputs that PyTorch computed in dtype.
func Tag(dtype dtypes.DType) string {
	if dtype == dtypes.Float64 {
		return "f64/"
	}
	return "f32/"
}

// Mix is the 32-bit hash of reference.py.
func Mix(x uint32) uint32 {
	x = (x ^ x>>16) * 0x7FEB352D
	x = (x ^ x>>15) * 0x846CA68B
	return x ^ x>>16
}

// Uniform returns the n values in [−1, 1) that belong to a name; see reference.py.
func Uniform(name string, n int) []float64 {
	offset, values := crc32.ChecksumIEEE([]byte(name)), make([]float64, n)
	for i := range values {
		values[i] = 2*float64(Mix(uint32(i)*2654435761+offset))/(1<<32) - 1
	}
	return values
}

// SetWeights gives a store the weights of one part, "base" or "generator", by formula: formula_weights in
// reference.py. They belong to architecture with d inputs and out outputs.
func SetWeights(store *model.Store, dtype dtypes.DType, part, architecture string, d, out int) {
	layers, sizes := []string{"linear"}, []int{d, out}
	if architecture != "sr" {
		layers, sizes = []string{"fc1", "fc2", "fc3"}, []int{d, 1024, 1024, out}
	}
	for i, layer := range layers {
		in, out := sizes[i], sizes[i+1]
		set(store, dtype, fmt.Sprintf("%s.%s.weight", part, layer), math.Sqrt(6/float64(in)), out, in)
		set(store, dtype, fmt.Sprintf("%s.%s.bias", part, layer), 1/math.Sqrt(float64(in)), out)
	}
}

// set stores a parameter under its PyTorch name, with slashes for dots.
func set(store *model.Store, dtype dtypes.DType, name string, scale float64, dims ...int) {
	n := 1
	for _, dim := range dims {
		n *= dim
	}
	values := Uniform(name, n)
	for i := range values {
		values[i] *= scale
	}
	store.VariableWithValue("/"+strings.ReplaceAll(name, ".", "/"), Tensor(values, dtype, dims...))
}
