package data

import (
	"bytes"
	"context"
	"errors"

	"github.com/apache/thrift/lib/go/thrift"
)

// checkParquetFooter checks a Parquet file's footer before arrow-go reads it. Arrow-go allocates
// what the list headers claim, and follows nested groups until its stack overflows.
//
// The footer is a FileMetaData in Thrift's compact protocol, as defined by
// github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift. The check reads it
// with the Thrift library that arrow-go uses, so that both see the same fields and lists.
func checkParquetFooter(footer []byte) error {
	limits := &thrift.TConfiguration{MaxMessageSize: int32(len(footer))}
	buffer := &thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(footer)}
	r := footerReader{protocol: thrift.NewTCompactProtocolConf(buffer, limits)}
	var children []int64 // of each element of the schema
	err := r.eachField(func(id int16, kind thrift.TType) (err error) {
		if id == schemaField && kind == thrift.LIST {
			children, err = r.schema(children)
			return err
		}
		return r.value(kind, fieldOf(fileMetaData, id), maxThriftDepth)
	})
	if err != nil {
		return errFooter
	}
	return checkParquetSchema(children)
}

const (
	maxThriftDepth   = 32
	maxParquetDepth  = 32
	maxParquetSchema = 1 << 16 // elements
)

var errFooter = errors.New("is damaged: its footer holds a size that lies, or is nested too deep")

// checkParquetSchema checks that the elements of a schema form a tree. children is how many
// children each element claims, in depth-first order.
func checkParquetSchema(children []int64) error {
	var open []int64 // children still to come, of each group from the root down
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

// thriftField is a field that is a struct or a list. element is the type of a list's elements.
// fields are those of the struct or, if the elements of the list are structs, of each element.
type thriftField struct {
	id      int16
	element thrift.TType // thrift.STOP (0): a struct
	fields  []thriftField
}

// fileMetaData names the lists that arrow-go reads in a footer, except the schema, and the structs
// around them.
//
// Arrow-go ignores the element type in a list's header and assumes the type in parquet.thrift. If
// the two differed, arrow-go would read other lists than the check did.
var fileMetaData = []thriftField{
	{id: 4, element: thrift.STRUCT, fields: []thriftField{ // row_groups
		{id: 1, element: thrift.STRUCT, fields: []thriftField{ // columns
			{id: 3, fields: []thriftField{ // meta_data
				{id: 2, element: thrift.I32},     // encodings
				{id: 3, element: thrift.STRING},  // path_in_schema
				{id: 8, element: thrift.STRUCT},  // key_value_metadata
				{id: 13, element: thrift.STRUCT}, // encoding_stats
				{id: 16, fields: []thriftField{ // size_statistics
					{id: 2, element: thrift.I64}, // repetition_level_histogram
					{id: 3, element: thrift.I64}, // definition_level_histogram
				}},
				{id: 17, fields: []thriftField{ // geospatial_statistics
					{id: 2, element: thrift.I32}, // geospatial_types
				}},
			}},
			{id: 8, fields: []thriftField{ // crypto_metadata
				{id: 2, fields: []thriftField{ // ENCRYPTION_WITH_COLUMN_KEY
					{id: 1, element: thrift.STRING}, // path_in_schema
				}},
			}},
		}},
		{id: 4, element: thrift.STRUCT}, // sorting_columns
	}},
	{id: 5, element: thrift.STRUCT}, // key_value_metadata
	{id: 7, element: thrift.STRUCT}, // column_orders
}

// fieldOf returns the field with this number, or the zero value, which names no list.
func fieldOf(fields []thriftField, id int16) thriftField {
	for _, f := range fields {
		if f.id == id {
			return f
		}
	}
	return thriftField{}
}

const (
	schemaField   = 2 // of FileMetaData: a list of SchemaElement
	childrenField = 5 // of SchemaElement: num_children
)

// footerReader walks over a footer and keeps nothing. Every element of a list takes at least one
// byte, so a list that claims too many elements ends in an error.
type footerReader struct{ protocol *thrift.TCompactProtocol }

// eachField reads a struct. For each field it calls use, which must read or skip the value.
func (r footerReader) eachField(use func(id int16, kind thrift.TType) error) error {
	if _, err := r.protocol.ReadStructBegin(context.Background()); err != nil {
		return err
	}
	for {
		_, kind, id, err := r.protocol.ReadFieldBegin(context.Background())
		if err != nil {
			return err
		}
		if kind == thrift.STOP {
			return r.protocol.ReadStructEnd(context.Background())
		}
		if err := use(id, kind); err != nil {
			return err
		}
	}
}

// eachElement reads a list whose elements must have the type want. For each element it calls use,
// which must read or skip it.
func (r footerReader) eachElement(want thrift.TType, use func() error) error {
	got, n, err := r.protocol.ReadListBegin(context.Background())
	if err != nil {
		return err
	}
	if n > 0 && got != want {
		return errFooter
	}
	for range n {
		if err := use(); err != nil {
			return err
		}
	}
	return nil
}

// value skips a value that is nested at most depth levels deep, and checks the element types of the
// lists in it.
func (r footerReader) value(kind thrift.TType, field thriftField, depth int) error {
	switch {
	case depth < 1:
		return errFooter
	case kind == thrift.LIST && field.element != thrift.STOP:
		return r.eachElement(field.element, func() error {
			return r.value(field.element, thriftField{fields: field.fields}, depth-1)
		})
	case kind == thrift.STRUCT && field.element == thrift.STOP:
		return r.eachField(func(id int16, kind thrift.TType) error {
			return r.value(kind, fieldOf(field.fields, id), depth-1)
		})
	}
	return thrift.Skip(context.Background(), r.protocol, kind, depth)
}

// schema reads a list of SchemaElement. It appends how many children each element claims.
func (r footerReader) schema(children []int64) ([]int64, error) {
	err := r.eachElement(thrift.STRUCT, func() error {
		count := int32(0)
		err := r.eachField(func(id int16, kind thrift.TType) (err error) {
			if id == childrenField && kind == thrift.I32 {
				count, err = r.protocol.ReadI32(context.Background())
				return err
			}
			return r.value(kind, thriftField{}, maxThriftDepth-2)
		})
		children = append(children, int64(count))
		return err
	})
	return children, err
}
