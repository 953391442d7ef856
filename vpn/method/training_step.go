package method

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/random"
	"github.com/govpn/govpn/models"
)

// Step is the program of one training step on a batch (Algorithm 1). Its inputs are images
// (B, H, W, C), labels (B) or soft labels (B, K), random state (3), StepRates (2); another random
// state (3) with Config.Augment; and weights (B) where the data have them. It returns a vector of
// loss and accuracy and, with noise, mean, minimum and maximum of σ; and the updates of everything
// that the mode trains.
func (n *Network) Step(s *model.Scope, in []*Node) ([]*Node, []Update) {
	o := n.batchObjective(s, in[0], in[1], in[2], in[4:], nil)
	updates := n.updates(s, o.loss, in[3])
	metrics := []*Node{o.loss, o.correct}
	if o.std != nil {
		metrics = append(metrics, ReduceAllMean(o.std), ReduceAllMin(o.std), ReduceAllMax(o.std))
	}
	return []*Node{Stack(metrics, 0)}, updates
}

// Loss is what a training step minimises: images (B, H, W, C), labels (B), random state (3) →
// scalar.
func (n *Network) Loss(s *model.Scope, images, labels, state *Node) *Node {
	var optional []*Node
	if len(n.Config.Augment) > 0 {
		optional = []*Node{state}
	}
	return n.batchObjective(s, images, labels, state, optional, nil).loss
}

// batchObjective is the objective of a batch, or of a part of one: images (B, H, W, C), labels (B)
// or (B, K), random state (3). optional holds another random state where images are augmented, and
// then weights (B) where the data have them.
func (n *Network) batchObjective(s *model.Scope, images, labels, state *Node, optional []*Node, part *random.Part) objective {
	var augmentState, z, weights *Node
	if len(n.Config.Augment) > 0 {
		augmentState, optional = optional[0], optional[1:]
	}
	if len(optional) > 0 {
		weights = optional[0]
	}
	x := n.trainingPixels(images, augmentState, part)
	if n.Config.Mode != "plain" {
		dims := append([]int{x.Shape().Dim(0), n.Config.NoiseSamples}, n.NoiseDims(x)...)
		z = n.drawPart(state, shapes.Make(x.DType(), dims...), part)
	}
	return n.objective(s, x, labels, z, weights)
}

// updates are the optimiser's step on what the mode trains, and the statistics that its batch norms
// have measured. A frozen base gets no gradient at all.
func (n *Network) updates(s *model.Scope, loss, rates *Node) (updates []Update) {
	var trainable []*model.Variable
	var values []*Node
	for _, v := range Variables(s.Store(), n.Trained()...) {
		if !models.IsBuffer(v.Name()) {
			trainable, values = append(trainable, v), append(values, v.NodeValue(loss.Graph()))
		} else if v.ChangedInGraph(loss.Graph()) {
			updates = append(updates, Update{Variable: v, Value: v.NodeValue(loss.Graph())})
		}
	}
	for i, gradient := range Gradient(loss, values...) {
		updates = append(updates, n.optimizerUpdates(s, trainable[i], gradient, rates)...)
	}
	return updates
}

// A step can be made in parts. AddPart adds what a part of the batch gives to one flat vector, the
// sum, and ApplySum makes the step of the whole batch. The sum holds, in the order of the
// variables' paths, the gradients of what the mode trains and the running statistics that its batch
// norms would have; then loss, accuracy and mean of σ. For a part of n of N images all of these are
// means over the part times n/N, so that the sum over all parts is the mean over the batch.

// The positions of the metrics, counted from the end of gradients and statistics, and their number.
const (
	SumLoss = iota
	SumCorrect
	SumStd
	SumMetrics
)

// summed lists the variables that a sum has values of: what the mode trains, without the counters
// of batch norms.
func (n *Network) summed(s *model.Store) (found []*model.Variable) {
	for _, v := range Variables(s, n.Trained()...) {
		if v.DType().IsFloat() {
			found = append(found, v)
		}
	}
	return found
}

// SumSize is the length of a sum over the variables of a store.
func (n *Network) SumSize(s *model.Store) int {
	size := SumMetrics
	for _, v := range n.summed(s) {
		size += v.Shape().Size()
	}
	return size
}

// AddPart returns the program that adds a part of a batch of batchSize images to the sum. Its
// inputs are images (B, H, W, C), labels (B) or (B, K), random state (3), sum (F), least and
// largest σ (2), position of the first image in the batch (scalar); another random state where
// images are augmented; and weights (B) where the data have them. It returns the sum (F), and the
// least and largest σ (2).
func (n *Network) AddPart(batchSize int) func(s *model.Scope, in []*Node) ([]*Node, []Update) {
	return func(s *model.Scope, in []*Node) ([]*Node, []Update) {
		images, sum, extremes, start := in[0], in[3], in[4], in[5]
		o := n.batchObjective(s, images, in[1], in[2], in[6:], &random.Part{Of: batchSize, Start: start})
		values := n.partValues(s, o, sum.Graph())
		if o.std == nil {
			extremes = AddScalar(extremes, 0) // a value of its own
		} else {
			least, largest := Slice(extremes, AxisRange(0, 1)), Slice(extremes, AxisRange(1))
			extremes = Concatenate([]*Node{Min(least, ReduceAllMin(o.std)), Max(largest, ReduceAllMax(o.std))}, 0)
		}
		fraction := float64(images.Shape().Dim(0)) / float64(batchSize)
		return []*Node{Add(sum, MulScalar(Concatenate(values, 0), fraction)), extremes}, nil
	}
}

// partValues are what a part of a batch has in the places of a sum, each as a vector.
func (n *Network) partValues(s *model.Scope, o objective, g *Graph) (values []*Node) {
	var parameters []*Node
	summed := n.summed(s.Store())
	for _, v := range summed {
		if !models.IsBuffer(v.Name()) {
			parameters = append(parameters, v.NodeValue(g))
		}
	}
	gradients := Gradient(o.loss, parameters...)
	for _, v := range summed {
		if models.IsBuffer(v.Name()) {
			values = append(values, v.NodeValue(g)) // what batch norm has made of it
			continue
		}
		values, gradients = append(values, gradients[0]), gradients[1:]
	}
	values = append(values, o.loss, o.correct)
	if o.std == nil {
		values = append(values, ZerosLike(o.loss))
	} else {
		values = append(values, ReduceAllMean(o.std))
	}
	for i, v := range values {
		values[i] = Reshape(v, v.Shape().Size())
	}
	return values
}

// ApplySum is the program of the optimiser's step: sum (F), StepRates (2) → nothing, and the
// updates of everything that the mode trains.
func (n *Network) ApplySum(s *model.Scope, in []*Node) (_ []*Node, updates []Update) {
	sum, rates, at := in[0], in[1], 0
	for _, v := range Variables(s.Store(), n.Trained()...) {
		if !v.DType().IsFloat() { // the counter of a batch norm
			updates = append(updates, Update{Variable: v, Value: OnePlus(v.NodeValue(sum.Graph()))})
			continue
		}
		size := v.Shape().Size()
		value := Reshape(Slice(sum, AxisRange(at, at+size)), v.Shape().Dimensions...)
		at += size
		if models.IsBuffer(v.Name()) {
			updates = append(updates, Update{Variable: v, Value: value})
		} else {
			updates = append(updates, n.optimizerUpdates(s, v, value, rates)...)
		}
	}
	return nil, updates
}
