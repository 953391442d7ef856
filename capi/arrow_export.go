package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/govpn/govpn/internal/inject"
)

// handOut moves an array and its schema to the caller's structs. If it panics, neither struct was
// written.
func handOut(field arrow.Field, a arrow.Array, schema *cSchema, array *cArray) {
	held := (*cSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(held))
	defer C.bridge_release_schema(held) // does something only if handOutArray panics
	handOutSchema(field, held)
	handOutArray(a, array)
	C.bridge_move_schema(held, schema)
}

// handOutSchema moves a field to the caller's struct. arrow-go writes to zeroed memory of ours
// first. The caller's struct may hold anything, and the garbage collector would look at it.
func handOutSchema(field arrow.Field, schema *cSchema) {
	s := (*cSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(s))
	cdata.ExportArrowSchema(arrow.NewSchema([]arrow.Field{field}, nil), (*cdata.CArrowSchema)(unsafe.Pointer(s)))
	C.bridge_hand_out_schema(s, schema)
}

// handOutArray moves an array to the caller's struct, through memory of ours like handOutSchema.
func handOutArray(a arrow.Array, array *cArray) {
	inject.Panic()
	c := (*cArray)(C.calloc(1, C.sizeof_struct_ArrowArray))
	defer C.free(unsafe.Pointer(c))
	cdata.ExportArrowArray(a, (*cdata.CArrowArray)(unsafe.Pointer(c)), nil)
	C.bridge_hand_out_array(c, array)
}

// lentBuffer lends bytes to C, which may read and write them until the last array over them is
// released. done, if not nil, is called then.
func lentBuffer(bytes []byte, done func()) *memory.Buffer {
	l := &lender{done: done}
	if len(bytes) > 0 {
		l.pin.Pin(&bytes[0]) // does nothing if the memory is a device's, not Go's
	}
	return memory.NewBufferWithAllocator(bytes, l)
}

// A lender is the arrow allocator of a lentBuffer. Only its Free is ever called.
type lender struct {
	pin  runtime.Pinner
	done func()
}

func (l *lender) Free([]byte) {
	l.pin.Unpin()
	if l.done == nil {
		return
	}
	err := protect(func() error { l.done(); return nil }) // the host calls Free: no panic may leave it
	if err != nil {
		record(logWarning, fmt.Sprintf("releasing an array: %v", err))
	}
}
func (*lender) Allocate(int) []byte           { panic("a lender does not allocate") }
func (*lender) Reallocate(int, []byte) []byte { panic("a lender does not allocate") }

// primitiveData makes an array of n values of a primitive type over a buffer, whose reference it
// takes.
func primitiveData(t arrow.DataType, n int, values *memory.Buffer) arrow.ArrayData {
	defer values.Release()
	return array.NewData(t, n, []*memory.Buffer{nil, values}, nil, 0, 0)
}

// tensorField describes tensors of a shape as an arrow.fixed_shape_tensor. It is the field of the
// storage with the extension in its metadata: arrow-go drops the children of an extension array
// that it exports.
func tensorField(name string, values arrow.DataType, shape []int) arrow.Field {
	size := 1
	for _, d := range shape {
		size *= d
	}
	description, _ := json.Marshal(map[string][]int{"shape": shape}) // integers cannot fail
	metadata := arrow.NewMetadata([]string{"ARROW:extension:name", "ARROW:extension:metadata"},
		[]string{"arrow.fixed_shape_tensor", string(description)})
	return arrow.Field{Name: name, Type: arrow.FixedSizeListOf(int32(size), values), Metadata: metadata}
}

// tensorData makes an array of n tensors for a tensorField. values holds them one after another;
// its reference is taken.
func tensorData(field arrow.Field, values arrow.ArrayData, n int) arrow.ArrayData {
	defer values.Release()
	return array.NewData(field.Type, n, []*memory.Buffer{nil}, []arrow.ArrayData{values}, 0, 0)
}

// tensorArray makes an array of n tensors of a shape, with its field. values as in tensorData.
func tensorArray(values arrow.ArrayData, n int, shape []int) (arrow.Field, arrow.Array) {
	field := tensorField("", values.DataType(), shape)
	d := tensorData(field, values, n)
	defer d.Release()
	return field, array.MakeFromData(d)
}

// handOutTensors hands out n float32 tensors of a shape. values holds them one after another.
func handOutTensors(values []float32, n int, shape []int, schema *cSchema, array *cArray) {
	bytes := arrow.Float32Traits.CastToBytes(values)
	field, a := tensorArray(primitiveData(arrow.PrimitiveTypes.Float32, len(values), lentBuffer(bytes, nil)), n, shape)
	defer a.Release()
	handOut(field, a, schema, array)
}

// handOutInts hands out int32 values.
func handOutInts(values []int32, schema *cSchema, out *cArray) {
	handOutValues(arrow.PrimitiveTypes.Int32, len(values), arrow.Int32Traits.CastToBytes(values), schema, out)
}

// handOutValues hands out n values of a primitive type. bytes is their memory.
func handOutValues(t arrow.DataType, n int, bytes []byte, schema *cSchema, out *cArray) {
	d := primitiveData(t, n, lentBuffer(bytes, nil))
	defer d.Release()
	a := array.MakeFromData(d)
	defer a.Release()
	handOut(arrow.Field{Type: t}, a, schema, out)
}
