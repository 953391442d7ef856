package augment

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// With the same parameters, the results are torchvision's. testdata/golden.py computes them.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/cases.json")
	require.NoError(t, err)
	var cases []struct {
		Name, Images string
		Augmentation json.RawMessage
		Params       [][]float64
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	tested := map[string]bool{}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var list List
			require.NoError(t, json.Unmarshal([]byte("["+string(c.Augmentation)+"]"), &list))
			tested[list[0].Name()] = true
			stored := golden.Case{Name: c.Name, File: "augment.safetensors"}.Tensors(t)
			images := golden.Case{Name: c.Images, File: "augment.safetensors"}.Tensors(t)["images"]
			require.NoError(t, list.Check(images.Shape().Dim(1), images.Shape().Dim(2), images.Shape().Dim(3)))
			golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
				inputs := []any{golden.As(images, dtype)}
				for _, row := range c.Params {
					inputs = append(inputs, row)
				}
				if z := stored["z"]; z != nil {
					inputs = append(inputs, golden.As(z, dtype))
				}
				out := call(t, backend, func(in []*Node) *Node {
					params := in[1:]
					if c.Name == "flip" { // the parameter of a flip is a boolean
						params = []*Node{NotEqual(params[0], ZerosLike(params[0]))}
					}
					return list[0].apply(in[0], params)
				}, inputs...)
				require.Equal(t, dtype, out[0].DType())
				want, got := golden.Float64s(stored["result"]), golden.Float64s(out[0])
				require.Len(t, got, len(want))
				for i := range want {
					require.LessOrEqual(t, math.Abs(got[i]-want[i]), 3e-6, "value %d is %g, want %g", i, got[i],
						want[i])
				}
			})
		})
	}
	require.Len(t, tested, len(Names()), "every augmentation has a case")
}
