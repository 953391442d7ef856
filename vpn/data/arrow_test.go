package data

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wrap nests a flat array in fixed-size lists. sizes are innermost first.
func wrap(flat arrow.Array, sizes ...int) arrow.Array {
	for _, n := range sizes {
		data := array.NewData(arrow.FixedSizeListOf(int32(n), flat.DataType()), flat.Len()/n, []*memory.Buffer{nil},
			[]arrow.ArrayData{flat.Data()}, 0, 0)
		flat = array.NewFixedSizeListData(data)
	}
	return flat
}

func uint8s(values ...uint8) arrow.Array {
	b := array.NewUint8Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

func float32s(values ...float32) arrow.Array {
	b := array.NewFloat32Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

func int64s(values ...int64) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

// tensorField is a column of fixed_shape_tensor; see tensorMetadata for the metadata.
func tensorField(a arrow.Array, metadata string) arrow.Field {
	return arrow.Field{Name: "image", Type: a.DataType(), Metadata: arrow.NewMetadata(
		[]string{"ARROW:extension:name", "ARROW:extension:metadata"}, []string{"arrow.fixed_shape_tensor", metadata})}
}

func plainField(a arrow.Array) arrow.Field { return arrow.Field{Type: a.DataType()} }

// pixels8 returns the uint8 pixels of the whole storage.
func pixels8(d *Dataset) []uint8 { return d.store.u8 }

func TestArrowWithoutCopy(t *testing.T) {
	flat := uint8s(count(24)...) // 2 images of 3×4×1, 4×3×1 or 2×2×3
	address := &flat.(*array.Uint8).Values()[0]
	for name, c := range map[string]struct {
		images arrow.Array
		meta   string
		shape  []int
		want   [3]int
	}{
		"list and shape":   {wrap(flat, 12), "", []int{2, 2, 3}, [3]int{2, 2, 3}},
		"H, W":             {wrap(flat, 12), "", []int{3, 4}, [3]int{3, 4, 1}},
		"nested":           {wrap(flat, 3, 2, 2), "", []int{}, [3]int{2, 2, 3}},
		"tensor":           {wrap(flat, 12), `{"shape": [2, 2, 3]}`, nil, [3]int{2, 2, 3}},
		"tensor of H, W":   {wrap(flat, 12), `{"shape": [3, 4]}`, nil, [3]int{3, 4, 1}},
		"flat tensor":      {wrap(flat, 12), `{"shape": [12]}`, []int{4, 3}, [3]int{4, 3, 1}},
		"one channel last": {wrap(flat, 12), `{"shape": [1, 3, 4], "permutation": [1, 2, 0]}`, nil, [3]int{3, 4, 1}}, // C = 1: same memory
	} {
		released := 0
		field := plainField(c.images)
		if c.meta != "" {
			field = tensorField(c.images, c.meta)
		}
		d, err := FromArrow(field, []arrow.Array{c.images}, ArrowOptions{Shape: c.shape}, func() { released++ })
		require.NoError(t, err, name)
		h, w, ch := d.Shape()
		assert.Equal(t, c.want, [3]int{h, w, ch}, name)
		assert.Same(t, address, &pixels8(d)[0], name)
		assert.Zero(t, d.Info().BytesCopied, name)
		assert.Empty(t, d.Info().Why, name)
		assert.Zero(t, released, name)
		d.Close()
		assert.Equal(t, 1, released, name)
	}
}

// A slice of a slice: the pixels start 1 + 1 lists of 4 values into a child array, which itself is
// a slice that starts at value 4.
func TestArrowSlices(t *testing.T) {
	flat := uint8s(count(24)...)
	images := array.NewSlice(array.NewSlice(wrap(array.NewSlice(flat, 4, 24), 2, 2), 1, 5), 1, 3)
	d, err := FromArrow(plainField(images), []arrow.Array{images}, ArrowOptions{}, nil)
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, count(20)[12:], pixels8(d))
	assert.Same(t, &flat.(*array.Uint8).Values()[12], &pixels8(d)[0])
	assert.Equal(t, 8, cap(pixels8(d)), "nothing beyond the slice can be reached")
}

// layOut returns one image of (H, W, C) = (4, 5, 3) whose dimensions lie in memory in the given
// order, outermost first (0, 1, 2 = H, W, C). Pixel (y, x, c) is 100c + 10y + x.
func layOut(order [3]int) (memory []uint8) {
	shape := [3]int{4, 5, 3}
	var i [3]int
	for a := range shape[order[0]] {
		for b := range shape[order[1]] {
			for c := range shape[order[2]] {
				i[order[0]], i[order[1]], i[order[2]] = a, b, c
				memory = append(memory, uint8(100*i[2]+10*i[0]+i[1]))
			}
		}
	}
	return memory
}

// All orders of the dimensions in memory, each described in all possible ways.
func TestArrowPermutations(t *testing.T) {
	list := func(p ...int) string { return strings.ReplaceAll(fmt.Sprint(p), " ", ", ") }
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var shape, permutation [3]int
		var names [3]string
		for physical, logical := range order {
			shape[physical] = [3]int{4, 5, 3}[logical]
			names[physical] = [3]string{`"H"`, `"W"`, `"C"`}[logical]
			permutation[logical] = physical // the specification
		}
		images := wrap(uint8s(layOut(order)...), 60)
		for name, c := range map[string]struct {
			meta  string
			shape []int
		}{
			"specification":             {`"permutation": ` + list(permutation[:]...), nil},
			"specification, with shape": {`"permutation": ` + list(permutation[:]...), []int{4, 5, 3}},
			"arrow-rs":                  {`"permutations": ` + list(permutation[:]...), nil},
			"pyarrow from_numpy":        {`"permutation": ` + list(order[:]...), nil}, // the inverse
			"pyarrow, with shape":       {`"permutation": ` + list(order[:]...), []int{4, 5, 3}},
			"names":                     {`"dim_names": [` + strings.Join(names[:], ", ") + `]`, nil},
		} {
			released := 0
			field := tensorField(images, fmt.Sprintf(`{"shape": %s, %s}`, list(shape[:]...), c.meta))
			d, err := FromArrow(field, []arrow.Array{images}, ArrowOptions{Shape: c.shape}, func() { released++ })
			require.NoError(t, err, name)
			assert.Equal(t, layOut([3]int{0, 1, 2}), pixels8(d), "%s %v", name, order)
			if order != [3]int{0, 1, 2} {
				assert.EqualValues(t, 60, d.Info().BytesCopied)
				assert.Contains(t, d.Info().Why, "transposed")
				assert.Equal(t, 1, released, "the array is not needed any more")
			}
			d.Close()
			assert.Equal(t, 1, released)
		}
	}
}

