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

// Init draws one initial value of a parameter. fanIn and fanOut are the layer's inputs and outputs
// per value, as PyTorch counts them. bias is true for a bias and false for a weight.
type Init func(rng *rand.Rand, fanIn, fanOut int, bias bool) float64

// TorchUniform is the default of torch.nn.Linear and torch.nn.Conv2d: weights and biases from
// U(−1/√fanIn, 1/√fanIn). For the weight, that is kaiming_uniform_(a=√5).
func TorchUniform(rng *rand.Rand, fanIn, _ int, _ bool) float64 {
	return (2*rng.Float64() - 1) / math.Sqrt(float64(fanIn))
}

// KaimingFanOut is kaiming_normal_(mode="fan_out", nonlinearity="relu"), torchvision's choice for
// the convolutions of a ResNet: N(0, 2/fanOut).
func KaimingFanOut(rng *rand.Rand, _, fanOut int, _ bool) float64 {
	return math.Sqrt(2/float64(fanOut)) * rng.NormFloat64()
}

// TorchInitial is the store parameter (bool) that makes the convolutions of ResNets start from
// TorchUniform in place of KaimingFanOut.
const TorchInitial = "torch_initial"

// resNetInit returns the initial values of a ResNet's convolutions.
func resNetInit(s *model.Scope) Init {
	if model.GetParamOr(s, TorchInitial, false) {
		return TorchUniform
	}
	return KaimingFanOut
}

// Constant returns an Init with the same value everywhere.
func Constant(value float64) Init {
	return func(*rand.Rand, int, int, bool) float64 { return value }
}

// Normal returns an Init with weights from N(0, std²) and biases 0.
func Normal(std float64) Init {
	return func(rng *rand.Rand, _, _ int, bias bool) float64 {
		if bias {
			return 0
		}
		return std * rng.NormFloat64()
	}
}

// ShapesOnly is the store parameter (bool) that makes Param create variables without values, to
// count them.
const ShapesOnly = "shapes_only"

// Param returns the value, in the graph and in dtype, of variable `name` in scope s. It creates the
// variable at its first use, and stores it in float32 if dtype is bfloat16. A vector is a bias,
// (out, in, …) a weight.
//
// Initial values depend only on the store's seed (model.ParamInitialSeed) and on the variable's
// path. They are the same on every device, whatever else the model holds.
func Param(s *model.Scope, g *Graph, dtype dtypes.DType, name string, init Init, fanIn int, dims ...int) *Node {
	stored := dtype
	if dtype == dtypes.BFloat16 {
		stored = dtypes.Float32
	}
	shape := shapes.Make(stored, dims...)
	v := Variable(s, name, shape, func() *tensors.Tensor { return initialValue(s, name, init, fanIn, shape) })
	return ConvertDType(v.NodeValue(g), dtype)
}

// Variable returns the variable of that name in scope s. It creates it at its first use.
func Variable(s *model.Scope, name string, shape shapes.Shape, initial func() *tensors.Tensor) *model.Variable {
	if v := s.GetVariable(name); v != nil {
		v.Shape().AssertDims(shape.Dimensions...)
		return v
	}
	if model.GetParamOr(s, ShapesOnly, false) {
		return s.VariableWithShape(name, shape)
	}
	return s.VariableWithValue(name, initial())
}

// initialValue draws the values of a new variable.
func initialValue(s *model.Scope, name string, init Init, fanIn int, shape shapes.Shape) *tensors.Tensor {
	hash := fnv.New64a()
	hash.Write([]byte(model.JoinPath(s.Scope(), name)))
	rng := rand.New(rand.NewPCG(uint64(model.GetParamOr(s, model.ParamInitialSeed, int64(0))), hash.Sum64()))

	bias, fanOut := shape.Rank() == 1, shape.Size()/max(shape.Dim(min(1, shape.Rank()-1)), 1)
	value := tensors.FromShape(shape)
	value.MustMutableFlatData(func(flat any) {
		switch flat := flat.(type) {
		case []float32:
			for i := range flat {
				flat[i] = float32(init(rng, fanIn, fanOut, bias))
			}
		case []float64:
			for i := range flat {
				flat[i] = init(rng, fanIn, fanOut, bias)
			}
		}
	})
	return value
}
