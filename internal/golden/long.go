package golden

import (
	"os"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
)

// Long skips a test that takes long. It runs if GOVPN_TEST_LONG is 1, as `make test-long` sets it.
func Long(t testing.TB) {
	t.Helper()
	if !IsLong() {
		t.Skip("takes long: GOVPN_TEST_LONG=1 runs it")
	}
}

// IsLong reports whether long tests run.
func IsLong() bool { return os.Getenv("GOVPN_TEST_LONG") == "1" }

// deep are cases of networks of many layers, as kind/name. XLA compiles each for ten seconds or more.
// An ordinary run computes them on device go in float64 alone. Other cases show that XLA computes
// such networks and their gradients right: of ResNets base/resnet18-12x12x3,
// generator/resnet18-9x7x2 and training/plain-resnet18, of transformers base/vit_tiny_patch4-8x12x2.
var deep = setOf(
	"base/resnet18-70x66x2", "base/resnet50-9x10x2", "base/vit_small_patch8-16x8x3",
	"base/resnet18-28x28x1", "base/vit-32x32x3",
	"generator/resnet18-70x66x3", "generator/resnet18-28x28x1",
	"objective/joint-resnet18", "objective/frozen-resnet18", "objective/joint-vit",
	"training/joint-resnet18-lambda0", "training/joint-resnet18-shared",
	"training/joint-resnet18-separate", "training/frozen-resnet18", "training/joint-vit",
	"classwise/resnet18", "classwise/resnet18-separate",
)

// large are cases that differ from others in depth or size alone. An ordinary run counts their
// parameters.
var large = setOf(
	"base/resnet34-9x12x2", "base/resnet50-32x32x3", "base/resnet34_7x7-64x64x3",
	"base/resnet18-224x224x3", "base/vit-64x64x3", "base/vit-224x224x3",
	"base/vit_base_patch16-32x48x3", "generator/resnet18-32x32x3",
)

func setOf(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// takesLong reports whether an ordinary run leaves a case out on a device and in a dtype. It takes
// each small case in both dtypes on go and, because XLA compiles for seconds, in float32 alone on
// cpu, or in float64 where the case wants that.
func (c Case) takesLong(backend compute.Backend, dtype dtypes.DType) bool {
	name := c.Kind + "/" + c.Name
	onGo := backend.String() == gobackend.BackendName
	switch {
	case large[name]:
		return true
	case deep[name]:
		return !onGo || dtype != dtypes.Float64
	default:
		return !onGo && dtype == dtypes.Float64 && !c.DoubleOnly
	}
}
