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

// A weight stays with its image in every view and under other labels. nil removes the weights.
func TestWeights(t *testing.T) {
	d := softFour(t)
	assert.False(t, d.Info().Weighted)
	given := []float32{1, 0, 2.5, 3}
	w, err := d.WithWeights(given)
	require.NoError(t, err)
	defer w.Close()
	assert.Same(t, &given[0], &w.Weights()[0], "kept")
	assert.True(t, w.Info().Weighted)
	assert.Equal(t, d.SoftLabels(), w.SoftLabels())
	assert.Equal(t, []string{"a", "b"}, w.ClassNames())
	assert.Nil(t, d.Weights())

	s, err := w.Subset([]int32{3, 0, 0})
	require.NoError(t, err)
	defer s.Close()
	again, err := s.Subset([]int32{1})
	require.NoError(t, err)
	defer again.Close()
	assert.Equal(t, []float32{3, 1, 1}, s.Weights())
	assert.Equal(t, []float32{1}, again.Weights())

	hard, err := w.WithLabels([]int32{0, 1, 1, 0}, nil)
	require.NoError(t, err)
	defer hard.Close()
	soft, err := hard.WithSoftLabels(d.SoftLabels(), nil)
	require.NoError(t, err)
	defer soft.Close()
	shared, err := soft.Share()
	require.NoError(t, err)
	defer shared.Close()
	assert.Equal(t, given, hard.Weights())
	assert.Equal(t, given, shared.Weights())

	none, err := shared.WithWeights(nil)
	require.NoError(t, err)
	defer none.Close()
	assert.Nil(t, none.Weights())
	assert.False(t, none.Info().Weighted)
}

func TestSplitOfWeights(t *testing.T) {
	labels, weights := make([]int32, 40), make([]float32, 40)
	for i := range weights {
		labels[i], weights[i] = int32(i%4), float32(i+1) // the weight identifies the image
	}
	d, err := FromUint8(count(160), 40, 2, 2, 1, Options{Labels: labels})
	require.NoError(t, err)
	defer d.Close()
	w, err := d.WithWeights(weights)
	require.NoError(t, err)
	defer w.Close()
	a, b, err := Split(w, 10, 3)
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	for _, part := range []*Dataset{a, b} {
		require.Len(t, part.Weights(), part.Len())
		for i, image := range part.Indices() {
			assert.Equal(t, float32(image+1), part.Weights()[i])
		}
	}
}

// The weights are copied: the array's memory may be freed. A slice of an array starts at its
// offset.
func TestArrowWeights(t *testing.T) {
	d := softFour(t)
	given := float32s(9, 1, 0, 2.5, 3).(*array.Float32)
	w, err := d.WithArrowWeights(array.NewSlice(given, 1, 5))
	require.NoError(t, err)
	defer w.Close()
	given.Float32Values()[1] = 7
	assert.Equal(t, []float32{1, 0, 2.5, 3}, w.Weights())
	_, err = WeightColumns(arrow.Field{Type: given.DataType()})
	require.NoError(t, err)
}

func TestWeightsRefused(t *testing.T) {
	d := softFour(t)
	b := array.NewFloat32Builder(memory.DefaultAllocator)
	b.AppendValues([]float32{1, 1, 1, 1}, []bool{true, true, false, true})
	_, column := WeightColumns(arrow.Field{Type: arrow.FixedSizeListOf(1, arrow.PrimitiveTypes.Float32)})
	of := func(weights ...float32) error { _, err := d.WithWeights(append([]float32{}, weights...)); return err }
	from := func(weights arrow.Array) error { _, err := d.WithArrowWeights(weights); return err }
	for want, err := range map[string]error{
		"weights has 3 values, want 4: one per image":                                of(1, 1, 1),
		"weights has 0 values, want 4: one per image":                                of(),
		"weights has 5 values, want 4: one per image":                                from(float32s(1, 1, 1, 1, 1)),
		"weights[2] is -0.5, want a finite number, 0 or more":                        of(1, 0, -0.5, 1),
		"weights[1] is NaN, want a finite number, 0 or more":                         of(1, float32(math.NaN()), 1, 1),
		"weights[3] is +Inf, want a finite number, 0 or more":                        of(1, 1, 1, float32(math.Inf(1))),
		"weights are all 0, want at least one above 0":                               of(0, 0, 0, 0),
		"weights has type float64, want float32":                                     from(float64s(1, 1, 1, 1)),
		"weights has type int64, want float32":                                       from(int64s(1, 1, 1, 1)),
		"weights has type fixed_size_list<item: float32, nullable>[1], want float32": column,
		"weights[2] is null or has a null, want no nulls":                            from(b.NewArray()),
	} {
		assert.EqualError(t, err, "data: "+want)
		assert.ErrorIs(t, err, ErrArgument)
	}
}
