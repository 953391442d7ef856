package vpn

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// Adam's constants are the defaults of torch.optim.Adam (D. P. Kingma, J. Ba, ICLR 2015, Algorithm 1).
const (
	adamBeta1   = 0.9
	adamBeta2   = 0.999
	adamEpsilon = 1e-8
)

// update is a variable and its value after the step.
type update struct {
	variable *model.Variable
	value    *Node
}

// optimizerUpdates builds one step of Config.Optimizer, with PyTorch's semantics, for one trainable variable: the
// new value and the new optimiser state, which lives in scope "optimizer". rates are those of stepRates. Weight
// decay is coupled: weight_decay·value is added to the gradient.
func (n *network) optimizerUpdates(s *model.Scope, v *model.Variable, gradient, rates *Node) []update {
	g := gradient.Graph()
	value := v.NodeValue(g)
	if n.cfg.WeightDecay != 0 {
		gradient = Add(gradient, MulScalar(value, n.cfg.WeightDecay))
	}
	rate := func(i int) *Node { return Reshape(Slice(rates, AxisElem(i))) }
	state := func(name string) *model.Variable {
		scope := s.Store().Scope(model.JoinPath("/optimizer", name, v.Scope()))
		return models.Variable(scope, v.Name(), v.Shape(), func() *tensors.Tensor { return zerosLike(v) })
	}
	if n.cfg.Optimizer == "sgd" {
		buffer := state("momentum_buffer")
		velocity := Add(MulScalar(buffer.NodeValue(g), n.cfg.Momentum), gradient)
		return []update{{v, Sub(value, Mul(velocity, rate(0)))}, {buffer, velocity}}
	}
	// The sums are Adam's averages without their factors 1−β, which stepRates holds: two multiplications less per
	// parameter.
	sum, sumSq := state("gradient_sum"), state("gradient_sum_sq")
	newSum := Add(MulScalar(sum.NodeValue(g), adamBeta1), gradient)
	newSumSq := Add(MulScalar(sumSq.NodeValue(g), adamBeta2), Square(gradient))
	change := Div(Mul(newSum, rate(0)), Add(Sqrt(newSumSq), rate(1)))
	return []update{{v, Sub(value, change)}, {sum, newSum}, {sumSq, newSumSq}}
}

// stepRates are the scalars of step number step (from 1) in epoch (from 0) of epochs: SGD's learning rate; or
// Adam's lr·m̂/(√v̂ + ε) as a·Σ/(√Σ² + b), with a = lr·(1−β₁)/((1−β₁ᵗ)·k), b = ε/k, k = √((1−β₂)/(1−β₂ᵗ)).
func (c *Config) stepRates(step int64, epoch, epochs int) []float64 {
	lr := c.scheduledRate(epoch, epochs)
	if c.Optimizer == "sgd" {
		return []float64{lr, 0}
	}
	t := float64(step)
	k := math.Sqrt((1 - adamBeta2) / (1 - math.Pow(adamBeta2, t)))
	return []float64{lr * (1 - adamBeta1) / ((1 - math.Pow(adamBeta1, t)) * k), adamEpsilon / k}
}

// scheduledRate is the learning rate in epoch (from 0) of epochs.
func (c *Config) scheduledRate(epoch, epochs int) float64 {
	if c.Schedule == "cosine" { // torch.optim.lr_scheduler.CosineAnnealingLR, T_max = epochs, stepped per epoch
		return c.LearningRate * ((1 + math.Cos(math.Pi*float64(epoch)/float64(epochs))) / 2)
	}
	return c.LearningRate
}
