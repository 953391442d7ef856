package data

import (
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fill returns an array of the builder's type. Each text is one value; "" is null.
func fill(t *testing.T, b array.Builder, texts ...string) arrow.Array {
	for _, text := range texts {
		if text == "" {
			b.AppendNull()
			continue
		}
		require.NoError(t, b.AppendValueFromString(text))
	}
	return b.NewArray()
}

func build(t *testing.T, dtype arrow.DataType, texts ...string) arrow.Array {
	return fill(t, array.NewBuilder(memory.DefaultAllocator, dtype), texts...)
}

var strings32 = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}

func TestArrowLabels(t *testing.T) {
	for _, dtype := range []arrow.DataType{
		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
	} {
		labels, names, err := ArrowLabels(dtype, []arrow.Array{build(t, dtype, "0", "127"), build(t, dtype, "5")}, nil)
		require.NoError(t, err)
		assert.Equal(t, []int32{0, 127, 5}, labels)
		assert.Nil(t, names)
	}
	// Two batches whose dictionaries list the names in different orders.
	first, second := build(t, strings32, "cat", "dog", "cat"), build(t, strings32, "dog", "emu")
	labels, names, err := ArrowLabels(strings32, []arrow.Array{first, second}, nil)
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 1, 0, 1, 2}, labels)
	assert.Equal(t, []string{"cat", "dog", "emu"}, names)
	labels, _, err = ArrowLabels(strings32, []arrow.Array{array.NewSlice(first, 1, 3)}, []string{"dog", "cat"})
	require.NoError(t, err)
	assert.Equal(t, []int32{0, 1}, labels, "given names take precedence")
}

func TestArrowLabelsRefused(t *testing.T) {
	p := arrow.PrimitiveTypes
	for want, labels := range map[string]arrow.Array{
		"labels[1] is -1, want 0..65535":                   build(t, p.Int8, "0", "-1"),
		"labels[0] is 18446744073709551615, want 0..65535": build(t, p.Uint64, "18446744073709551615"),
		"labels[0] is 4294967296, want 0..65535":           build(t, p.Int64, "4294967296"),
		"labels[1] is null, want no nulls":                 build(t, p.Int64, "1", ""),
		"labels has type float64, want integers or a dictionary of class names: convert them to an integer type":                       build(t, p.Float64, "1"),
		"labels has type bool, want integers or a dictionary of class names: convert them to an integer type":                          build(t, arrow.FixedWidthTypes.Boolean, "true"),
		"labels has type utf8, want integers or a dictionary of class names: encode them as a dictionary (pyarrow: dictionary_encode)": build(t, arrow.BinaryTypes.String, "cat"),
		"labels is a dictionary of int64, want strings: decode it (pyarrow: dictionary_decode)": build(t,
			&arrow.DictionaryType{IndexType: p.Int8, ValueType: p.Int64}, "7"),
		"labels[0] is 9, want 0..0": array.NewDictionaryArray(strings32, build(t, p.Int32, "9"), build(t, arrow.BinaryTypes.String, "cat")),
		"entry 1 of the dictionary of labels is null, want no nulls": array.NewDictionaryArray(strings32, build(t, p.Int32, "0"),
			build(t, arrow.BinaryTypes.String, "cat", "")),
	} {
		_, _, err := ArrowLabels(labels.DataType(), []arrow.Array{labels}, nil)
		assert.EqualError(t, err, "data: "+want)
		assert.ErrorIs(t, err, ErrArgument)
	}
	empty := array.NewDictionaryArray(strings32, build(t, arrow.PrimitiveTypes.Int32, "0"),
		build(t, arrow.BinaryTypes.String))
	_, _, err := ArrowLabels(strings32, []arrow.Array{empty}, nil)
	assert.EqualError(t, err, "data: labels[0] is 0, want 0..-1")
	_, _, err = ArrowLabels(strings32, []arrow.Array{build(t, strings32, "dog")}, []string{"cat"})
	assert.EqualError(t, err, `data: labels has the class "dog", want one of class_names`)
}

