package safetensors

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// Convert returns t in another dtype of its kind, float or integer. problem says what prevents
// that, and is "" if nothing does.
func Convert(t *tensors.Tensor, dtype dtypes.DType) (result *tensors.Tensor, problem string) {
	if t.DType() == dtype {
		return t, ""
	}
	if t.DType().IsFloat() != dtype.IsFloat() {
		return nil, fmt.Sprintf("has dtype %s, want %s", dtypeName(t.DType()), dtypeName(dtype))
	}
	finite := false
	result = tensors.FromShape(shapes.Make(dtype, t.Shape().Dimensions...))
	t.MustConstFlatData(func(from any) {
		result.MustMutableFlatData(func(to any) {
			switch to := to.(type) {
			case []float32:
				finite = convert(to, numbers(from))
			case []float64:
				finite = convert(to, numbers(from))
			case []int64:
				finite = convert(to, numbers(from))
			}
		})
	})
	if !finite {
		return nil, fmt.Sprintf("has values beyond the range of %s", dtypeName(dtype))
	}
	return result, ""
}

// convert fills to, and says whether all values that were finite still are.
func convert[T float32 | float64 | int64](to []T, from func(i int) float64) (finite bool) {
	finite = true
	for i := range to {
		value := from(i)
		to[i] = T(value)
		finite = finite && (math.IsInf(value, 0) || !math.IsInf(float64(to[i]), 0))
	}
	return finite
}

// numbers returns a reader of a slice, of one of the types in dtypeByName.
func numbers(flat any) func(i int) float64 {
	switch flat := flat.(type) {
	case []float64:
		return func(i int) float64 { return flat[i] }
	case []float32:
		return func(i int) float64 { return float64(flat[i]) }
	case []float16.Float16:
		return func(i int) float64 { return flat[i].Float64() }
	case []bfloat16.BFloat16:
		return func(i int) float64 { return flat[i].Float64() }
	case []int64:
		return func(i int) float64 { return float64(flat[i]) }
	case []int32:
		return func(i int) float64 { return float64(flat[i]) }
	}
	panic(fmt.Errorf("numbers of type %T", flat))
}
