package data

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Split returns two views of d, each in d's order: a has exactly `first` images, b has the rest. If
// d has labels, the split is stratified: each class is split in the same proportion, rounded by
// largest remainder. The same seed gives the same split on every machine.
func Split(d *Dataset, first int, seed uint64) (a, b *Dataset, err error) {
	n := d.Len()
	if first < 1 || first >= n {
		return nil, nil, argErrorf("first is %d, want 1..%d: both parts of %d images need at least 1", first, n-1, n)
	}
	groups := groupByLabel(d)
	quotas := apportion(groups, first, n)
	rng := rand.New(rand.NewPCG(seed, 0))
	var inA, inB []int32
	for k, group := range groups {
		rng.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
		inA = append(inA, group[:quotas[k]]...)
		inB = append(inB, group[quotas[k]:]...)
	}
	slices.Sort(inA)
	slices.Sort(inB)
	if a, err = d.Subset(inA); err != nil {
		return nil, nil, err
	}
	if b, err = d.Subset(inB); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// groupByLabel returns the indices of each class's images, or one group of all if unlabelled.
func groupByLabel(d *Dataset) [][]int32 {
	groups := make([][]int32, max(1, d.classes))
	for i := range d.Len() {
		k := int32(0)
		if d.labels != nil {
			k = d.labels[i]
		}
		groups[k] = append(groups[k], int32(i))
	}
	return groups
}

// apportion returns how many images of each group are among the `first` of n, in proportion to the
// sizes of the groups and rounded by largest remainder. Of equal remainders, the lower class comes
// first.
func apportion(groups [][]int32, first, n int) []int {
	quotas := make([]int, len(groups))
	order := make([]int, len(groups))
	left := first
	for k, group := range groups {
		quotas[k] = len(group) * first / n
		left -= quotas[k]
		order[k] = k
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(len(groups[j])*first%n, len(groups[i])*first%n)
	})
	for _, k := range order[:left] {
		quotas[k]++
	}
	return quotas
}