func TestArrowMisuse(t *testing.T) {
	images := wrap(uint8s(count(12)...), 4) // 3 images of 4 values
	with := func(a arrow.Array, shape ...int) error {
		_, err := FromArrow(plainField(a), []arrow.Array{a}, ArrowOptions{Shape: shape},
			func() { t.Error("released on error") })
		return err
	}
	tensor := func(metadata string, shape ...int) error {
		_, err := FromArrow(tensorField(images, metadata), []arrow.Array{images}, ArrowOptions{Shape: shape}, nil)
		return err
	}
	other := func() error {
		_, err := FromArrow(plainField(images), []arrow.Array{images, uint8s(1)}, ArrowOptions{}, nil)
		return err
	}
	short := array.NewFixedSizeListData(
		array.NewData(images.DataType(), 4, []*memory.Buffer{nil}, images.Data().Children(), 0, 0))
	late := array.NewFixedSizeListData(
		array.NewData(images.DataType(), 3, []*memory.Buffer{nil}, images.Data().Children(), 0, 1))
	nulls := build(t, arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Uint8), "[1, 2]", "", "[3, 4]")
	inner := wrap(build(t, arrow.PrimitiveTypes.Uint8, "1", "2", "3", "4", "", "6"), 1, 2)
	for want, err := range map[string]error{
		"images are lists of 4 values: the option shape is needed, (H, W, C) or (H, W)":                    with(images),
		"shape is [2 3], which has 6 values, want 4: the list size of images":                              with(images, 2, 3),
		"shape is [4], want (H, W, C) or (H, W)":                                                           with(images, 4),
		"shape is [2 0], want each dimension in 1..1048576":                                                with(images, 2, 0),
		"images is empty, want at least 1 image":                                                           with(array.NewSlice(images, 0, 0), 2, 2),
		"images needs 4 × 4 values, its child array holds 12":                                              with(short, 2, 2),
		"images[1] is null or has a null, want no nulls":                                                   with(nulls, 1, 2),
		"images[2] is null or has a null, want no nulls":                                                   with(inner),
		"images has type uint8, want a fixed_shape_tensor or a FixedSizeList":                              with(uint8s(1)),
		"images has values of type int64, want uint8 (0..255) or float32 ([0, 1])":                         with(wrap(int64s(1, 2), 2), 1, 2),
		"images[1, 0, 0, 0] is NaN, want a value in [0, 1]: remove or replace such values":                 with(wrap(float32s(0, float32(math.NaN())), 1), 1, 1),
		"images[0, 0, 1, 0] is 255, want a value in [0, 1]: divide by 255 or pass uint8":                   with(wrap(float32s(0, 255), 2), 1, 2),
		"images has shape [2 2 1], want [1 4 1] as the option shape says":                                  tensor(`{"shape": [2, 2]}`, 1, 4),
		"images has fixed_shape_tensor shape [2 3], want its product to be the list size 4, in one list":   tensor(`{"shape": [2, 3]}`),
		"images has fixed_shape_tensor shape [], want (H, W, C) or (H, W), each at least 1":                tensor(`{}`),
		"images has fixed_shape_tensor shape [1 1 2 2], want (H, W, C) or (H, W), each at least 1":         tensor(`{"shape": [1, 1, 2, 2]}`),
		"images has fixed_shape_tensor shape [-2 -2], want (H, W, C) or (H, W), each at least 1":           tensor(`{"shape": [-2, -2]}`),
		"images has fixed_shape_tensor permutation [1 1], want an order of 0..1":                           tensor(`{"shape": [2, 2], "permutation": [1, 1]}`),
		"images has fixed_shape_tensor permutation [0], want an order of 0..1":                             tensor(`{"shape": [2, 2], "permutation": [0]}`),
		`images has fixed_shape_tensor dim_names ["H"], want 2 names`:                                      tensor(`{"shape": [2, 2], "dim_names": ["H"]}`),
		`images has fixed_shape_tensor metadata "?": invalid character '?' looking for beginning of value`: tensor("?"),
		"array 1 has type uint8, want fixed_size_list<item: uint8, nullable>[4] as the first says":         other(),
	} {
		assert.EqualError(t, err, "data: "+want)
		assert.ErrorIs(t, err, ErrArgument)
	}
	assert.ErrorContains(t, with(late, 2, 2), "images needs 4 × 4 values, its child array holds 12")
}

func TestArrowColumnsMisuse(t *testing.T) {
	images, labels := wrap(uint8s(1, 2, 3, 4), 1, 2), int64s(0, 1)
	table := func(o ArrowOptions, valid []byte, names []string, columns ...arrow.Array) error {
		var fields []arrow.Field
		var children []arrow.ArrayData
		for i, c := range columns {
			fields = append(fields, arrow.Field{Name: names[i], Type: c.DataType()})
			children = append(children, c.Data())
		}
		nulls := []*memory.Buffer{nil}
		if valid != nil {
			nulls[0] = memory.NewBufferBytes(valid)
		}
		a := array.NewStructData(array.NewData(arrow.StructOf(fields...), 2, nulls, children, -1, 0))
		_, err := FromArrow(plainField(a), []arrow.Array{a}, o, nil)
		return err
	}
	plain := func() error {
		_, err := FromArrow(plainField(images), []arrow.Array{images}, ArrowOptions{ImageColumn: "image"}, nil)
		return err
	}
	short := array.NewSlice(labels, 0, 1)
	for want, err := range map[string]error{
		`columns are ["x"], want image, images or pixels: give image_column`:                                                    table(ArrowOptions{}, nil, []string{"x"}, images),
		`image_column is "img", want one of the columns ["image", "label"]`:                                                     table(ArrowOptions{ImageColumn: "img"}, nil, []string{"image", "label"}, images, labels),
		`label_column is "class", want one of the columns ["image"]`:                                                            table(ArrowOptions{LabelColumn: "class"}, nil, []string{"image"}, images),
		`2 columns are called "image", want 1`:                                                                                  table(ArrowOptions{}, nil, []string{"image", "image"}, images, images),
		`column "label" of array 0 has 1 rows, want 2`:                                                                          table(ArrowOptions{}, nil, []string{"image", "label"}, images, short),
		`row 1 of struct array 0 is null, want no nulls`:                                                                        table(ArrowOptions{}, []byte{1}, []string{"image"}, images),
		`labels[1] is 1, want 0..0: class_names has 1 names`:                                                                    table(ArrowOptions{ClassNames: []string{"a"}}, nil, []string{"image", "y"}, images, labels),
		`images is a plain array of type ` + images.DataType().String() + `: image_column and label_column need a struct array`: plain(),
	} {
		assert.EqualError(t, err, "data: "+want)
	}
}
