package engine

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
)

// Free releases tensors at once, not at the next garbage collection: device memory does not press
// on Go's heap.
func Free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		_ = t.FinalizeAll()
	}
}

// Vector returns a tensor of values, in float64 if dtype says so, else in float32.
func Vector(values []float64, dtype dtypes.DType) *tensors.Tensor {
	if dtype == dtypes.Float64 {
		return tensors.FromFlatDataAndDimensions(values, len(values))
	}
	narrow := make([]float32, len(values))
	for i, v := range values {
		narrow[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(narrow, len(values))
}

// Floats copies the values of a float tensor to the host.
func Floats(t *tensors.Tensor) []float64 { return FloatsFrom(t, 0) }

// FloatsFrom copies the values of a float tensor to the host, from a position on.
func FloatsFrom(t *tensors.Tensor, from int) (values []float64) {
	if t.DType() == dtypes.Float64 {
		tensors.MustConstFlatData(t, func(flat []float64) { values = append(values, flat[from:]...) })
		return values
	}
	tensors.MustConstFlatData(t, func(flat []float32) {
		for _, v := range flat[from:] {
			values = append(values, float64(v))
		}
	})
	return values
}

// AppendRows appends the first rows of a float tensor to values, and frees the tensor.
func AppendRows(values []float32, t *tensors.Tensor, rows int) []float32 {
	defer Free(t)
	n := rows * t.Size() / t.Shape().Dimensions[0]
	if t.DType() == dtypes.Float64 {
		tensors.MustConstFlatData(t, func(flat []float64) {
			for _, v := range flat[:n] {
				values = append(values, float32(v))
			}
		})
		return values
	}
	tensors.MustConstFlatData(t, func(flat []float32) { values = append(values, flat[:n]...) })
	return values
}
