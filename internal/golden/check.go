package golden

import (
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// EachDevice runs test on go and, where its plugin is found, on cpu, in float32 and float64.
func EachDevice(t *testing.T, test func(t *testing.T, backend compute.Backend, dtype dtypes.DType)) {
	for _, name := range []string{"go", "cpu"} {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			t.Run(fmt.Sprintf("%s/%s", name, dtype), func(t *testing.T) {
				backend, info, err := device.Open(name, device.Options{})
				if err != nil {
					SkipDevice(t, info)
				}
				test(t, backend, dtype)
			})
		}
	}
}

// SkipDevice ends a test of a device that is not there: by a skip, or by a failure where $GOVPN_TEST_REQUIRE names it,
// as `make test` does.
func SkipDevice(t testing.TB, info device.Info) {
	if os.Getenv("GOVPN_TEST_REQUIRE") == info.Name && device.HasXLA {
		t.Fatal(info.Why)
	}
	t.Skip(info.Why)
}

// RelativeL2 is ‖got − want‖/‖want‖.
func RelativeL2(got, want []float64) float64 {
	var difference, norm float64
	for i := range want {
		difference += (got[i] - want[i]) * (got[i] - want[i])
		norm += want[i] * want[i]
	}
	return math.Sqrt(difference / norm)
}

// RequireClose fails where got is not of the shape of want or differs by more than tolerance in relative L2.
func RequireClose(t testing.TB, want, got *tensors.Tensor, tolerance float64, message string) {
	require.Equal(t, want.Shape().Dimensions, got.Shape().Dimensions, message)
	require.LessOrEqual(t, RelativeL2(Float64s(got), Float64s(want)), tolerance, message)
}

// RequireGradient compares a gradient with what golden.py's summary stored of PyTorch's: all of it or, where it is
// large, a sample, the norm, and projections on vectors of signs, which see every element.
func RequireGradient(t testing.TB, stored map[string]*tensors.Tensor, name string, got *tensors.Tensor, tolerance float64) {
	if want, ok := stored["grad/"+name]; ok {
		RequireClose(t, want, got, tolerance, name)
		return
	}
	values, sample := Float64s(got), Float64s(stored["sample/"+name])
	picked := make([]float64, len(sample))
	for j := range picked {
		picked[j] = values[int(Mix(uint32(j)))%len(values)]
	}
	require.LessOrEqual(t, RelativeL2(picked, sample), tolerance, "sample of "+name)

	norm, projections := Float64s(stored["norm/"+name])[0], Float64s(stored["projections/"+name])
	require.NotEmpty(t, projections)
	var meanSquare float64
	for j, want := range projections {
		dot, offset := 0.0, crc32.ChecksumIEEE(fmt.Appendf(nil, "projection%d", j))
		for i, v := range values {
			if Mix(uint32(i)*2654435761+offset) < 1<<31 { // Uniform < 0
				v = -v
			}
			dot += v
		}
		meanSquare += (dot - want) * (dot - want) / float64(len(projections))
	}
	require.LessOrEqual(t, math.Sqrt(meanSquare)/norm, tolerance, "projections of "+name)
}

// Tolerance is single for float32 and 1e-8 for float64.
func Tolerance(dtype dtypes.DType, single float64) float64 {
	if dtype == dtypes.Float64 {
		return 1e-8
	}
	return single
}