// A cyclic permutation without a shape means the reading with fewer channels. If the image has more
// channels than rows, only the option shape makes the reading right.
func TestArrowAmbiguousPermutation(t *testing.T) {
	images := wrap(uint8s(count(24)...), 24)
	// The specification reads (2, 3, 4), the inverse (3, 4, 2).
	field := tensorField(images, `{"shape": [4, 2, 3], "permutation": [1, 2, 0]}`)
	for _, c := range []struct {
		shape []int
		want  [3]int
	}{{nil, [3]int{3, 4, 2}}, {[]int{2, 3, 4}, [3]int{2, 3, 4}}, {[]int{3, 4, 2}, [3]int{3, 4, 2}}} {
		d, err := FromArrow(field, []arrow.Array{images}, ArrowOptions{Shape: c.shape}, nil)
		require.NoError(t, err)
		h, w, ch := d.Shape()
		assert.Equal(t, c.want, [3]int{h, w, ch})
		d.Close()
	}
}

func TestArrowCopies(t *testing.T) {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues([]float64{0, 0.25, 0.5, 1}, nil)
	wide := wrap(b.NewArray(), 2)
	d, err := FromArrow(plainField(wide), []arrow.Array{wide, array.NewSlice(wide, 0, 0), array.NewSlice(wide, 1, 2)},
		ArrowOptions{Shape: []int{1, 2}}, nil)
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, []float32{0, 0.25, 0.5, 1, 0.5, 1}, d.store.f32)
	assert.EqualValues(t, 24, d.Info().BytesCopied)
	assert.Equal(t, "joined 2 arrays, converted from float64 to float32", d.Info().Why)

	narrow := wrap(float32s(0, 1), 2)
	kept, err := FromArrow(plainField(narrow), []arrow.Array{narrow}, ArrowOptions{Shape: []int{1, 2}}, nil)
	require.NoError(t, err)
	defer kept.Close()
	assert.Zero(t, kept.Info().BytesCopied)
}

