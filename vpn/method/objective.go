package method

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/govpn/govpn/models"
)

// objective is what one training step minimises and what it reports.
type objective struct {
	loss    *Node // scalar: Eq. 13, L = L_VPN + λ·L_base, and −β·mean(log σ) with Config.EntropyWeight β
	correct *Node // scalar: fraction of images classified right; without noise where that pass exists, else with it
	std     *Node // σ (N, H, W, C), or of the hidden layer's shape; nil where there is no noise
}

// objective builds the loss of Config.Mode for images x (N, H, W, C), labels (N) or soft labels
// (N, K), and noise z of unit variance: (N, m, H, W, C), or (N, m) and the hidden layer's shape.
// Plain training does not use z. weights (N) multiply what each image adds; nil stands for ones.
//
//	joint, frozen:  −(1/(N·m)) Σᵢ Σⱼ log q(yᵢ | xᵢ + σ(xᵢ, yᵢ)⊙zᵢⱼ) + λ·CE(f(x), y)    (Eq. 12, 13)
//	plain:          CE(f(x), y)
//	gaussian:       the cross-entropy of x + FixedStd·z, plus λ·CE(f(x), y)
//
// CE and −log q are with Config.LabelSmoothing. With a frozen base λ·CE(f(x), y) is constant, so it
// is left out. Where there is a generator, entropyLoss is added.
func (n *Network) objective(s *model.Scope, x, labels, z, weights *Node) objective {
	var o objective
	n.setTraining(s, x.Graph())
	if n.Config.Mode == "plain" {
		logits := n.Logits(s, x)
		o.loss, o.correct = n.crossEntropy(logits, labels, weights), accuracy(logits, labels)
		return o
	}
	if n.Config.Mode == "gaussian" {
		dims := append([]int{x.Shape().Dim(0)}, n.NoiseDims(x)...)
		o.std = FillScalar(x.Graph(), shapes.Make(x.DType(), dims...), n.Config.FixedStd)
	} else {
		o.std = n.Std(s, x, labels)
	}
	noisy := func(x *Node) *Node { return n.noisy(x, o.std, z) }
	m := z.Shape().Dimensions[1]
	repeated, repeatedWeights := repeat(labels, m), repeat(weights, m)

	if n.Config.BaseLossWeight == 0 || n.Config.Mode == "frozen" {
		logits := n.NoisyLogits(s, x, noisy)
		o.loss, o.correct = n.crossEntropy(logits, repeated, repeatedWeights), accuracy(logits, repeated)
		o.loss = n.entropyLoss(o.loss, o.std, weights)
		return o
	}
	clean, dirty := n.bothLogits(s, x, noisy)
	noisyLoss := n.crossEntropy(dirty, repeated, repeatedWeights)
	o.loss = Add(noisyLoss, MulScalar(n.crossEntropy(clean, labels, weights), n.Config.BaseLossWeight))
	o.loss, o.correct = n.entropyLoss(o.loss, o.std, weights), accuracy(clean, labels)
	return o
}

// bothLogits are f(x) and f(x̃).
//
// A pass for each is faster where nothing is shared: the clean pixels of a perceptron need no
// gradient, and for ViTs it was measured. One pass over both is needed where clean and noisy images
// share batch norms, which must see both. It is also cheaper with noise at a hidden layer, because
// the layers before it are the same for both.
func (n *Network) bothLogits(s *model.Scope, x *Node, noisy func(*Node) *Node) (clean, dirty *Node) {
	if n.hasNoisyBatchNorm() || n.Config.NoiseLayer == 0 && !models.HasBatchNorm(n.Config.Base) {
		return n.Logits(s, x), n.NoisyLogits(s, x, noisy)
	}
	both := func(x *Node) *Node { return Concatenate([]*Node{x, noisy(x)}, 0) }
	size, logits := x.Shape().Dimensions[0], n.NoisyLogits(s, x, both) // (N + N·m, K)
	return Slice(logits, AxisRange(0, size)), Slice(logits, AxisRange(size))
}

// crossEntropy is the mean of −Σ_k q_k·log softmax(logits)_k: logits (N, K), labels (N) or soft
// labels (N, K), weights (N) or nil → scalar.
//
// With ε = Config.LabelSmoothing, q = (1 − ε)·[k = y] + ε/K (C. Szegedy et al., CVPR 2016,
// Section 7). For soft labels Y it is (1 − ε)·Y + ε/K, as PyTorch smooths them.
func (n *Network) crossEntropy(logits, labels, weights *Node) *Node {
	var own *Node
	if isSoft(labels) {
		own = softCrossEntropy(logits, labels, weights)
	} else {
		given := []*Node{InsertAxes(labels, -1)}
		if weights != nil {
			given = append(given, ConvertDType(weights, logits.DType()))
		}
		own = loss.SparseCategoricalCrossEntropyLogits(given, []*Node{logits})
	}
	if n.Config.LabelSmoothing == 0 {
		return own
	}
	all := Neg(weightedMean(LogSoftmax(logits), weights))
	return Add(MulScalar(own, 1-n.Config.LabelSmoothing), MulScalar(all, n.Config.LabelSmoothing))
}

// weightedMean is the mean of w_i·v over images i and their values v: values (N, …), weights (N) or
// nil → scalar.
func weightedMean(values, weights *Node) *Node {
	if weights != nil {
		weights.AssertDims(values.Shape().Dim(0))
		weights = ConvertDType(weights, values.DType())
		for weights.Rank() < values.Rank() {
			weights = InsertAxes(weights, -1)
		}
		values = Mul(values, weights)
	}
	return ReduceAllMean(values)
}

// accuracy is the fraction of logits (N, K) that are largest at the label.
func accuracy(logits, labels *Node) *Node {
	right := Equal(ArgMax(logits, -1, dtypes.Int32), classOf(labels))
	return ReduceAllMean(ConvertDType(right, logits.DType()))
}

// repeat repeats each label or weight m times in a row: (N) → (N·m), or (N, K) → (N·m, K). nil
// stays nil.
func repeat(labels *Node, m int) *Node {
	if labels == nil {
		return nil
	}
	n, rest := labels.Shape().Dimensions[0], labels.Shape().Dimensions[1:]
	many := BroadcastToDims(InsertAxes(labels, 1), slices.Concat([]int{n, m}, rest)...)
	return Reshape(many, slices.Concat([]int{n * m}, rest)...)
}
