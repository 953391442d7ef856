package models_test

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/models"
)

// A model that computes in bfloat16 has nearly the same logits as one with the same initial weights
// in float32. The relative precision of bfloat16 is 2⁻⁸.
func TestBFloat16(t *testing.T) {
	for _, base := range []string{"dnn3", "vit_tiny_patch8"} {
		golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
			// On the pure-Go backend, GoMLX's bfloat16 products are wrong on some processors.
			if dtype != dtypes.Float32 || backend.String() == gobackend.BackendName {
				return
			}
			build, err := models.ByName(base)
			require.NoError(t, err)
			images := golden.Tensor(golden.Uniform("images", 2*16*16*3), dtypes.Float32, 2, 16, 16, 3)
			logits := func(dtype dtypes.DType) []float64 {
				store := model.NewStore()
				values := model.MustCallOnce(backend, store, func(s *model.Scope, images *Node) *Node {
					logits := build(s, ConvertDType(images, dtype), 10)
					require.Equal(t, dtype, logits.DType())
					return ConvertDType(logits, dtypes.Float32)
				}, images)
				for v := range store.IterVariables() {
					require.Equal(t, dtypes.Float32, v.DType(), v.Path())
				}
				return golden.Float64s(values)
			}
			require.Less(t, golden.RelativeL2(logits(dtypes.BFloat16), logits(dtypes.Float32)), 0.02, base)
		})
	}
}
