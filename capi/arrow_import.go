package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

type (
	cSchema = C.struct_ArrowSchema
	cArray  = C.struct_ArrowArray
	cStream = C.struct_ArrowArrayStream
)

// copied calls one of bridge_copy_* with a buffer for the reason of a failure.
func copied(copy func(buffer *C.char, size C.size_t) C.int) error {
	const size = 256
	buffer := (*C.char)(C.malloc(size))
	defer C.free(unsafe.Pointer(buffer))
	switch copy(buffer, size) {
	case C.BRIDGE_SOUND:
		return nil
	case C.BRIDGE_MEMORY:
		return data.Errorf(vpn.ErrMemory, "govpn: no memory to read the Arrow structs")
	}
	return malformedError("%s", strings.ToValidUTF8(C.GoString(buffer), "?"))
}

// copySchema copies a schema and refuses a malformed one, before arrow-go follows its pointers. The
// schema stays the producer's. Free the copy with bridge_free_schema.
func copySchema(schema *cSchema) (copy *cSchema, err error) {
	err = copied(func(buffer *C.char, size C.size_t) C.int { return C.bridge_copy_schema(schema, &copy, buffer, size) })
	return copy, err
}

// copyArray does the same with an array of a copied schema.
func copyArray(schema *cSchema, array *cArray) (copy *cArray, err error) {
	err = copied(func(buffer *C.char, size C.size_t) C.int {
		return C.bridge_copy_array(schema, array, &copy, buffer, size)
	})
	return copy, err
}

// readSchema reads a schema that copySchema returned.
func readSchema(schema *cSchema) (field arrow.Field, err error) {
	if err := checkNames(schema); err != nil {
		return field, err
	}
	return field, asMalformed(func() error {
		field, err = cdata.ImportCArrowField((*cdata.CArrowSchema)(unsafe.Pointer(schema)))
		return err
	})
}

// checkNames refuses names that are not UTF-8.
func checkNames(schema *cSchema) error {
	if name := C.GoString(schema.name); !utf8.ValidString(name) {
		return malformedError("name %q is not UTF-8", name)
	}
	for _, child := range unsafe.Slice(schema.children, schema.n_children) {
		if err := checkNames(child); err != nil {
			return err
		}
	}
	return nil
}

// asMalformed calls read and turns its error or panic, which are arrow-go's, into ErrFormat.
func asMalformed(read func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = malformedError("%v", p)
		}
	}()
	if err := read(); err != nil {
		return malformedError("%w", err)
	}
	return nil
}

// A takenArray is an array of the host that govpn owns. Call either release or giveBack, once.
type takenArray struct {
	array  arrow.Array
	source *cArray
}

// takeArray takes over the host's array. structs is its copy. After an error the array is still the
// host's.
func takeArray(structs, array *cArray, t arrow.DataType, wanted []int) (takenArray, error) {
	a, err := readArray(t, structs, wanted)
	if err != nil {
		return takenArray{}, err
	}
	source := C.bridge_take_array(array)
	if source == nil {
		return takenArray{}, data.Errorf(vpn.ErrMemory, "govpn: no memory to take the array")
	}
	return takenArray{array: a, source: source}, nil
}

// release calls the producer's release.
func (b takenArray) release() { C.bridge_release_array(b.source) }

// giveBack undoes takeArray: array is the host's again.
func (b takenArray) giveBack(array *cArray) { C.bridge_return_array(b.source, array) }

// maxName is the most bytes that a class name may have.
const maxName = 1 << 12

func malformedError(format string, args ...any) error {
	return data.Errorf(vpn.ErrFormat, "govpn: malformed Arrow data: "+format, args...)
}

// readArray makes a Go array over the memory of an array that copyArray returned. The memory
// stays the producer's: the result is valid until the producer's release is called. Only types that
// images or labels may have are read; a placeholder stands for all others. Of a struct array only
// the wanted columns are read.
func readArray(t arrow.DataType, a *cArray, wanted []int) (result arrow.Array, err error) {
	table, ok := t.(*arrow.StructType)
	if !ok {
		values, err := readValues(t, a)
		if err != nil {
			return nil, err
		}
		return array.MakeFromData(values), nil
	}
	validity, nulls, err := readValidity(a)
	if err != nil {
		return nil, err
	}
	var columns []arrow.ArrayData
	for i, c := range unsafe.Slice(a.children, a.n_children) {
		column := placeholder(c)
		if slices.Contains(wanted, i) {
			if column, err = readValues(table.Field(i).Type, c); err != nil {
				return nil, err
			}
		}
		columns = append(columns, column)
	}
	return array.MakeFromData(array.NewData(t, int(a.length), []*memory.Buffer{validity}, columns, nulls, int(a.offset))), nil
}

