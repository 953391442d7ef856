package data

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// ArrowLabels returns the labels in arrays of type t, joined in order, and the class names.
//
// Labels are integers of any width, at least 0, or dictionaries of strings. The strings are class
// names. If names are given, the strings must be among them and get their numbers. Otherwise
// classes are numbered in the order of the dictionaries.
func ArrowLabels(
	t arrow.DataType,
	arrays []arrow.Array,
	names []string,
) (labels []int32, classNames []string, err error) {
	if err := checkLabelType(t); err != nil {
		return nil, nil, err
	}
	labels = []int32{} // nil would mean unlabelled
	classNames = slices.Clone(names)
	for _, a := range arrays {
		first := len(labels)
		if k := firstNull(a, 0, a.Len()); k >= 0 {
			return nil, nil, argErrorf("labels[%d] is null, want no nulls", first+k)
		}
		dictionary, ok := a.(*array.Dictionary)
		if !ok {
			labels, err = appendIntegers(labels, a, 0, MaxClasses)
		} else if a.Len() > 0 {
			labels, classNames, err = appendDictionary(labels, dictionary, classNames, len(names) > 0)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return labels, classNames, nil
}

// LabelColumns checks that arrays of this field can be labels. It returns nil: there are no columns
// to choose from.
func LabelColumns(field arrow.Field) ([]int, error) { return nil, checkAnyLabelType(field.Type) }

// checkLabelType returns an error if arrays of type t cannot be labels.
func checkLabelType(t arrow.DataType) error {
	remedy := "convert them to an integer type"
	switch d, ok := t.(*arrow.DictionaryType); {
	case ok && !isString(d.ValueType.ID()):
		return argErrorf("labels is a dictionary of %s, want strings: decode it (pyarrow: dictionary_decode)",
			d.ValueType)
	case ok || arrow.IsInteger(t.ID()):
		return nil
	case arrow.IsBaseBinary(t.ID()) || t.ID() == arrow.STRING_VIEW:
		remedy = "encode them as a dictionary (pyarrow: dictionary_encode)"
	}
	return argErrorf("labels has type %s, want integers or a dictionary of class names: %s", t, remedy)
}

func isString(id arrow.Type) bool {
	return id == arrow.STRING || id == arrow.LARGE_STRING || id == arrow.STRING_VIEW
}

// appendIntegers appends the values of an integer array. Each must be in least..limit-1.
func appendIntegers(labels []int32, a arrow.Array, least, limit int) ([]int32, error) {
	switch a := a.(type) {
	case *array.Int8:
		return appendChecked(labels, a.Values(), least, limit)
	case *array.Int16:
		return appendChecked(labels, a.Values(), least, limit)
	case *array.Int32:
		return appendChecked(labels, a.Values(), least, limit)
	case *array.Int64:
		return appendChecked(labels, a.Values(), least, limit)
	case *array.Uint8:
		return appendChecked(labels, a.Values(), least, limit)
	case *array.Uint16:
		return appendChecked(labels, a.Values(), least, limit)
	case *array.Uint32:
		return appendChecked(labels, a.Values(), least, limit)
	case *array.Uint64:
		return appendChecked(labels, a.Values(), least, limit)
	}
	return nil, checkLabelType(a.DataType())
}

func appendChecked[T arrow.IntType | arrow.UintType](labels []int32, values []T, least, limit int) ([]int32, error) {
	first := len(labels)
	labels = slices.Grow(labels, len(values))
	for i, v := range values {
		if v < 0 && int64(v) < int64(least) || v >= 0 && uint64(v) >= uint64(limit) {
			return nil, argErrorf("labels[%d] is %d, want 0..%d", first+i, v, limit-1)
		}
		labels = append(labels, int32(v))
	}
	return labels, nil
}

// appendDictionary appends the class numbers of a dictionary array's values. A new class name gets
// the next number or, if fixed, is an error.
func appendDictionary(labels []int32, a *array.Dictionary, names []string, fixed bool) ([]int32, []string, error) {
	values, ok := a.Dictionary().(interface {
		arrow.Array
		Value(int) string
	})
	if !ok {
		return nil, nil, checkLabelType(a.DataType())
	}
	if k := firstNull(values, 0, values.Len()); k >= 0 {
		return nil, nil, argErrorf("entry %d of the dictionary of labels is null, want no nulls", k)
	}
	if values.Len() > MaxClasses {
		return nil, nil, argErrorf("the dictionary of labels has %d entries, want at most %d", values.Len(), MaxClasses)
	}
	numberOf := make(map[string]int32, len(names))
	for i, name := range names {
		numberOf[name] = int32(i)
	}
	class := make([]int32, values.Len()) // the class of each entry of the dictionary
	for i := range class {
		name := values.Value(i)
		number, known := numberOf[name]
		if !known && fixed {
			return nil, nil, argErrorf("labels has the class %q, want one of class_names", name)
		}
		if !known {
			number = int32(len(names))
			numberOf[string([]byte(name))] = number
			names = append(names, string([]byte(name))) // a copy: the array may be released before the names
		}
		class[i] = number
	}
	first := len(labels)
	labels, err := appendIntegers(labels, a.Indices(), 0, len(class))
	if err != nil {
		return nil, nil, err
	}
	for i, entry := range labels[first:] {
		labels[first+i] = class[entry]
	}
	return labels, names, nil
}
