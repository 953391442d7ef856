package vpn

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/data"
)

// Where data have soft labels ([data.Dataset.SoftLabels]), the labels of training are probabilities Y (N, K), not classes (N): the
// training program compiles for either shape. Everything else uses the classes of the largest.

// isSoft says whether labels are probabilities.
func isSoft(labels *Node) bool { return labels.DType().IsFloat() }

// softCrossEntropy is the mean of −Σ_k Y_k·log softmax(logits)_k, as torch.nn.functional.cross_entropy has it for probabilities: logits
// (N, K), Y (N, K) → scalar.
func softCrossEntropy(logits, soft *Node) *Node {
	soft = ConvertDType(soft, logits.DType())
	return Neg(ReduceAllMean(ReduceSum(Mul(soft, LogSoftmax(logits)), -1)))
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

// softLabels are the probabilities that a feed for training serves in place of classes; without rows it serves classes.
type softLabels struct {
	rows     []float32 // (N, K), in the view's order
	classes  int
	onDevice *tensors.Tensor // the rows, of a set in memory
}

// useSoftLabels makes a feed serve the probabilities of its set, where it has them.
func (f *feed) useSoftLabels() error {
	f.soft = softLabels{rows: f.set.SoftLabels(), classes: f.set.Classes()}
	if f.soft.rows == nil || f.images == nil {
		return nil
	}
	shape := shapes.Make(dtypes.Float32, f.size, f.soft.classes)
	buffer, err := f.backend.BufferFromFlatData(0, f.soft.rows, shape)
	if err == nil {
		f.soft.onDevice, err = tensors.FromBuffer(buffer)
	}
	if err != nil {
		return data.Errorf(ErrDevice, "vpn: sending soft labels %s to the device: %w", shape, err)
	}
	return nil
}

// labelsOnDevice are those of all images of a set in memory.
func (f *feed) labelsOnDevice() *tensors.Tensor {
	if f.soft.onDevice != nil {
		return f.soft.onDevice
	}
	return f.labels
}

// labelsAt are those of the images at some positions, of a streamed set; zeros where it is unlabelled.
func (f *feed) labelsAt(positions []int32) *tensors.Tensor {
	if k := f.soft.classes; f.soft.rows != nil {
		rows := make([]float32, 0, len(positions)*k)
		for _, p := range positions {
			rows = append(rows, f.soft.rows[int(p)*k:(int(p)+1)*k]...)
		}
		return tensors.FromFlatDataAndDimensions(rows, len(positions), k)
	}
	labels := make([]int32, len(positions))
	if all := f.set.Labels(); all != nil {
		for i, p := range positions {
			labels[i] = all[p]
		}
	}
	return tensors.FromFlatDataAndDimensions(labels, len(positions))
}
