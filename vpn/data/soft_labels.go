package data

import (
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Soft labels are the probabilities of an image's classes, used in place of one class. They come
// from a teacher model, from several annotators, or from mixed images.
const (
	softTolerance  = 1e-3 // how far the sum of an image's probabilities may be from 1
	roundTolerance = 1e-6 // how far float32 rounding moves it; beyond that, probabilities are divided by their sum
)

// SoftLabels returns the probabilities of this view's images, in order: (N, K), row-major, with K =
// [Dataset.Classes]. Each row has the sum 1. It returns nil if the labels are classes, or if there
// are none. They must not be changed.
//
// With soft labels, [Dataset.Labels] holds the most probable class of each image (the first, if
// several are). Everything except training uses those.
func (d *Dataset) SoftLabels() []float32 { return d.soft }

// WithSoftLabels returns a view of the same images with probabilities in place of classes: see
// [Options].SoftLabels. If class names are given, there must be one for each class.
func (d *Dataset) WithSoftLabels(probabilities []float32, names []string) (*Dataset, error) {
	v := &Dataset{store: d.store, indices: d.indices, weights: d.weights}
	if err := v.setSoftLabels(probabilities, names, d.Len()); err != nil {
		return nil, err
	}
	return d.attach(v)
}

// WithArrowLabels returns a view of the same images with the labels in an array. They are classes,
// as [ArrowLabels] reads them, or FixedSizeLists of float32 or float64, which are probabilities.
func (d *Dataset) WithArrowLabels(labels arrow.Array, names []string) (*Dataset, error) {
	var o Options
	if err := o.setArrowLabels(labels.DataType(), []arrow.Array{labels}, names); err != nil {
		return nil, err
	}
	if o.SoftLabels != nil {
		return d.WithSoftLabels(o.SoftLabels, o.ClassNames)
	}
	return d.WithLabels(o.Labels, o.ClassNames)
}

// setSoftLabels checks and sets the probabilities of a view of n images.
func (d *Dataset) setSoftLabels(probabilities []float32, names []string, n int) error {
	if len(probabilities)%n != 0 || len(probabilities) == 0 {
		return argErrorf("soft labels have %d values, want the probabilities of every class for each of %d images",
			len(probabilities), n)
	}
	k := len(probabilities) / n
	if k < 2 || k > MaxClasses {
		return argErrorf("the number of classes of the soft labels is %d, want 2..%d", k, MaxClasses)
	}
	if len(names) > 0 && len(names) != k {
		return argErrorf("class_names has %d names, want %d: one for each class of the soft labels", len(names), k)
	}
	probabilities, err := normalised(probabilities, k)
	if err != nil {
		return err
	}
	labels := make([]int32, n)
	for i := range labels {
		row := probabilities[i*k : (i+1)*k]
		labels[i] = int32(slices.Index(row, slices.Max(row)))
	}
	if err := d.setLabels(labels, names, n); err != nil {
		return err
	}
	d.soft, d.classes = probabilities, k
	return nil
}

// normalised returns probabilities, k per image, with sums of 1. It returns the slice itself if
// that is true already, up to rounding. Otherwise it returns a copy.
func normalised(probabilities []float32, k int) ([]float32, error) {
	given := probabilities
	for at := 0; at < len(given); at += k {
		row, sum := given[at:at+k], 0.
		for j, p := range row {
			if v := float64(p); !(v >= 0) || math.IsInf(v, 1) {
				return nil, argErrorf("labels[%d, %d] is %v, want a probability: 0 or more", at/k, j, p)
			}
			sum += float64(p)
		}
		if math.Abs(sum-1) > softTolerance {
			return nil, argErrorf("labels[%d] has the sum %.6g, want probabilities of sum 1 (up to %g)", at/k, sum,
				softTolerance)
		}
		if math.Abs(sum-1) <= roundTolerance {
			continue
		}
		if &probabilities[0] == &given[0] {
			var err error
			if probabilities, err = newSoftLabels(len(given)/k, k); err != nil {
				return nil, err
			}
			copy(probabilities, given)
		}
		for j, p := range row {
			probabilities[at+j] = float32(float64(p) / sum)
		}
	}
	return probabilities, nil
}

// newSoftLabels allocates the probabilities of n images, or fails if there is too little memory.
func newSoftLabels(n, k int) ([]float32, error) {
	if have := AvailableMemory(); int64(n) > have/4/int64(k) {
		return nil, Errorf(ErrMemory,
			"data: soft labels of %d classes for %d images need %.1f GiB, %.1f GiB are available", k, n,
			float64(n)*float64(k)*4/(1<<30), float64(have)/(1<<30))
	}
	return make([]float32, n*k), nil
}

// softLabelsOf returns the probabilities of the images with these indices, which must be valid.
func (d *Dataset) softLabelsOf(indices []int32) (probabilities []float32, err error) {
	if d.soft == nil {
		return nil, nil
	}
	k := d.classes
	if probabilities, err = newSoftLabels(len(indices), k); err != nil {
		return nil, err
	}
	for i, from := range indices {
		copy(probabilities[i*k:(i+1)*k], d.soft[int(from)*k:])
	}
	return probabilities, nil
}

// softType reports whether labels of type t are probabilities.
func softType(t arrow.DataType) bool {
	list, ok := t.(*arrow.FixedSizeListType)
	return ok && list.Len() > 0 && (list.Elem().ID() == arrow.FLOAT32 || list.Elem().ID() == arrow.FLOAT64)
}

// checkAnyLabelType returns an error if type t is neither one of classes nor one of probabilities.
func checkAnyLabelType(t arrow.DataType) error {
	if softType(t) {
		return nil
	}
	return checkLabelType(t)
}

// setArrowLabels sets the labels and class names from arrays of type t.
func (o *Options) setArrowLabels(t arrow.DataType, arrays []arrow.Array, names []string) (err error) {
	if !softType(t) {
		o.Labels, o.ClassNames, err = ArrowLabels(t, arrays, names)
		return err
	}
	o.ClassNames = slices.Clone(names)
	list := t.(*arrow.FixedSizeListType)
	n, first := 0, 0
	for _, a := range arrays {
		n += a.Len()
	}
	if o.SoftLabels, err = newSoftLabels(n, int(list.Len())); err != nil {
		return err
	}
	to := o.SoftLabels[:0]
	for _, a := range arrays {
		if a.Len() == 0 {
			continue
		}
		if list.Elem().ID() == arrow.FLOAT32 {
			to, err = appendSoft[float32](to, a.(*array.FixedSizeList), first)
		} else {
			to, err = appendSoft[float64](to, a.(*array.FixedSizeList), first)
		}
		if err != nil {
			return err
		}
		first += a.Len()
	}
	return nil
}

// appendSoft appends the values of an array of lists. Error messages call its first image `first`.
func appendSoft[S float32 | float64](to []float32, a *array.FixedSizeList, first int) ([]float32, error) {
	from, err := values[S]("labels", a, first)
	if err != nil {
		return nil, err
	}
	for _, p := range from {
		to = append(to, float32(p))
	}
	return to, nil
}
