package golden

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// EachDevice runs test on go and, if its plugin is found, on cpu, in float32 and in float64.
func EachDevice(t *testing.T, test func(t *testing.T, backend compute.Backend, dtype dtypes.DType)) {
	eachDevice(t, []dtypes.DType{dtypes.Float32, dtypes.Float64}, test)
}

// EachDevice is like the function [EachDevice], but runs a case with DoubleOnly in float64 only.
func (c Case) EachDevice(t *testing.T, test func(t *testing.T, backend compute.Backend, dtype dtypes.DType)) {
	unlessLong := func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		if c.takesLong(backend, dtype) {
			Long(t)
		}
		test(t, backend, dtype)
	}
	if c.DoubleOnly {
		eachDevice(t, []dtypes.DType{dtypes.Float64}, unlessLong)
	} else {
		EachDevice(t, unlessLong)
	}
}

func eachDevice(
	t *testing.T,
	types []dtypes.DType,
	test func(t *testing.T, backend compute.Backend, dtype dtypes.DType),
) {
	for _, name := range []string{"go", "cpu"} {
		for _, dtype := range types {
			t.Run(fmt.Sprintf("%s/%s", name, dtype), func(t *testing.T) {
				test(t, OpenDevice(t, name), dtype)
			})
		}
	}
}

// SkipDevice skips a test because a device is missing. It fails the test if $GOVPN_TEST_REQUIRE
// names the device, as in `make test`.
func SkipDevice(t testing.TB, info device.Info) {
	if os.Getenv("GOVPN_TEST_REQUIRE") == info.Name && device.HasXLA {
		t.Fatal(info.Why)
	}
	t.Skip(info.Why)
}

// RelativeL2 returns ‖got − want‖/‖want‖.
func RelativeL2(got, want []float64) float64 {
	var difference, norm float64
	for i := range want {
		difference += (got[i] - want[i]) * (got[i] - want[i])
		norm += want[i] * want[i]
	}
	return math.Sqrt(difference / norm)
}

// RequireClose fails unless got has the shape of want and is within tolerance in relative L2.
func RequireClose(t testing.TB, want, got *tensors.Tensor, tolerance float64, message string) {
	require.Equal(t, want.Shape().Dimensions, got.Shape().Dimensions, message)
	require.LessOrEqual(t, RelativeL2(Float64s(got), Float64s(want)), tolerance, message)
}

// RequireDigest compares got with a digest that PyTorch's values gave (see files.py): their norm,
// and their products with vectors of signs. The root mean square of the differences of the products
// estimates the norm of the difference. It may be at most tolerance times the norm.
func RequireDigest(t testing.TB, want, got *tensors.Tensor, tolerance float64, message string) {
	require.NotNil(t, want, "no golden value for "+message)
	stored := Float64s(want)
	var dots [8]float64
	hash := hashes("signs")
	for i, v := range Float64s(got) {
		bits := hash(i)
		for j := range dots {
			if bits>>j&1 == 1 {
				dots[j] += v
			} else {
				dots[j] -= v
			}
		}
	}
	var sum float64
	for j, dot := range dots {
		sum += (dot - stored[1+j]) * (dot - stored[1+j])
	}
	require.LessOrEqual(t, math.Sqrt(sum/float64(len(dots))), tolerance*stored[0], message)
}

// Tolerance returns single for float32, and 1e-8 for float64.
func Tolerance(dtype dtypes.DType, single float64) float64 {
	if dtype == dtypes.Float64 {
		return 1e-8
	}
	return single
}