func TestArrowRecords(t *testing.T) {
	images := wrap(uint8s(count(12)...), 2, 2)
	labels := int64s(3, 0, 1)
	schema := arrow.NewSchema([]arrow.Field{
		{
			Name: "id",
			Type: labels.DataType(),
		},
		{Name: "image", Type: images.DataType()},
		{Name: "label", Type: labels.DataType()},
	}, nil)
	batch := array.NewRecordBatch(schema, []arrow.Array{labels, images, labels}, 3)
	for _, c := range []struct {
		batches []arrow.RecordBatch
		labels  []int32
		copied  int64
	}{
		{[]arrow.RecordBatch{batch}, []int32{3, 0, 1}, 0},
		{[]arrow.RecordBatch{batch, batch.NewSlice(1, 3)}, []int32{3, 0, 1, 0, 1}, 20},
		{[]arrow.RecordBatch{batch.NewSlice(2, 3)}, []int32{1}, 0},
	} {
		released := 0
		d, err := FromRecords(schema, c.batches, ArrowOptions{}, func() { released++ })
		require.NoError(t, err)
		assert.Equal(t, c.labels, d.Labels())
		assert.Equal(t, c.copied, d.Info().BytesCopied)
		last := len(c.labels) - 1
		assert.Equal(t, []float32{8.0 / 255, 9.0 / 255, 10.0 / 255, 11.0 / 255}, d.Image(last))
		d.Close()
		assert.Equal(t, 1, released)
	}
	d, err := FromRecords(schema, []arrow.RecordBatch{batch},
		ArrowOptions{ImageColumn: "image", LabelColumn: "id", ClassNames: []string{"a", "b", "c", "d"}}, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c", "d"}, d.ClassNames())
	d.Close()
}

// The stream that the C interface exports has the class names in the metadata of its labels.
func TestNamesInMetadata(t *testing.T) {
	images, labels := wrap(uint8s(count(8)...), 2, 2), int64s(2, 0)
	read := func(text string, given ...string) ([]string, error) {
		schema := arrow.NewSchema([]arrow.Field{
			{Name: "image", Type: images.DataType()},
			{Name: "label", Type: labels.DataType(), Metadata: arrow.NewMetadata([]string{MetadataNames}, []string{text})},
		}, nil)
		batch := array.NewRecordBatch(schema, []arrow.Array{images, labels}, 2)
		d, err := FromRecords(schema, []arrow.RecordBatch{batch}, ArrowOptions{ClassNames: given}, nil)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.ClassNames(), nil
	}
	names, err := read(`["cat","dog","emu"]`)
	require.NoError(t, err)
	assert.Equal(t, []string{"cat", "dog", "emu"}, names)
	names, err = read(`["cat","dog","emu"]`, "x", "y", "z")
	require.NoError(t, err)
	assert.Equal(t, []string{"x", "y", "z"}, names)
	_, err = read(`["cat", null]`)
	require.ErrorContains(t, err, "want a JSON list of names")
	_, err = read(`{"cat": 0}`)
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, `govpn.class_names of column "label" is "{\"cat\": 0}", want a JSON list of names`)
}
