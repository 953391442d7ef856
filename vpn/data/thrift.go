package data

import (
	"encoding/binary"
	"errors"
)

// checkParquetFooter checks the sizes in a Parquet file's footer before the library reads it: it would allocate what they say, and
// follow nested groups until its stack overflows.
//
// The footer is a FileMetaData of github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift in Thrift's compact
// protocol, github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
func checkParquetFooter(footer []byte) error {
	w := &thriftWalker{rest: footer}
	if err := w.fields(0, w.fileField); err != nil {
		return err
	}
	return checkParquetSchema(w.children)
}

const (
	maxThriftDepth   = 32
	maxParquetDepth  = 32
	maxParquetSchema = 1 << 16 // elements
)

var errFooter = errors.New("is damaged: its footer holds a size that lies, or is nested too deep")

// checkParquetSchema takes the number of children of every element of the schema, depth first.
func checkParquetSchema(children []int64) error {
	var open []int64 // children still to come, of each group from the root
	for i, n := range children {
		if n < 0 || n > int64(len(children)-i-1) || len(open) > maxParquetDepth || i > maxParquetSchema {
			return errFooter
		}
		if len(open) > 0 {
			open[len(open)-1]--
		}
		open = append(open, n)
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
	}
	return nil
}

// thriftWalker skips over values of the compact protocol.
type thriftWalker struct {
	rest     []byte
	children []int64 // of the schema's elements
}

// Types of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

func (w *thriftWalker) skip(n uint64) error {
	if n > uint64(len(w.rest)) {
		return errFooter
	}
	w.rest = w.rest[n:]
	return nil
}

func (w *thriftWalker) byte() (byte, error) {
	if len(w.rest) == 0 {
		return 0, errFooter
	}
	b := w.rest[0]
	w.rest = w.rest[1:]
	return b, nil
}

func (w *thriftWalker) varint() (uint64, error) {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 {
		return 0, errFooter
	}
	w.rest = w.rest[n:]
	return v, nil
}

// fields walks over a struct; visit skips the value of each field.
func (w *thriftWalker) fields(depth int, visit func(field int64, kind byte, depth int) error) error {
	field := int64(0)
	for {
		head, err := w.byte()
		if err != nil {
			return err
		}
		if head == 0 {
			return nil
		}
		if delta := int64(head >> 4); delta > 0 {
			field += delta
		} else {
			number, err := w.varint()
			if err != nil {
				return err
			}
			field = unzigzag(number)
		}
		if err := visit(field, head&15, depth+1); err != nil {
			return err
		}
	}
}

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// value skips a value. Booleans take no byte as a field, and one in a list.
func (w *thriftWalker) value(kind byte, depth int) error {
	if depth > maxThriftDepth {
		return errFooter
	}
	switch kind {
	case thriftTrue, thriftFalse:
		return nil
	case thriftByte:
		return w.skip(1)
	case thriftI16, thriftI32, thriftI64:
		_, err := w.varint()
		return err
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thriftList, thriftSet:
		return w.list(depth, w.element)
	case thriftMap:
		return w.pairs(depth)
	case thriftStruct:
		return w.fields(depth, func(_ int64, kind byte, depth int) error { return w.value(kind, depth) })
	}
	return errFooter
}

func (w *thriftWalker) element(kind byte, depth int) error {
	if kind == thriftTrue || kind == thriftFalse {
		return w.skip(1)
	}
	return w.value(kind, depth)
}

// list walks over a list, whose elements take at least a byte each.
func (w *thriftWalker) list(depth int, visit func(kind byte, depth int) error) error {
	head, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.rest)) {
		return errFooter
	}
	for range n {
		if err := visit(head&15, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *thriftWalker) pairs(depth int) error {
	n, err := w.varint()
	if err != nil || n == 0 {
		return err
	}
	kinds, err := w.byte()
	if err != nil || n > uint64(len(w.rest)) {
		return errFooter
	}
	for range n {
		if err := w.element(kinds>>4, depth+1); err != nil {
			return err
		}
		if err := w.element(kinds&15, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// fileField walks over a field of FileMetaData: 2 is the schema, a list of SchemaElement.
func (w *thriftWalker) fileField(field int64, kind byte, depth int) error {
	if field != 2 || kind != thriftList {
		return w.value(kind, depth)
	}
	return w.list(depth, func(kind byte, depth int) error {
		if kind != thriftStruct {
			return errFooter
		}
		w.children = append(w.children, 0)
		return w.fields(depth, w.schemaField)
	})
}

// schemaField walks over a field of SchemaElement: 5 is num_children.
func (w *thriftWalker) schemaField(field int64, kind byte, depth int) error {
	if field != 5 || kind != thriftI32 {
		return w.value(kind, depth)
	}
	n, err := w.varint()
	w.children[len(w.children)-1] = unzigzag(n)
	return err
}
