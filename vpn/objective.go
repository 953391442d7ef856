package vpn

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

// objective builds the loss of Config.Mode for x (N, H, W, C), labels (N) or soft labels (N, K), and noise z of unit variance
// (N, m, H, W, C), or (N, m) and the hidden layer's shape, which plain training does not use. weights (N) multiply what each image adds;
// nil: all are 1.
//
//	joint, frozen:  −(1/(N·m)) Σᵢ Σⱼ log q(yᵢ | xᵢ + σ(xᵢ, yᵢ)⊙zᵢⱼ) + λ·CE(f(x), y)    (Eq. 12, 13)
//	plain:          CE(f(x), y)
//	gaussian:       the cross-entropy of x + FixedStd·z, plus λ·CE(f(x), y)
//
// CE and −log q are with Config.LabelSmoothing. A frozen base makes λ·CE(f(x), y) constant, so that it is left out. Where there
// is a generator, entropyLoss is added.
func (n *network) objective(s *model.Scope, x, labels, z, weights *Node) objective {
	var o objective
	n.setTraining(s, x.Graph())
	if n.cfg.Mode == "plain" {
		logits := n.logits(s, x)
		o.loss, o.correct = n.crossEntropy(logits, labels, weights), accuracy(logits, labels)
		return o
	}
	if n.cfg.Mode == "gaussian" {
		o.std = FillScalar(x.Graph(), shapes.Make(x.DType(), append([]int{x.Shape().Dim(0)}, n.noiseDims(x)...)...), n.cfg.FixedStd)
	} else {
		o.std = n.std(s, x, labels)
	}
	noisy := func(x *Node) *Node { return n.noisy(x, o.std, z) }
	m := z.Shape().Dimensions[1]
	repeated, repeatedWeights := repeat(labels, m), repeat(weights, m)

	if n.cfg.BaseLossWeight == 0 || n.cfg.Mode == "frozen" {
		logits := n.noisyLogits(s, x, noisy)
		o.loss, o.correct = n.crossEntropy(logits, repeated, repeatedWeights), accuracy(logits, repeated)
		o.loss = n.entropyLoss(o.loss, o.std, weights)
		return o
	}
	clean, dirty := n.bothLogits(s, x, noisy)
	o.loss = Add(n.crossEntropy(dirty, repeated, repeatedWeights), MulScalar(n.crossEntropy(clean, labels, weights), n.cfg.BaseLossWeight))
	o.loss, o.correct = n.entropyLoss(o.loss, o.std, weights), accuracy(clean, labels)
	return o
}

// bothLogits are f(x) and f(x̃): a pass for each, which is faster: the clean pixels of a perceptron get no gradient, and of a ViT so
// it was measured. Batch norms that both share want one pass over both, and hidden layers before the noise are the same for both.
func (n *network) bothLogits(s *model.Scope, x *Node, noisy func(*Node) *Node) (clean, dirty *Node) {
	if n.separate() || n.cfg.NoiseLayer == 0 && !models.HasBatchNorm(n.cfg.Base) {
		return n.logits(s, x), n.noisyLogits(s, x, noisy)
	}
	both := func(x *Node) *Node { return Concatenate([]*Node{x, noisy(x)}, 0) }
	size, logits := x.Shape().Dimensions[0], n.noisyLogits(s, x, both) // (N + N·m, K)
	return Slice(logits, AxisRange(0, size)), Slice(logits, AxisRange(size))
}

// crossEntropy is the mean of −Σ_k q_k·log softmax(logits)_k for q = (1 − ε)·[k = y] + ε/K, ε = Config.LabelSmoothing (C. Szegedy et
// al., CVPR 2016, Section 7): logits (N, K), labels (N) → scalar; for soft labels (N, K) of q = (1 − ε)·Y + ε/K, as PyTorch smooths them. weights
// (N) multiply each image's; nil: all are 1.
func (n *network) crossEntropy(logits, labels, weights *Node) *Node {
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
	if n.cfg.LabelSmoothing == 0 {
		return own
	}
	all := Neg(weightedMean(LogSoftmax(logits), weights))
	return Add(MulScalar(own, 1-n.cfg.LabelSmoothing), MulScalar(all, n.cfg.LabelSmoothing))
}

// accuracy is the fraction of rows whose largest logit is the label's.
func accuracy(logits, labels *Node) *Node {
	right := Equal(ArgMax(logits, -1, dtypes.Int32), classOf(labels))
	return ReduceAllMean(ConvertDType(right, logits.DType()))
}

// repeat is (N) → (N·m) or (N, K) → (N·m, K), each label or weight m times in a row; nil stays nil.
func repeat(labels *Node, m int) *Node {
	if labels == nil {
		return nil
	}
	n, rest := labels.Shape().Dimensions[0], labels.Shape().Dimensions[1:]
	many := BroadcastToDims(InsertAxes(labels, 1), slices.Concat([]int{n, m}, rest)...)
	return Reshape(many, slices.Concat([]int{n * m}, rest)...)
}
