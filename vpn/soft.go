package vpn

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Where data have soft labels ([data.Dataset.SoftLabels]), the labels of training are probabilities Y (N, K), not classes (N): the
// training program compiles for either shape. Everything else uses the classes of the largest.

// isSoft says whether labels are probabilities.
func isSoft(labels *Node) bool { return labels.DType().IsFloat() }

// softCrossEntropy is the mean of −Σ_k Y_k·log softmax(logits)_k, as torch.nn.functional.cross_entropy has it for probabilities: logits
// (N, K), Y (N, K), weights (N) or nil → scalar.
func softCrossEntropy(logits, soft, weights *Node) *Node {
	soft = ConvertDType(soft, logits.DType())
	return Neg(weightedMean(ReduceSum(Mul(soft, LogSoftmax(logits)), -1), weights))
}

// classOf is labels (N), or of probabilities (N, K) the class of the largest, the first of equal ones: → (N).
func classOf(labels *Node) *Node {
	if isSoft(labels) {
		return ArgMax(labels, -1, labelDType)
	}
	return labels
}

// expectedLabel is the number y of a class as a float, of labels of any shape, or its mean Σ_k Y_k·k: soft labels (N, K) → (N). No
// gradient passes.
func expectedLabel(labels *Node, dtype dtypes.DType) *Node {
	if !isSoft(labels) {
		return ConvertDType(labels, dtype)
	}
	classes := Iota(labels.Graph(), shapes.Make(dtype, 1, labels.Shape().Dim(1)), 1)
	return StopGradient(ReduceSum(Mul(ConvertDType(labels, dtype), classes), -1))
}