// placeholder makes an array of nulls, as long as a, which is not read.
func placeholder(a *cArray) arrow.ArrayData {
	return array.NewData(arrow.Null, int(a.length), []*memory.Buffer{nil}, nil, int(a.length), 0)
}

// readValues reads numbers, lists of them, and dictionaries of strings. Other types become
// placeholders.
func readValues(t arrow.DataType, a *cArray) (arrow.ArrayData, error) {
	switch t := t.(type) {
	case *arrow.FixedSizeListType:
		child, err := readValues(t.Elem(), *a.children)
		if err != nil {
			return nil, err
		}
		return readNode(t, a, 0, child, nil)
	case *arrow.DictionaryType:
		names, err := readNames(t.ValueType, a.dictionary)
		if err != nil || names == nil {
			return placeholder(a), err
		}
		return readNode(t, a, t.IndexType.(arrow.FixedWidthDataType).Bytes(), nil, names.Data())
	}
	if arrow.IsInteger(t.ID()) || t.ID() == arrow.FLOAT32 || t.ID() == arrow.FLOAT64 {
		return readNode(t, a, t.(arrow.FixedWidthDataType).Bytes(), nil, nil)
	}
	return placeholder(a), nil
}

// readNode reads the buffers of one array, without its children. width is the size of a value in
// bytes, or 0 if the array has no values of its own.
func readNode(t arrow.DataType, a *cArray, width int, child, dictionary arrow.ArrayData) (arrow.ArrayData, error) {
	if a.length == 0 { // the buffers may be missing, and the offset means nothing
		return array.MakeArrayOfNull(memory.DefaultAllocator, t, 0).Data(), nil
	}
	validity, nulls, err := readValidity(a)
	if err != nil {
		return nil, err
	}
	buffers, children := []*memory.Buffer{validity}, []arrow.ArrayData{child}
	if width > 0 {
		values, err := readBuffer(a, 1, a.offset+a.length, width)
		if err != nil {
			return nil, err
		}
		buffers, children = append(buffers, values), nil
	}
	if dictionary == nil {
		return array.NewData(t, int(a.length), buffers, children, nulls, int(a.offset)), nil
	}
	return array.NewDataWithDictionary(t, int(a.length), buffers, nulls, int(a.offset), dictionary.(*array.Data)), nil
}

// readValidity returns the validity bitmap and the number of nulls of an array. The bitmap is nil
// if there are none. If the producer states the number, it must be right.
func readValidity(a *cArray) (*memory.Buffer, int, error) {
	if a.length == 0 || *a.buffers == nil {
		return nil, 0, nil
	}
	bits, err := readBuffer(a, 0, (a.offset+a.length+7)/8, 1)
	if err != nil {
		return nil, 0, err
	}
	nulls := int(a.length) - bitutil.CountSetBits(bits.Bytes(), int(a.offset), int(a.length))
	if a.null_count >= 0 && nulls != int(a.null_count) {
		return nil, 0, malformedError("null_count is %d, its validity bitmap has %d nulls", a.null_count, nulls)
	}
	if nulls == 0 {
		bits = nil
	}
	return bits, nulls, nil
}

// readBuffer returns the memory of buffer i, which must hold n values of width bytes.
func readBuffer(a *cArray, i int, n C.int64_t, width int) (*memory.Buffer, error) {
	at := unsafe.Slice(a.buffers, a.n_buffers)[i]
	if n == 0 {
		return memory.NewBufferBytes(nil), nil
	}
	if n > math.MaxInt64/64/C.int64_t(width) || C.bridge_readable(at, C.size_t(int(n)*width)) == 0 {
		return nil, malformedError("buffer %d, of %d values of %d bytes, is no memory that can be read", i, n, width)
	}
	return memory.NewBufferBytes(unsafe.Slice((*byte)(at), int(n)*width)), nil
}

