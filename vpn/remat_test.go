package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/method"
)

// What is computed again for the gradient is what it was: the same steps of each kind of base, with noise, and in parts. In float64, as
// rounding differs where a compiler fuses otherwise.
func TestRemat(t *testing.T) {
	train := stripes(t, 16, 1)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for _, test := range []struct {
			base, mode string
			accumulate int
		}{{"dnn3", "joint", 2}, {"resnet18", "plain", 1}, {"vit_tiny_patch4", "joint", 1}} {
			if test.base != "dnn3" && method.Fuses(backend) && testing.Short() {
				continue // compiles for seconds
			}
			fit := func(remat bool) *Model {
				cfg := resNetConfig(test.mode)
				cfg.Base, cfg.Generator, cfg.ComputeDType, cfg.Remat, cfg.Accumulate = test.base, "dnn3", "float64", remat, test.accumulate
				cfg.BatchSize, cfg.Optimizer = 8, "sgd"
				m := newModel(t, cfg, backend)
				require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
				return m
			}
			requireSame(t, fit(false), fit(true), 1e-9)
		}
	})
}

// Less is kept, and the estimate knows: of ResNet18 the values within 8 blocks (the first of them at full size), of a ViT within 12.
func TestRematMemory(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for base, factor := range map[string]float64{"resnet18": 1.3, "vit_tiny_patch4": 2.5} {
			estimate := func(remat bool) float64 {
				cfg := DefaultConfig()
				cfg.Base, cfg.Mode, cfg.ImageShape, cfg.Classes, cfg.Remat = base, "plain", [3]int{32, 32, 3}, 10, remat
				e, err := EstimateMemory(cfg, backend, 0)
				require.NoError(t, err)
				return float64(e.Training.Host)
			}
			if !method.Fuses(backend) {
				factor = 1 // its values die in another order
			}
			require.Greater(t, estimate(false), factor*estimate(true), base)
		}
	})
}
