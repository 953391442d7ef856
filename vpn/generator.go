package vpn

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// generatorFunc builds a generator's network in scope s: u (N, H, W, C) → o (N, H, W, C).
type generatorFunc func(s *model.Scope, u *Node) *Node

var generatorByName = map[string]generatorFunc{
	"dnn3": dnn3Generator,
}

// GeneratorNames lists the generators, sorted.
func GeneratorNames() []string { return slices.Sorted(maps.Keys(generatorByName)) }

func generator(name string) (generatorFunc, error) {
	if g, ok := generatorByName[name]; ok {
		return g, nil
	}
	return nil, argumentError("Generator is %q, want one of %s", name, strings.Join(GeneratorNames(), ", "))
}

// dnn3Generator is the paper's d → 1024 → 1024 → d perceptron with ReLU, weights N(0, 0.002²), biases 0.
func dnn3Generator(s *model.Scope, u *Node) *Node {
	d := u.Shape().Size() / u.Shape().Dimensions[0]
	return Reshape(models.MLP(s, u, d, models.Normal(0.002)), u.Shape().Dimensions...)
}

// std is σ = g(x, y): x (N, H, W, C), labels (N) → (N, H, W, C).
func (n *network) std(s *model.Scope, x, labels *Node) *Node {
	u := Add(x, InsertAxes(n.labelBias(labels, x), -1, -1, -1)) // (N, H, W, C)
	sigma := stdByName[n.cfg.Std](&n.cfg, n.generator(s.At("generator"), u))
	sigma.AssertDims(x.Shape().Dimensions...)
	return sigma
}

// labelBias is κ·ȳ (N), the label as a bias on every pixel: ȳ = y/(K−1) where scaled (0 for K = 1), y where index.
func (n *network) labelBias(labels, x *Node) *Node {
	scale := n.cfg.LabelCoefficient
	switch n.cfg.LabelEncoding {
	case "scaled":
		scale /= float64(max(n.cfg.Classes-1, 1))
	case "index":
	default:
		panic(fmt.Errorf("LabelEncoding is %q", n.cfg.LabelEncoding))
	}
	return MulScalar(ConvertDType(labels, x.DType()), scale)
}
