package models

import (
	"encoding/json"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// Every base model's logits equal PyTorch's, for the same weights and images; see vpn/testdata/golden.py.
func TestGoldenLogits(t *testing.T) {
	for _, c := range golden.Cases(t, "logits") {
		t.Run(c.Name, func(t *testing.T) {
			var config struct {
				Base    string
				Shape   []int `json:"image_shape"`
				Classes int
			}
			require.NoError(t, json.Unmarshal(c.Config, &config))
			build, err := ByName(config.Base)
			require.NoError(t, err)

			golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
				stored, store := c.Tensors(t), model.NewStore()
				d := config.Shape[0] * config.Shape[1] * config.Shape[2]
				golden.SetWeights(store, dtype, "base", config.Base, d, config.Classes)
				require.Equal(t, c.Parameters, store.NumParameters())

				exec := model.MustNewExec(backend, store, func(s *model.Scope, images *Node) *Node {
					return build(s.In("base"), images, config.Classes)
				})
				got, err := exec.Call(golden.As(stored["images"], dtype))
				require.NoError(t, err)
				require.Equal(t, c.Parameters, store.NumParameters(), "the model made a parameter of its own")
				golden.RequireClose(t, stored[golden.Tag(dtype)+"logits"], got[0], golden.Tolerance(dtype, 1e-5), "logits")
			})
		})
	}
}
