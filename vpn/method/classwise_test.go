package method

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// classwiseNetwork returns a network for images of 4×4×1 in three classes, whose σ depends on the
// label.
func classwiseNetwork(t *testing.T) (*Network, *model.Store) {
	cfg := smallConfig("joint")
	cfg.LabelCoefficient, cfg.ImageShape, cfg.Classes = 1, [3]int{4, 4, 1}, 3
	n, err := New(cfg)
	require.NoError(t, err)
	return n, formulaWeights(n, golden.OpenDevice(t, "go"))
}

// Algorithm 2 equals a loop over the classes, s_k = softmax(f(x + σ(x, k)⊙z_k))_k, with the same
// noise.
func TestClasswiseEqualsLoopOverClasses(t *testing.T) {
	n, store := classwiseNetwork(t)
	images := golden.Tensor(golden.Uniform("x", 5*16), n.DType, 5, 4, 4, 1)
	z := golden.Tensor(golden.Uniform("z", 5*3*16), n.DType, 5, 3, 4, 4, 1)
	out := callOver(t, golden.OpenDevice(t, "go"), store, func(s *model.Scope, in []*Node) []*Node {
		x := in[0]
		all := []*Node{n.classwise(s, x, Reshape(in[1], 15, 1, 4, 4, 1))}
		for k := range int32(3) {
			std := n.Std(s, x, Const(x.Graph(), []int32{k, k, k, k, k}))
			own := Reshape(Slice(in[1], AxisRange(), AxisElem(int(k))), 5, 4, 4, 1)
			all = append(all, Softmax(n.Logits(s, Add(x, Mul(std, own))), -1))
		}
		return all
	}, images, z)
	scores := golden.Float64s(out[0])
	for k := range 3 {
		probabilities := golden.Float64s(out[1+k])
		for i := range 5 {
			require.InEpsilon(t, probabilities[3*i+k], scores[3*i+k], 1e-5)
		}
	}
	require.NotEqual(t, scores[:3], scores[3:6], "images differ")
}

// With noise for an image's own label, the probability of that label is the classwise score of its
// class for the same z.
func TestLabelNoiseIsClasswiseOfTheOwnClass(t *testing.T) {
	n, store := classwiseNetwork(t)
	labels := []int32{0, 1, 2, 2, 1, 0}
	images := golden.Tensor(golden.Uniform("x", 6*16), dtypes.Float32, 6, 4, 4, 1)
	z := golden.Tensor(golden.Uniform("z", 6*16), n.DType, 6, 1, 4, 4, 1)
	out := callOver(t, golden.OpenDevice(t, "go"), store, func(s *model.Scope, in []*Node) []*Node {
		x := in[0]
		same := Reshape(BroadcastToDims(in[2], 6, 3, 4, 4, 1), 18, 1, 4, 4, 1) // one z for all classes of an image
		own := Softmax(n.onePass(s, x, n.Std(s, x, in[1]), in[2]), -1)
		return []*Node{own, n.classwise(s, x, same)}
	}, images, labels, z)
	own, classwise := golden.Float64s(out[0]), golden.Float64s(out[1])
	for i, y := range labels {
		require.InEpsilon(t, classwise[3*i+int(y)], own[3*i+int(y)], 1e-5)
	}
}
