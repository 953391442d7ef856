package method

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Soft labels are probabilities Y (N, K) in the place of classes (N). Training takes either: its
// program compiles for the shape that it gets. Everything else takes the class with the largest
// probability.

// isSoft says whether labels are probabilities.
func isSoft(labels *Node) bool { return labels.DType().IsFloat() }

// softCrossEntropy is the mean of −Σ_k Y_k·log softmax(logits)_k, as PyTorch's
// torch.nn.functional.cross_entropy has it for probabilities: logits (N, K), Y (N, K), weights (N)
// or nil → scalar.
func softCrossEntropy(logits, soft, weights *Node) *Node {
	soft = ConvertDType(soft, logits.DType())
	return Neg(weightedMean(ReduceSum(Mul(soft, LogSoftmax(logits)), -1), weights))
}

// classOf is the class of each label: labels (N), or soft ones (N, K) → (N). Of equal probabilities
// the first counts.
func classOf(labels *Node) *Node {
	if isSoft(labels) {
		return ArgMax(labels, -1, LabelDType)
	}
	return labels
}

// expectedLabel is the number y of a class as a float, for labels of any shape. For soft labels
// (N, K) it is the mean Σ_k Y_k·k (N). No gradient passes it.
func expectedLabel(labels *Node, dtype dtypes.DType) *Node {
	if !isSoft(labels) {
		return ConvertDType(labels, dtype)
	}
	classes := Iota(labels.Graph(), shapes.Make(dtype, 1, labels.Shape().Dim(1)), 1)
	return StopGradient(ReduceSum(Mul(ConvertDType(labels, dtype), classes), -1))
}