// readNames copies the strings of a dictionary. It returns nil if t is not a type of strings.
func readNames(t arrow.DataType, a *cArray) (arrow.Array, error) {
	readers := map[arrow.Type]func(*cArray) (func(int) (string, error), error){
		arrow.STRING: strings32, arrow.LARGE_STRING: strings64, arrow.STRING_VIEW: stringViews,
	}
	read, ok := readers[t.ID()]
	if !ok {
		return nil, nil
	}
	if a.length > data.MaxClasses {
		return nil, argError("the dictionary of labels has %d entries, want at most %d", a.length, data.MaxClasses)
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	if a.length == 0 {
		return b.NewArray(), nil
	}
	_, nulls, err := readValidity(a)
	if err != nil {
		return nil, err
	}
	if nulls > 0 {
		return nil, argError("the dictionary of labels has %d nulls, want none", nulls)
	}
	value, err := read(a)
	if err != nil {
		return nil, err
	}
	for i := range int(a.length) {
		name, err := value(i)
		switch {
		case err != nil:
			return nil, err
		case len(name) > maxName:
			return nil, argError("entry %d of the dictionary of labels has %d bytes, want at most %d", i, len(name), maxName)
		case !utf8.ValidString(name):
			return nil, malformedError("entry %d of the dictionary of labels is %q, which is not UTF-8", i, name)
		}
		b.Append(name)
	}
	return b.NewArray(), nil
}

// readCopy returns a copy of values first to first+n of buffer i. A producer that changes the buffer
// does not change the copy: what is checked there is what is used.
func readCopy(a *cArray, i int, first, n C.int64_t, width int) ([]byte, error) {
	b, err := readBuffer(a, i, first+n, width)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()[int(first)*width:]), nil
}

func strings32(a *cArray) (func(int) (string, error), error) {
	offsets, err := readCopy(a, 1, a.offset, a.length+1, 4)
	if err != nil {
		return nil, err
	}
	return textOf(a, func(i int) int64 { return int64(int32(binary.NativeEndian.Uint32(offsets[4*i:]))) })
}

func strings64(a *cArray) (func(int) (string, error), error) {
	offsets, err := readCopy(a, 1, a.offset, a.length+1, 8)
	if err != nil {
		return nil, err
	}
	return textOf(a, func(i int) int64 { return int64(binary.NativeEndian.Uint64(offsets[8*i:])) })
}

// textOf returns a function that reads string i of an array, from its offset on. at(i) is where
// string i begins, at(i+1) where it ends. All are checked first.
func textOf(a *cArray, at func(i int) int64) (func(int) (string, error), error) {
	previous := int64(0)
	for i := range int(a.length) + 1 {
		if at(i) < previous || at(i) > math.MaxInt32 {
			return nil, malformedError("offset %d of the strings is %d, want %d or more, and less than 2 GiB", i, at(i), previous)
		}
		previous = at(i)
	}
	text, err := readBuffer(a, 2, C.int64_t(previous), 1)
	if err != nil {
		return nil, err
	}
	return func(i int) (string, error) { return string(text.Bytes()[at(i):at(i+1)]), nil }, nil
}

// stringViews returns a function that reads string i of an array of string views. A view has 16
// bytes: the length, and then either the text (up to 12 bytes), or its first 4 bytes, the number of
// its buffer and its offset there. The array's buffers are validity, views, the text buffers, and
// the sizes of these.
func stringViews(a *cArray) (func(i int) (string, error), error) {
	views, err := readCopy(a, 1, a.offset, a.length, 16)
	if err != nil {
		return nil, err
	}
	texts := make([]*memory.Buffer, a.n_buffers-3)
	sizes, err := readCopy(a, int(a.n_buffers)-1, 0, a.n_buffers-3, 8)
	if err != nil {
		return nil, err
	}
	for i := range texts {
		size := int64(binary.NativeEndian.Uint64(sizes[8*i:]))
		if size < 0 {
			return nil, malformedError("buffer %d of string views has %d bytes", i, size)
		}
		if texts[i], err = readBuffer(a, 2+i, C.int64_t(size), 1); err != nil {
			return nil, err
		}
	}
	return func(i int) (string, error) {
		view := views[16*i : 16*i+16]
		field := func(k int) int { return int(int32(binary.NativeEndian.Uint32(view[4*k:]))) }
		n, buffer, start := field(0), field(2), field(3)
		switch {
		case n >= 0 && n <= 12:
			return string(view[4 : 4+n]), nil
		case n < 0 || buffer < 0 || buffer >= len(texts) || start < 0 || start+n > texts[buffer].Len():
			return "", malformedError("string view %d has %d bytes at %d of buffer %d, which are not there", i, n, start, buffer)
		}
		return string(texts[buffer].Bytes()[start : start+n]), nil
	}, nil
}
