package method

import (
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// The loss of three images with weights w is Σ w_i·L_i/3, where L_i is the loss of image i alone.
// So is its gradient in a bias. This holds in every mode, for all terms (two noises per image,
// clean images, smoothing, entropy), for classes and probabilities, with noise at pixels and at a
// hidden layer.
func TestWeightedObjective(t *testing.T) {
	weights, backend := []float32{0.5, 0, 2.5}, golden.OpenDevice(t, "go")
	x, hard := uniform64("x", 3, 2, 2, 1), tensors.FromValue([]int32{0, 2, 1})
	soft := tensors.FromValue([][]float32{{0.25, 0.5, 0.25}, {0, 0, 1}, {0.5, 0, 0.5}})
	for _, mode := range []string{"joint", "frozen", "plain", "gaussian"} {
		for layer, z := range []*tensors.Tensor{uniform64("z", 3, 2, 2, 2, 1), uniform64("z", 3, 2, 1024)} {
			for _, y := range []*tensors.Tensor{hard, soft} {
				cfg := hiddenConfig(mode, "dnn3", "dnn3", layer)
				cfg.NoiseSamples, cfg.BaseLossWeight, cfg.LabelSmoothing = 2, 0.7, 0.1
				if cfg.HasGenerator() {
					cfg.EntropyWeight = 0.2
				}
				n, store := hiddenNetwork(t, cfg, 3, 2, 2, 1)
				part := n.Trained()[len(n.Trained())-1] // the generator, or the base
				trained := store.GetVariable("/" + part + "/fc3/bias")
				of := func(x, y, z *tensors.Tensor, weights ...any) []float64 {
					out := callOver(t, backend, store, func(s *model.Scope, in []*Node) []*Node {
						in = append(in, nil)
						loss := n.objective(s, in[0], in[1], in[2], in[3]).loss
						return []*Node{loss, Gradient(loss, trained.NodeValue(loss.Graph()))[0]}
					}, append([]any{x, y, z}, weights...)...)
					return append(golden.Float64s(out[0]), golden.Float64s(out[1])...)
				}
				want := make([]float64, 1+trained.Shape().Size())
				for i, w := range weights {
					for j, v := range of(golden.Part(x, i, 3), golden.Part(y, i, 3), golden.Part(z, i, 3)) {
						want[j] += float64(w) * v / 3
					}
				}
				require.InDeltaSlice(t, want, of(x, y, z, weights), 1e-12, "%s, layer %d, %s", mode, layer, y.Shape())
				require.NotContains(t, want, 0., mode)
			}
		}
	}
}
