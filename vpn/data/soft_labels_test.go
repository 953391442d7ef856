package data

import (
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// softFour returns 4 images of shape (1, 2, 1), [0 1] [2 3] [4 5] [6 7], with probabilities of two
// classes.
func softFour(t *testing.T) *Dataset {
	d, err := FromUint8(count(8), 4, 1, 2, 1,
		Options{SoftLabels: []float32{0.25, 0.75, 1, 0, 0.5, 0.5, 0, 1}, ClassNames: []string{"a", "b"}})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

func TestSoftLabels(t *testing.T) {
	d := softFour(t)
	assert.Equal(t, []int32{1, 0, 0, 1}, d.Labels(), "the largest, of equal ones the first")
	assert.Equal(t, 2, d.Classes())
	assert.True(t, d.Info().SoftLabels)
	assert.Zero(t, d.Info().BytesCopied)

	s, err := d.Subset([]int32{3, 0, 0})
	require.NoError(t, err)
	defer s.Close()
	again, err := s.Subset([]int32{1})
	require.NoError(t, err)
	defer again.Close()
	shared, err := again.Share()
	require.NoError(t, err)
	defer shared.Close()
	assert.Equal(t, []float32{0, 1, 0.25, 0.75, 0.25, 0.75}, s.SoftLabels())
	assert.Equal(t, []float32{0.25, 0.75}, shared.SoftLabels())
	assert.Equal(t, []int32{1}, shared.Labels())

	hard, err := d.WithLabels([]int32{0, 1, 2, 0}, nil)
	require.NoError(t, err)
	defer hard.Close()
	assert.Nil(t, hard.SoftLabels())
	assert.False(t, hard.Info().SoftLabels)
}

// Probabilities stay with their images. Images are split in proportion to their most probable
// classes.
func TestSplitOfSoftLabels(t *testing.T) {
	var rows []float32
	for i := range 40 { // image i holds the values 4i to 4i+3; its probabilities identify it too
		p := float32(i) / 64
		rows = append(rows, p, 1-p)
	}
	d, err := FromUint8(count(160), 40, 2, 2, 1, Options{SoftLabels: rows})
	require.NoError(t, err)
	defer d.Close()
	a, b, err := Split(d, 10, 3)
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	assert.Equal(t, []int{2, 8}, perClass(a)) // 8 of 40 images have p > 0.5, so 2 of 10
	for _, part := range []*Dataset{a, b} {
		for i, image := range part.Indices() {
			assert.Equal(t, []float32{float32(image) / 64, 1 - float32(image)/64}, part.SoftLabels()[2*i:2*i+2])
		}
	}
}

// Rows whose sum is within 0.001 of 1 are divided by it, in a copy. Rows whose sum is 1 stay in
// place.
func TestSoftLabelsAreNormalised(t *testing.T) {
	d := softFour(t)
	exact := []float32{0.3, 0.7, 0.1, 0.9, 0.6, 0.4, 1, 0} // sums are 1 up to rounding
	kept, err := d.WithSoftLabels(exact, nil)
	require.NoError(t, err)
	defer kept.Close()
	assert.Same(t, &exact[0], &kept.SoftLabels()[0])

	given := []float32{0.3, 0.7, 0.3, 0.7005, 0, 0.9992, 0.5, 0.5}
	v, err := d.WithSoftLabels(given, nil)
	require.NoError(t, err)
	defer v.Close()
	assert.InDeltaSlice(t, []float32{0.3, 0.7, 0.3 / 1.0005, 0.7005 / 1.0005, 0, 1, 0.5, 0.5}, v.SoftLabels(), 1e-7)
	assert.Equal(t, []float32{0.3, 0.7, 0.3, 0.7005, 0, 0.9992, 0.5, 0.5}, given, "the caller's are not written")
	twice, err := d.WithSoftLabels(v.SoftLabels(), nil)
	require.NoError(t, err)
	defer twice.Close()
	assert.Same(t, &v.SoftLabels()[0], &twice.SoftLabels()[0])
}

func TestSoftLabelsRefused(t *testing.T) {
	d := softFour(t)
	soft := func(rows []float32, names ...string) error { _, err := d.WithSoftLabels(rows, names); return err }
	changed := func(at int, v float32) []float32 {
		rows := slices.Clone(d.SoftLabels())
		rows[at] = v
		return rows
	}
	_, both := FromUint8(count(8), 4, 1, 2, 1, Options{Labels: []int32{0, 1, 0, 0}, SoftLabels: d.SoftLabels()})
	for want, err := range map[string]error{
		"labels[1, 0] is -0.25, want a probability: 0 or more":                                  soft(changed(2, -0.25)),
		"labels[1, 1] is NaN, want a probability: 0 or more":                                    soft(changed(3, float32(math.NaN()))),
		"labels[2] has the sum 0.9, want probabilities of sum 1 (up to 0.001)":                  soft(changed(4, 0.4)),
		"labels[2] has the sum 1.002, want probabilities of sum 1 (up to 0.001)":                soft(changed(4, 0.502)),
		"soft labels have 7 values, want the probabilities of every class for each of 4 images": soft(d.SoftLabels()[1:]),
		"soft labels have 0 values, want the probabilities of every class for each of 4 images": soft(nil),
		"the number of classes of the soft labels is 1, want 2..65536":                          soft([]float32{1, 1, 1, 1}),
		"class_names has 3 names, want 2: one for each class of the soft labels":                soft(d.SoftLabels(), "a", "b", "c"),
		`class_names[1] is "a", as class_names[0] is: want a name of its own for each class`:    soft(d.SoftLabels(), "a", "a"),
		"Labels and SoftLabels are both given, want one of them":                                both,
	} {
		assert.EqualError(t, err, "data: "+want)
		assert.ErrorIs(t, err, ErrArgument)
	}
}

func float64s(values ...float64) arrow.Array {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

// Lists of float32 or float64 are probabilities: in a column, or as labels on their own, in slices
// and in several arrays.
func TestArrowSoftLabels(t *testing.T) {
	images := wrap(uint8s(count(12)...), 2, 2)
	rows := []float32{0.25, 0.75, 1, 0, 0.5, 0.5}
	for _, labels := range []arrow.Array{wrap(float32s(rows...), 2), wrap(float64s(0.25, 0.75, 1, 0, 0.5, 0.5), 2)} {
		schema := arrow.NewSchema(
			[]arrow.Field{{Name: "image", Type: images.DataType()}, {Name: "label", Type: labels.DataType()}}, nil)
		batch := array.NewRecordBatch(schema, []arrow.Array{images, labels}, 3)
		d, err := FromRecords(schema, []arrow.RecordBatch{batch, batch.NewSlice(1, 3)},
			ArrowOptions{ClassNames: []string{"cat", "dog"}}, nil)
		require.NoError(t, err)
		assert.Equal(t, append(slices.Clone(rows), rows[2:]...), d.SoftLabels())
		assert.Equal(t, []int32{1, 0, 0, 0, 0}, d.Labels())
		assert.Equal(t, []string{"cat", "dog"}, d.ClassNames())
		two, err := d.Subset([]int32{0, 1})
		require.NoError(t, err)
		v, err := two.WithArrowLabels(array.NewSlice(labels, 1, 3), nil)
		require.NoError(t, err)
		assert.Equal(t, rows[2:], v.SoftLabels())
		hard, err := two.WithArrowLabels(int64s(4, 0), nil)
		require.NoError(t, err)
		assert.Equal(t, []int32{4, 0}, hard.Labels())
		assert.Nil(t, hard.SoftLabels())
		for _, d := range []*Dataset{d, two, v, hard} {
			d.Close()
		}
	}
}

func TestArrowSoftLabelsRefused(t *testing.T) {
	d := softFour(t)
	b := array.NewFixedSizeListBuilder(memory.DefaultAllocator, 2, arrow.PrimitiveTypes.Float32)
	b.AppendNull()
	null := b.NewArray()
	short := array.NewFixedSizeListData(
		array.NewData(arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float32), 4, []*memory.Buffer{nil},
			[]arrow.ArrayData{float32s(1, 0, 1).Data()}, 0, 0),
	)
	for want, labels := range map[string]arrow.Array{
		"labels[0] is null or has a null, want no nulls":               null,
		"labels needs 4 × 2 values, its child array holds 3":           short,
		"the number of classes of the soft labels is 1, want 2..65536": wrap(float32s(1, 1, 1, 1), 1),
		"labels[3] has the sum 0, want probabilities of sum 1":         wrap(float64s(1, 0, 1, 0, 1, 0, 0, 0), 2),
		"want integers or a dictionary of class names: convert":        wrap(int64s(1, 0, 1, 0, 1, 0, 0, 1), 2),
		"soft labels have 2 values, want the probabilities of ever":    wrap(float32s(1, 0), 2),
	} {
		_, err := d.WithArrowLabels(labels, nil)
		assert.ErrorContains(t, err, want)
		assert.ErrorIs(t, err, ErrArgument)
	}
	// files hold classes only
	image := binaries([]byte("a"), []byte("b"))
	path := fuzzed(t, "x.arrow", arrowStream([]string{"image", "label"}, image, wrap(float32s(1, 0, 0, 1), 2)))
	_, err := openTable(path)
	assert.ErrorContains(t, err, "labels has type fixed_size_list<item: float32, nullable>[2], want integers")
}
