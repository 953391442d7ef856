package data

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// labelled returns images with counts[k] of class k, in mixed order: class 0, 1, .., 0, 1, ..
func labelled(t *testing.T, counts ...int) *Dataset {
	var labels []int32
	for len(labels) < sum(counts) {
		for k := range counts {
			if have := len(
				slices.DeleteFunc(slices.Clone(labels), func(y int32) bool { return y != int32(k) })); have < counts[k] {
				labels = append(labels, int32(k))
			}
		}
	}
	d, err := FromUint8(make([]uint8, len(labels)), len(labels), 1, 1, 1, Options{Labels: labels})
	require.NoError(t, err)
	return d
}

func sum(counts []int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}

// perClass returns how many images of each class a view has.
func perClass(d *Dataset) []int {
	out := make([]int, d.Classes())
	for _, y := range d.Labels() {
		out[y]++
	}
	return out
}

func TestSplitIsStratified(t *testing.T) {
	for _, c := range []struct {
		counts []int
		first  int
		want   []int // by hand: proportional counts rounded down, then 1 more for the largest remainders
	}{
		{[]int{10, 10}, 10, []int{5, 5}},
		{[]int{6, 3, 1}, 5, []int{3, 2, 0}}, // 3, 1.5, 0.5: equal remainders, so the lower class gets 1 more
		{[]int{7, 2, 1}, 4, []int{3, 1, 0}}, // 2.8, 0.8, 0.4
		{[]int{1, 1, 1, 1}, 3, []int{1, 1, 1, 0}},
	} {
		d := labelled(t, c.counts...)
		a, b, err := Split(d, c.first, 1)
		require.NoError(t, err)
		assert.Equal(t, c.want, perClass(a), "%v", c.counts)
		assert.Equal(t, sum(c.counts)-c.first, b.Len())
		all := slices.Sorted(slices.Values(append(slices.Clone(a.Indices()), b.Indices()...)))
		for i, k := range all {
			require.EqualValues(t, i, k, "each image is in one part")
		}
		a.Close()
		b.Close()
		d.Close()
	}
}

func TestSplitFollowsTheSeed(t *testing.T) {
	d := labelled(t, 50, 50)
	defer d.Close()
	part := func(seed uint64) []int32 {
		a, b, err := Split(d, 30, seed)
		require.NoError(t, err)
		defer a.Close()
		defer b.Close()
		return a.Indices()
	}
	assert.Equal(t, part(7), part(7))
	assert.NotEqual(t, part(7), part(8))
}

func TestSplitWithoutLabels(t *testing.T) {
	d, err := FromUint8(count(10), 10, 1, 1, 1, Options{})
	require.NoError(t, err)
	a, b, err := Split(d, 3, 0)
	require.NoError(t, err)
	d.Close() // both views live on
	assert.Equal(t, []int{3, 7}, []int{a.Len(), b.Len()})
	assert.Nil(t, a.Labels())
	assert.NotNil(t, a.Image(0))
	a.Close()
	b.Close()
}
