package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"math"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

type allocOptions struct {
	Shape  []int  `json:"shape"`
	DType  string `json:"dtype"`
	Device string `json:"device"`
}

// shape checks the options and returns the shape (N, H, W, C) of the tensor.
func (o allocOptions) shape() (s shapes.Shape, err error) {
	if len(o.Shape) != 4 {
		return s, argError("shape is %v, want [N, H, W, C]", o.Shape)
	}
	values := 1
	for i, d := range o.Shape {
		if d < 1 || values > math.MaxInt64/8/d || (i > 0 && values/o.Shape[0]*d > math.MaxInt32) {
			return s, argError("shape is %v, want four numbers of at least 1, and at most 2³¹−1 values per image", o.Shape)
		}
		values *= d
	}
	switch o.DType {
	case "uint8":
		s = shapes.Make(dtypes.Uint8, o.Shape...)
	case "float32":
		s = shapes.Make(dtypes.Float32, o.Shape...)
	default:
		return s, argError("dtype is %q, want \"uint8\" or \"float32\"", o.DType)
	}
	if free := data.AvailableMemory(); s.ByteSize() > free {
		return s, data.Errorf(vpn.ErrMemory, "govpn: shape %v of %s needs %d bytes, but only %d are available", o.Shape, o.DType, s.ByteSize(), free)
	}
	return s, nil
}

// lentTensor is device memory with two users: the data set and the Arrow array. The last one to
// drop it frees the memory.
type lentTensor struct {
	*tensors.Tensor
	users atomic.Int32
}

func (l *lentTensor) drop() {
	if l.users.Add(-1) == 0 {
		if err := l.FinalizeAll(); err != nil {
			record(logWarning, err.Error())
		}
	}
}

//export goDataAlloc
func goDataAlloc(json *C.bridge_text, schema *cSchema, array *cArray, out *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := notNull(arg("schema", schema), arg("array", array), arg("out", out)); err != nil {
			return err
		}
		o := allocOptions{Device: "auto"}
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		shape, err := o.shape()
		if err != nil {
			return err
		}
		backend, _, err := openDevice(o.Device)
		if err != nil {
			return err
		}
		t, err := tensors.FromShapeForBackend(backend, 0, shape)
		if err != nil {
			return data.Errorf(vpn.ErrDevice, "govpn: lending %s on device %s: %w", shape, backend.Name(), err)
		}
		return lend(&lentTensor{Tensor: t}, schema, array, out)
	})
}

// lend hands out the memory of a new tensor twice: as an Arrow array and as a data set.
func lend(l *lentTensor, schema *cSchema, array *cArray, out *C.govpn_data) error {
	l.users.Store(1)
	d, err := data.FromTensor(l.Tensor, data.Options{Release: l.drop})
	if err != nil {
		l.drop()
		return err
	}
	var memory []byte
	if err := l.MutableBytes(func(b []byte) { memory = b }); err != nil {
		d.Close()
		return data.Errorf(vpn.ErrDevice, "govpn: lending memory: %w", err)
	}
	var t arrow.DataType = arrow.PrimitiveTypes.Uint8
	if l.DType() == dtypes.Float32 {
		t = arrow.PrimitiveTypes.Float32
	}
	l.users.Add(1)
	dims := l.Shape().Dimensions
	field, a := tensorArray(primitiveData(t, l.Size(), lentBuffer(memory, l.drop)), dims[0], dims[1:])
	defer a.Release()
	handOut(field, a, schema, array)
	*out = C.govpn_data(put(d, ""))
	return nil
}
