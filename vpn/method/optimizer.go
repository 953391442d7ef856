package method

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
)

// Adam's constants are the defaults of torch.optim.Adam (D. P. Kingma, J. Ba, ICLR 2015,
// Algorithm 1).
const (
	adamBeta1   = 0.9
	adamBeta2   = 0.999
	adamEpsilon = 1e-8
)

// Update is a variable and its value after the step. A program changes no variable itself: it
// returns the new values, so that a step that fails changes nothing.
type Update struct {
	Variable *model.Variable
	Value    *Node
}

// OptimizerState names what Config.Optimizer keeps of each variable that it trains. It is in scope
// "optimizer", below the name and the variable's path.
func (n *Network) OptimizerState() []string {
	if n.Config.Optimizer == "sgd" {
		return []string{"momentum_buffer"}
	}
	return []string{"gradient_sum", "gradient_sum_sq"}
}

// optimizerUpdates builds one step of Config.Optimizer, with PyTorch's semantics, for one trainable
// variable: the new value and the new optimiser state, which lives in scope "optimizer". rates are
// those of StepRates. Weight decay is coupled: weight_decay·value is added to the gradient.
func (n *Network) optimizerUpdates(s *model.Scope, v *model.Variable, gradient, rates *Node) []Update {
	g := gradient.Graph()
	value := v.NodeValue(g)
	if n.Config.WeightDecay != 0 {
		gradient = Add(gradient, MulScalar(value, n.Config.WeightDecay))
	}
	rate := func(i int) *Node { return Reshape(Slice(rates, AxisElem(i))) }
	state := func(name string) *model.Variable {
		scope := s.Store().Scope(model.JoinPath("/optimizer", name, v.Scope()))
		return models.Variable(scope, v.Name(), v.Shape(), func() *tensors.Tensor { return tensors.FromShape(v.Shape()) })
	}
	names := n.OptimizerState()
	if n.Config.Optimizer == "sgd" {
		buffer := state(names[0])
		velocity := Add(MulScalar(buffer.NodeValue(g), n.Config.Momentum), gradient)
		return []Update{
			{Variable: v, Value: Sub(value, Mul(velocity, rate(0)))},
			{Variable: buffer, Value: velocity},
		}
	}
	// The sums are Adam's averages without their factors 1−β, which StepRates holds: two
	// multiplications less per parameter.
	sum, sumSq := state(names[0]), state(names[1])
	newSum := Add(MulScalar(sum.NodeValue(g), adamBeta1), gradient)
	newSumSq := Add(MulScalar(sumSq.NodeValue(g), adamBeta2), Square(gradient))
	change := Div(Mul(newSum, rate(0)), Add(Sqrt(newSumSq), rate(1)))
	return []Update{
		{Variable: v, Value: Sub(value, change)},
		{Variable: sum, Value: newSum},
		{Variable: sumSq, Value: newSumSq},
	}
}

// StepRates returns the two scalars that the optimiser needs for step number step (from 1), in
// epoch (from 0) of epochs. They are SGD's learning rate and 0; or Adam's lr·m̂/(√v̂ + ε) written
// as a·Σ/(√Σ² + b), with a = lr·(1−β₁)/((1−β₁ᵗ)·k), b = ε/k and k = √((1−β₂)/(1−β₂ᵗ)).
func (c *Config) StepRates(step int64, epoch, epochs int) []float64 {
	lr := c.ScheduledRate(epoch, epochs)
	if c.Optimizer == "sgd" {
		return []float64{lr, 0}
	}
	t := float64(step)
	k := math.Sqrt((1 - adamBeta2) / (1 - math.Pow(adamBeta2, t)))
	return []float64{lr * (1 - adamBeta1) / ((1 - math.Pow(adamBeta1, t)) * k), adamEpsilon / k}
}

// ScheduledRate returns the learning rate in epoch (from 0) of epochs. Schedule "cosine" is
// torch.optim.lr_scheduler.CosineAnnealingLR with T_max = epochs, stepped per epoch.
func (c *Config) ScheduledRate(epoch, epochs int) float64 {
	if c.Schedule == "cosine" {
		return c.LearningRate * ((1 + math.Cos(math.Pi*float64(epoch)/float64(epochs))) / 2)
	}
	return c.LearningRate
}
