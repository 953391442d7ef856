package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/method"
)

// Training with Remat makes the same steps as without: for each kind of base, with noise, and in
// parts of a batch. It is tested in float64, as XLA fuses the two programs differently and so
// rounds differently.
func TestRemat(t *testing.T) {
	train := stripes(t, 8, 1)
	for _, test := range []struct {
		base, mode string
		accumulate int
	}{
		{base: "dnn3", mode: "joint", accumulate: 2},
		{base: "resnet18", mode: "plain", accumulate: 1},
		{base: "vit_tiny_patch4", mode: "joint", accumulate: 1},
	} {
		t.Run(test.base, func(t *testing.T) {
			eachDevice(t, func(t *testing.T, backend compute.Backend) {
				if test.base != "dnn3" && method.Fuses(backend) {
					golden.Long(t)
				}
				fit := func(remat bool) *Model {
					cfg := resNetConfig(test.mode)
					cfg.Base, cfg.Generator, cfg.ComputeDType = test.base, "dnn3", "float64"
					cfg.Remat, cfg.Accumulate = remat, test.accumulate
					cfg.BatchSize, cfg.Optimizer = 8, "sgd"
					m := newModel(t, cfg, backend)
					require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
					return m
				}
				requireSame(t, fit(false), fit(true), 1e-9)
			})
		})
	}
}

// Remat keeps fewer values, and the estimate of memory shows it. It drops the values within the 8
// blocks of a ResNet18, the first of which are at full size, and within the 12 blocks of a ViT.
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
				factor = 1 // go frees values in another order
			}
			require.Greater(t, estimate(false), factor*estimate(true), base)
		}
	})
}
