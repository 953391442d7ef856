package vpn

import (
	"errors"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/internal/safetensors"
)

// The weights of sr, dnn3 and generator dnn3 depend on the order in which the values of an image, or
// of a hidden layer's maps, are flattened. It is (H, W, C) in a model and usually (C, H, W) in
// PyTorch. Both have the same shape, so that nothing but a mark in the file tells them apart.
const (
	hwc = "hwc"
	chw = "chw"
)

// metadataFlatten is the key of the mark in the metadata of exported files: "hwc" or "chw".
const metadataFlatten = "govpn.flatten"

// checkFlatten returns an error for an option Flatten that is neither an order nor "".
func checkFlatten(order string) error {
	if order != "" && order != hwc && order != chw {
		return argumentError("Flatten is %q, want \"hwc\", \"chw\", or \"\" for the usual one", order)
	}
	return nil
}

// flattenOf returns the order of a file's weights. bare says whether its names have no prefix.
//
// A file without a mark is PyTorch's if its names are bare. If they have a prefix, or if it says
// which part its bare names are of, govpn 0.1.0 wrote it, in the order (H, W, C).
func flattenOf(f *safetensors.File, bare bool) (string, error) {
	switch order, marked := f.Metadata[metadataFlatten]; {
	case marked && order != hwc && order != chw:
		return "", formatError("the metadata %q is %q, want \"hwc\" or \"chw\"", metadataFlatten, order)
	case marked:
		return order, nil
	case bare && f.Metadata[metadataPart] == "":
		return chw, nil
	}
	return hwc, nil
}

// flattened says where a tensor has the values of maps: between `before` and `after` values of other
// axes lie height·width positions of so many channels.
type flattened struct {
	before, positions, channels, after int
	// axes is (height, width) if these and the channels are axes of the tensor. Otherwise they are
	// one axis, and the tensor has the same shape in both orders.
	axes []int
}

// dims returns the dimensions that a tensor with axes has in an order.
func (f flattened) dims(order string) []int {
	if order == chw {
		return []int{f.before, f.channels, f.axes[0], f.axes[1]}
	}
	return []int{f.before, f.axes[0], f.axes[1], f.channels}
}

// flattenedIn says where the tensor of this name and these dimensions has values of maps, if it has
// any.
func (m *Model) flattenedIn(name string, dims []int) (f flattened, ok bool, err error) {
	image, cfg := m.net.Config.ImageShape, &m.net.Config
	f = flattened{before: 1, positions: image[0] * image[1], channels: image[2], after: 1}
	switch input := models.FlatInput(cfg.Base); {
	case input != "" && name == "base."+input+".weight":
		f.before = dims[0]
	case cfg.LabelFusion == "embedding" && name == "generator.label.weight":
		f.before, f.axes = dims[0], image[:2]
	case cfg.Generator != "dnn3":
		return f, false, nil
	case name == "generator.fc1.weight":
		f.before = dims[0]
		if cfg.LabelFusion == "plane" { // a channel per class follows those of the image
			f.channels += cfg.Classes
		}
	case name == "generator.fc3.weight" || name == "generator.fc3.bias":
		out, err := m.noiseDims()
		if err != nil || len(out) != 3 { // vectors and tokens have no maps
			return f, false, err
		}
		f.positions, f.channels = out[0]*out[1], out[2]
		if len(dims) == 2 {
			f.after = dims[1]
		}
	default:
		return f, false, nil
	}
	return f, true, nil
}

// reorder brings the tensors of a file into an order, from the other one. prefix is what their names
// lack. It leaves a tensor of a wrong size as it is: match lists those.
func (m *Model) reorder(f *safetensors.File, prefix, to string) error {
	from := map[string]string{hwc: chw, chw: hwc}[to]
	for name, t := range f.Tensors {
		dims := t.Shape().Dimensions
		if len(dims) == 0 {
			continue
		}
		at, ok, err := m.flattenedIn(prefix+name, dims)
		if err != nil {
			return err
		}
		if !ok || at.before*at.positions*at.channels*at.after != t.Shape().Size() {
			continue
		}
		if at.axes != nil && !slices.Equal(dims, at.dims(from)) {
			return formatError("tensor %q is %v, want %v in the order %q of the file", name, dims, at.dims(from), from)
		}
		if f.Tensors[name], err = at.reordered(t, to); err != nil {
			return err
		}
	}
	return nil
}

// reordered returns a copy of a tensor in an order, from the other one.
func (f flattened) reordered(t *tensors.Tensor, to string) (*tensors.Tensor, error) {
	rows, columns, shape := f.positions, f.channels, t.Shape().Clone()
	if to == hwc {
		rows, columns = columns, rows
	}
	if f.axes != nil {
		shape.Dimensions = f.dims(to)
	}
	result, run := tensors.FromShape(shape), f.after*t.DType().Size()
	var failed error
	err := t.ConstBytes(func(source []byte) {
		failed = result.MutableBytes(func(target []byte) {
			for range f.before { // (rows, columns, run) → (columns, rows, run)
				for row := range rows {
					for column := range columns {
						copy(target[(column*rows+row)*run:][:run], source[(row*columns+column)*run:])
					}
				}
				source, target = source[rows*columns*run:], target[rows*columns*run:]
			}
		})
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, fault.Errorf(ErrDevice, "vpn: %w", err)
	}
	return result, nil
}
