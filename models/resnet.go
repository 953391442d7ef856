package models

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Residual networks (K. He et al., CVPR 2016) with torchvision's layout and names: conv1, bn1,
// layer1.0.conv1, …, layer1.0.downsample.0, …, fc. ResNet-50 is torchvision's v1.5, in which the
// 3×3 convolution has the stride.

// smallImage is the longest side of images for which the 3×3 stem is chosen.
const smallImage = 64

// resNet is a row of the table of ResNets.
type resNet struct {
	block  func(s *model.Scope, x *Node, width, stride int) *Node
	depths [4]int
}

var resNets = map[string]resNet{
	"resnet18": {BasicBlock, [4]int{2, 2, 2, 2}},
	"resnet34": {BasicBlock, [4]int{3, 4, 6, 3}},
	"resnet50": {bottleneck, [4]int{3, 4, 6, 3}},
}

// resNetRows returns the models of the table. A plain name chooses the stem by the size of the
// images; name_3x3 and name_7x7 have that stem.
func resNetRows() map[string]Func {
	rows := map[string]Func{}
	for name, r := range resNets {
		rows[name] = func(s *model.Scope, images *Node, classes int) *Node {
			if max(images.Shape().Dim(1), images.Shape().Dim(2)) <= smallImage {
				return r.build(s, smallStem(s, images), classes)
			}
			return r.build(s, Stem(s, images, images.DType()), classes)
		}
		rows[name+"_3x3"] = func(s *model.Scope, images *Node, classes int) *Node {
			return r.build(s, smallStem(s, images), classes)
		}
		rows[name+"_7x7"] = func(s *model.Scope, images *Node, classes int) *Node {
			return r.build(s, Stem(s, images, images.DType()), classes)
		}
	}
	return rows
}

// build builds everything after the stem: x (N, h, w, 64) → (N, classes).
func (r resNet) build(s *model.Scope, x *Node, classes int) *Node {
	for i, depth := range r.depths {
		x = Stage(s.In("layer%d", i+1), x, r.block, depth, 64<<i, min(i+1, 2)) // halves h and w, except in layer1
		x = hidden(s, i+1, x)
	}
	x = ReduceMean(x, 1, 2) // (N, 512); with bottlenecks (N, 2048)
	return Linear(s.In("fc"), x, classes, TorchUniform)
}

// Stem is torchvision's: 7×7/2 convolution, batch norm, ReLU, 3×3/2 max-pool: (N, H, W, C) → (N,
// ~H/4, ~W/4, 64). It computes in dtype inner after the convolution.
func Stem(s *model.Scope, x *Node, inner dtypes.DType) *Node {
	return MaxPool3x3(ReLU(StemFeatures(s, x, inner)))
}

// StemFeatures is Stem up to its ReLU: (N, H, W, C) → (N, ~H/2, ~W/2, 64).
func StemFeatures(s *model.Scope, x *Node, inner dtypes.DType) *Node {
	x = ConvertDType(Conv(s.In("conv1"), x, 64, 7, 2, resNetInit(s)), inner)
	return BatchNorm(s.In("bn1"), x)
}

// smallStem is for small images and keeps their size: 3×3/1 convolution, batch norm, ReLU: (N, H,
// W, C) → (N, H, W, 64).
func smallStem(s *model.Scope, x *Node) *Node {
	x = Conv(s.In("conv1"), x, 64, 3, 1, resNetInit(s))
	return ReLU(BatchNorm(s.In("bn1"), x))
}

// Stage is a sequence of depth blocks. The first has the stride.
func Stage(s *model.Scope, x *Node, block func(s *model.Scope, x *Node, width, stride int) *Node, depth, width, stride int) *Node {
	for i := range depth {
		x = remat(s, x, func(x *Node) *Node { return block(s.In("%d", i), x, width, stride) })
		stride = 1
	}
	return x
}

// BasicBlock is two 3×3 convolutions beside a shortcut: (N, H, W, C) → (N, H/stride, W/stride,
// width).
func BasicBlock(s *model.Scope, x *Node, width, stride int) *Node {
	y := Conv(s.In("conv1"), x, width, 3, stride, resNetInit(s))
	y = ReLU(BatchNorm(s.In("bn1"), y))
	y = Conv(s.In("conv2"), y, width, 3, 1, resNetInit(s))
	y = BatchNorm(s.In("bn2"), y)
	return ReLU(Add(y, shortcut(s, x, width, stride)))
}

// bottleneck is 1×1, 3×3 and 1×1 convolutions beside a shortcut: (N, H, W, C) → (N, H/stride,
// W/stride, 4·width).
func bottleneck(s *model.Scope, x *Node, width, stride int) *Node {
	y := Conv(s.In("conv1"), x, width, 1, 1, resNetInit(s))
	y = ReLU(BatchNorm(s.In("bn1"), y))
	y = Conv(s.In("conv2"), y, width, 3, stride, resNetInit(s))
	y = ReLU(BatchNorm(s.In("bn2"), y))
	y = Conv(s.In("conv3"), y, 4*width, 1, 1, resNetInit(s))
	y = BatchNorm(s.In("bn3"), y)
	return ReLU(Add(y, shortcut(s, x, 4*width, stride)))
}

// shortcut returns x or, if the block changes its shape, a 1×1 convolution of x with batch norm.
func shortcut(s *model.Scope, x *Node, width, stride int) *Node {
	if stride == 1 && x.Shape().Dim(-1) == width {
		return x
	}
	s = s.In("downsample")
	return BatchNorm(s.In("1"), Conv(s.In("0"), x, width, 1, stride, resNetInit(s)))
}
