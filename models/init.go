package models

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// Init draws one initial value of a parameter. fanIn is the number of inputs of the layer, bias tells its bias
// from its weight.
type Init func(rng *rand.Rand, fanIn int, bias bool) float64

// TorchUniform is the default of torch.nn.Linear and torch.nn.Conv2d: weights and biases from
// U(−1/√fanIn, 1/√fanIn), which is kaiming_uniform_(a=√5) for the weight.
func TorchUniform(rng *rand.Rand, fanIn int, _ bool) float64 {
	return (2*rng.Float64() - 1) / math.Sqrt(float64(fanIn))
}

// Normal returns an Init with weights from N(0, std²) and biases 0.
func Normal(std float64) Init {
	return func(rng *rand.Rand, _ int, bias bool) float64 {
		if bias {
			return 0
		}
		return std * rng.NormFloat64()
	}
}

// ShapesOnly is the store parameter (bool) under which Param creates variables without values, to count them.
const ShapesOnly = "shapes_only"

// Param returns the graph value of variable name in scope s, which it creates at its first use. The initial
// values depend on the store's seed (model.ParamInitialSeed) and the variable's path alone: they are the same on
// every device and whatever else the model holds.
func Param(s *model.Scope, g *Graph, dtype dtypes.DType, name string, init Init, fanIn int, dims ...int) *Node {
	if v := s.GetVariable(name); v != nil {
		v.Shape().AssertDims(dims...)
		return v.NodeValue(g)
	}
	if model.GetParamOr(s, ShapesOnly, false) {
		return s.VariableWithShape(name, shapes.Make(dtype, dims...)).NodeValue(g)
	}
	path := model.JoinPath(s.Scope(), name)
	hash := fnv.New64a()
	hash.Write([]byte(path))
	rng := rand.New(rand.NewPCG(uint64(model.GetParamOr(s, model.ParamInitialSeed, int64(0))), hash.Sum64()))

	bias := len(dims) == 1
	value := tensors.FromShape(shapes.Make(dtype, dims...))
	value.MustMutableFlatData(func(flat any) {
		switch flat := flat.(type) {
		case []float32:
			for i := range flat {
				flat[i] = float32(init(rng, fanIn, bias))
			}
		case []float64:
			for i := range flat {
				flat[i] = init(rng, fanIn, bias)
			}
		}
	})
	return s.VariableWithValue(name, value).NodeValue(g)
}
