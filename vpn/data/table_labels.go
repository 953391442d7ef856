package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// noLabel stands for an unknown label. If all labels are unknown, as in Hugging Face's test sets,
// the set is unlabelled.
const noLabel = -1

// addName adds a label that is a string. Strings are numbered in order of first use; sortNames
// numbers them anew when all are known.
func (t *table) addName(name string) error {
	if t.fixed {
		if t.numberOf == nil {
			t.numberOf = map[string]int32{}
			for i, n := range t.names {
				t.numberOf[n] = int32(i)
			}
		}
		i, ok := t.numberOf[name]
		if !ok {
			return fmt.Errorf("row %d has the class %.100q, want one of class_names", len(t.fileLabels), name)
		}
		t.fileLabels = append(t.fileLabels, i)
		return nil
	}
	if len(t.names) > 0 {
		return errLabelKinds
	}
	if t.strings == nil {
		t.strings = map[string]int32{}
	}
	i, ok := t.strings[name]
	if !ok {
		if len(t.strings) == MaxClasses {
			return fmt.Errorf("has more than %d different labels", MaxClasses)
		}
		i = int32(len(t.strings))
		t.strings[strings.Clone(name)] = i
	}
	t.fileLabels = append(t.fileLabels, i)
	return nil
}

var errLabelKinds = errors.New("has labels of another type than the file before it")

// huggingFaceNames takes the class names from the schema's metadata, as Hugging Face's datasets
// writes them: {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}.
func (t *table) huggingFaceNames(metadata, column string) error {
	var schema struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	var feature struct {
		Type  string    `json:"_type"`
		Names []*string `json:"names"`
	}
	if json.Unmarshal([]byte(metadata), &schema) != nil ||
		json.Unmarshal(schema.Info.Features[column], &feature) != nil ||
		feature.Type != "ClassLabel" || len(t.options.ClassNames) > 0 {
		return nil
	}
	names, ok := texts(feature.Names)
	if !ok { // Python takes such a list as none, too
		return nil
	}
	if len(names) > MaxClasses {
		return fmt.Errorf("has %d class names, want at most %d", len(names), MaxClasses)
	}
	if len(t.files) > 1 && !slices.Equal(t.names, names) {
		return errors.New("has other class names than the file before it")
	}
	t.numberOf = nil
	t.names, t.fixed = names, len(names) > 0
	return nil
}

// sortNames numbers the classes anew, in the sorted order of their names.
func (t *table) sortNames() {
	names := make([]string, len(t.strings))
	for name, i := range t.strings {
		names[i] = name
	}
	t.names = slices.Sorted(slices.Values(names))
	number := make([]int32, len(names))
	for i, name := range names {
		k, _ := slices.BinarySearch(t.names, name)
		number[i] = int32(k)
	}
	for i, label := range t.labels {
		t.labels[i] = number[label]
	}
}
