package data

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// ArrowOptions configure how Arrow arrays are read. All are optional. In C they are the JSON
// argument of govpn_data_import.
type ArrowOptions struct {
	// Shape is the shape of an image, (H, W, C) or (H, W). It is needed if the arrays do not tell
	// it.
	Shape []int `json:"shape"`
	// ImageColumn defaults to the first column called "image", "images" or "pixels".
	ImageColumn string `json:"image_column"`
	// LabelColumn defaults to the first column called "label", "labels" or "y", if there is one.
	LabelColumn string   `json:"label_column"`
	ClassNames  []string `json:"class_names"`
}

// FromArrow makes a data set of arrays, which are joined in order. All have the type and metadata
// of field, which is one of these:
//   - images: each a FixedSizeList of uint8 (0..255) or float ([0, 1]) values. Lists are nested, or
//     flat with o.Shape, or a fixed_shape_tensor with any permutation. float64 becomes float32.
//   - structs with a column of such images and, optionally, a column of labels. Labels are
//     integers, a
//     dictionary of class names, or FixedSizeLists of float32 or float64, which are probabilities.
//
// Nulls are errors. A single uint8 or float32 array in the order (H, W, C) is kept without a copy;
// everything else is copied. [Dataset.Info] reports copies.
//
// The arrays must stay valid until release is called (nil: they always are). FromArrow calls
// release exactly once: when the last view is closed or, if the pixels were copied, before
// FromArrow returns. It does not call release if it returns an error.
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
	columns := []column{{field: field, arrays: arrays}}
	if table, ok := field.Type.(*arrow.StructType); ok {
		if columns, err = structColumns(table, arrays, at); err != nil {
			return nil, err
		}
	}
	options := Options{ClassNames: o.ClassNames, Release: release}
	if len(columns) > 1 {
		if options.ClassNames, err = namesOfField(columns[1].field, o.ClassNames); err != nil {
			return nil, err
		}
		if err = options.setArrowLabels(columns[1].field.Type, columns[1].arrays, options.ClassNames); err != nil {
			return nil, err
		}
	}
	return columns[0].dataset(o.Shape, options)
}

// MetadataNames is the key of metadata whose value is a JSON list of class names: in exported weights,
// and in the label field of streams that the C interface exports.
const MetadataNames = "govpn.class_names"

// namesOfField returns the given class names or, if there are none, those in the metadata of a
// column of labels. A dictionary has names of its own.
func namesOfField(field arrow.Field, given []string) (names []string, err error) {
	text, ok := field.Metadata.GetValue(MetadataNames)
	if len(given) > 0 || !ok || field.Type.ID() == arrow.DICTIONARY {
		return given, nil
	}
	if names, err = ParseClassNames(text); err != nil {
		return nil, Errorf(ErrFormat, "data: the metadata %s of column %q %w", MetadataNames, field.Name, err)
	}
	return names, nil
}

// ParseClassNames reads class names from the metadata of files and streams: a JSON list of texts.
func ParseClassNames(text string) ([]string, error) {
	var list []*string
	err := json.Unmarshal([]byte(text), &list)
	names, ok := texts(list)
	if err != nil || !ok {
		return nil, fmt.Errorf("is %.100q, want a JSON list of names", text)
	}
	return names, nil
}

// texts returns the texts of a JSON list. ok is false if one is null, which encoding/json would take
// as "".
func texts(list []*string) (names []string, ok bool) {
	for _, text := range list {
		if text == nil {
			return nil, false
		}
		names = append(names, *text)
	}
	return names, true
}

// FromRecords is like [FromArrow] for record batches, for example those of a stream.
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

// column holds the arrays of one column.
type column struct {
	field  arrow.Field
	arrays []arrow.Array
}

// Columns checks that arrays of this field can be images. If the field is a struct, it returns the
// index of the column of images and, if there is one, that of the column of labels. Otherwise it
// returns nil.
func (o ArrowOptions) Columns(field arrow.Field) ([]int, error) {
	if err := checkWanted(o.Shape); err != nil {
		return nil, err
	}
	table, ok := field.Type.(*arrow.StructType)
	if !ok {
		if o.ImageColumn != "" || o.LabelColumn != "" {
			return nil, argErrorf(
				"images is a plain array of type %s: image_column and label_column need a struct array", field.Type)
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

// checkTypes checks the type of images and, if there is a second field, the type of labels.
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

// findColumn returns the index of the column called name. If name is "", it returns the first
// column that has one of the default names, or -1 if there is none.
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

// structColumns returns the columns with the indices at.
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
				return nil, argErrorf("column %q of array %d has %d rows, want %d", c.field.Name, i, child.Len(),
					a.Len())
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

// firstNull returns the index of the first null in a[start:end], or -1. It does not call a.NullN,
// which panics if an array from a C producer has null_count -1 and no bitmap.
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
