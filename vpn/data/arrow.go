package data

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// ArrowOptions tell how to read Arrow arrays; all are optional. It is the JSON of govpn_data_import.
type ArrowOptions struct {
	Shape       []int    `json:"shape"`        // of an image: (H, W, C) or (H, W); needed where the arrays do not tell it
	ImageColumn string   `json:"image_column"` // default: "image", "images" or "pixels"
	LabelColumn string   `json:"label_column"` // default: "label", "labels" or "y", where present
	ClassNames  []string `json:"class_names"`
}

// FromArrow makes a data set of the arrays, one after another, which all have the type and metadata of field:
//   - images, each a FixedSizeList of uint8 (0..255) or float ([0, 1]) values, nested or with a shape, or a fixed_shape_tensor with
//     any permutation; float64 is converted to float32;
//   - or structs with a column of such images and perhaps a column of labels: integers, or a dictionary of class names, or
//     FixedSizeLists of float32 or float64, which are probabilities.
//
// There must be no nulls. A single uint8 or float32 array in the order (H, W, C) is kept and not copied; [Dataset.Info] tells of copies.
//
// The arrays must stay valid until release (nil: none) is called. It is called exactly once: when the last view is closed, or at once
// when the pixels had to be copied. It is not called on error.
func FromArrow(field arrow.Field, arrays []arrow.Array, o ArrowOptions, release func()) (*Dataset, error) {
	at, err := o.Columns(field)
	if err != nil {
		return nil, err
	}
	for i, a := range arrays {
		if !arrow.TypeEqual(a.DataType(), field.Type) {
			return nil, argErrorf("array %d has type %s, want %s as the first says", i, a.DataType(), field.Type)
		}
	}
	arrays = slices.DeleteFunc(slices.Clone(arrays), func(a arrow.Array) bool { return a.Len() == 0 })
	if len(arrays) == 0 {
		return nil, argErrorf("images is empty, want at least 1 image")
	}
	columns := []column{{field, arrays}}
	if table, ok := field.Type.(*arrow.StructType); ok {
		if columns, err = structColumns(table, arrays, at); err != nil {
			return nil, err
		}
	}
	options := Options{ClassNames: o.ClassNames, Release: release}
	if len(columns) > 1 {
		if err = options.setArrowLabels(columns[1].field.Type, columns[1].arrays, o.ClassNames); err != nil {
			return nil, err
		}
	}
	return columns[0].dataset(o.Shape, options)
}

// FromRecords is FromArrow for record batches, for example those of a stream.
func FromRecords(schema *arrow.Schema, batches []arrow.RecordBatch, o ArrowOptions, release func()) (*Dataset, error) {
	field := arrow.Field{Type: arrow.StructOf(schema.Fields()...), Metadata: schema.Metadata()}
	structs := make([]arrow.Array, len(batches))
	free := func() {
		for _, s := range structs {
			s.Release()
		}
	}
	for i, batch := range batches {
		structs[i] = array.RecordToStructArray(batch)
	}
	d, err := FromArrow(field, structs, o, func() {
		free()
		if release != nil {
			release()
		}
	})
	if err != nil {
		free()
	}
	return d, err
}

// column is one column of all arrays.
type column struct {
	field  arrow.Field
	arrays []arrow.Array
}

// Columns checks that arrays of a field can be images, and finds the columns to read in a struct: that of the images, and that of the
// labels if there is one. It is nil where the field is not a struct.
func (o ArrowOptions) Columns(field arrow.Field) ([]int, error) {
	if err := checkWanted(o.Shape); err != nil {
		return nil, err
	}
	table, ok := field.Type.(*arrow.StructType)
	if !ok {
		if o.ImageColumn != "" || o.LabelColumn != "" {
			return nil, argErrorf("images is a plain array of type %s: image_column and label_column need a struct array", field.Type)
		}
		return nil, checkTypes([]arrow.Field{field})
	}
	images, err := findColumn(table, "image_column", o.ImageColumn, "image", "images", "pixels")
	if err != nil {
		return nil, err
	}
	if images < 0 {
		return nil, argErrorf("columns are %s, want image, images or pixels: give image_column", columnNames(table))
	}
	labels, err := findColumn(table, "label_column", o.LabelColumn, "label", "labels", "y")
	if err != nil {
		return nil, err
	}
	if labels < 0 {
		return []int{images}, checkTypes([]arrow.Field{table.Field(images)})
	}
	return []int{images, labels}, checkTypes([]arrow.Field{table.Field(images), table.Field(labels)})
}

// checkTypes checks the types of images, and of labels after them.
func checkTypes(fields []arrow.Field) error {
	_, leaf, err := tensorType(fields[0])
	if err == nil {
		err = checkPixelType(leaf)
	}
	if err == nil && len(fields) > 1 {
		err = checkAnyLabelType(fields[1].Type)
	}
	return err
}

// findColumn returns the column called name, or the first of the defaults that exists when name is ""; -1 when there is none.
func findColumn(table *arrow.StructType, option, name string, defaults ...string) (int, error) {
	if name != "" {
		defaults = []string{name}
	}
	for _, candidate := range defaults {
		switch found := table.FieldIndices(candidate); {
		case len(found) > 1:
			return -1, argErrorf("%d columns are called %q, want 1", len(found), candidate)
		case len(found) == 1:
			return found[0], nil
		}
	}
	if name != "" {
		return -1, argErrorf("%s is %q, want one of the columns %s", option, name, columnNames(table))
	}
	return -1, nil
}

// structColumns returns the columns at some places of struct arrays.
func structColumns(table *arrow.StructType, arrays []arrow.Array, at []int) (columns []column, err error) {
	for i, a := range arrays {
		if k := firstNull(a, 0, a.Len()); k >= 0 {
			return nil, argErrorf("row %d of struct array %d is null, want no nulls", k, i)
		}
	}
	for _, place := range at {
		c := column{field: table.Field(place)}
		for i, a := range arrays {
			child := a.(*array.Struct).Field(place)
			if child.Len() != a.Len() {
				return nil, argErrorf("column %q of array %d has %d rows, want %d", c.field.Name, i, child.Len(), a.Len())
			}
			c.arrays = append(c.arrays, child)
		}
		columns = append(columns, c)
	}
	return columns, nil
}

func columnNames(table *arrow.StructType) string {
	var names []string
	for _, f := range table.Fields() {
		names = append(names, fmt.Sprintf("%q", f.Name))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// firstNull returns the first null of a[start:end]; -1 when there is none. (a.NullN would panic on a count of -1 without a bitmap,
// which a C producer may send.)
func firstNull(a arrow.Array, start, end int) int {
	if a.Data().NullN() == 0 || len(a.NullBitmapBytes()) == 0 {
		return -1
	}
	for i := start; i < end; i++ {
		if a.IsNull(i) {
			return i
		}
	}
	return -1
}
