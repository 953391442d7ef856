package vpn

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/safetensors"
	"github.com/govpn/govpn/vpn/method"
)

// In models of 0.1.0 these are labels of Python as text: whole numbers, floats and booleans.
var labelText = []*regexp.Regexp{
	regexp.MustCompile(`^-?\d+(\.\d+)?(e[+-]?\d+)?$`),
	regexp.MustCompile(`^(True|False)$`),
}

// namesOf returns the names of the classes, or nil if they have none.
//
// ClassNames of a model of 0.1.0 are no names if all of them are numbers or all are booleans. It put
// other text that reads like one into quotation marks.
func namesOf(c *Config) []string {
	if !isOf010(c) {
		return c.ClassNames
	}
	for _, label := range labelText {
		if !slices.ContainsFunc(c.ClassNames, func(name string) bool { return !label.MatchString(name) }) {
			return nil
		}
	}
	names := slices.Clone(c.ClassNames)
	for i, name := range names {
		if n := len(name); n > 1 && name[0] == '"' && name[n-1] == '"' {
			names[i] = name[1 : n-1]
		}
	}
	return names
}

// isOf010 says whether ClassNames are those of a model of 0.1.0, which may stand for labels.
func isOf010(c *Config) bool { return c.Labels != nil && c.Labels.DType == method.LabelsInNames }

func (m *Model) setNames(names []string) {
	m.state.Lock()
	defer m.state.Unlock()
	m.net.Config.ClassNames = names
}

// takeNames gives a model without class names those of its training set, if that has a name for
// every class. The function that it returns takes them back.
func (m *Model) takeNames(d *data.Dataset) (undo func()) {
	old := m.Config()
	if names := d.ClassNames(); len(old.ClassNames) == 0 && old.Labels == nil && len(names) == old.Classes {
		m.setNames(names)
	}
	return func() { m.setNames(old.ClassNames) }
}

// byName returns a view of a labelled data set whose labels are the model's classes. If both have
// class names, a class of the set is the model's class of the same name. Otherwise it is the class
// of the same number. A class that the model does not have is an error if an image is of it. name is
// what messages call the set.
func (m *Model) byName(d *data.Dataset, name string) (*data.Dataset, error) {
	want, names := namesOf(&m.net.Config), d.ClassNames()
	if len(want) == 0 || len(names) == 0 || slices.Equal(want, names) {
		return d.Share()
	}
	number := map[string]int32{}
	for i, class := range want {
		number[class] = int32(i)
	}
	classes := make([]int32, len(names)) // the model's, of every class of the set; -1 for none
	for i, class := range names {
		var ok bool
		if classes[i], ok = number[class]; !ok {
			classes[i] = -1
		}
	}
	if soft := d.SoftLabels(); soft != nil {
		columns, unknown := columnsOf(soft, classes, len(want))
		if unknown >= 0 {
			return nil, unknownClass(name, names[unknown], want)
		}
		return d.WithSoftLabels(columns, want)
	}
	labels := make([]int32, d.Len())
	for i, y := range d.Labels() {
		if labels[i] = classes[y]; labels[i] < 0 {
			return nil, unknownClass(name, names[y], want)
		}
	}
	return d.WithLabels(labels, want)
}

// columnsOf returns soft labels of k classes. Column j of the given ones becomes column classes[j].
// If a column with a probability above 0 has no class, unknown is its number; otherwise it is -1.
func columnsOf(soft []float32, classes []int32, k int) (columns []float32, unknown int) {
	n := len(classes)
	columns = make([]float32, len(soft)/n*k)
	for at, p := range soft {
		if class := classes[at%n]; class >= 0 {
			columns[at/n*k+int(class)] = p
		} else if p > 0 {
			return nil, at % n
		}
	}
	return columns, -1
}

func unknownClass(name, class string, want []string) error {
	return argumentError("%s has the class %q, want one of the model's classes %s", name, class, quoted(want))
}

// quoted lists the first ten names for messages.
func quoted(names []string) string {
	text := make([]string, 0, 11)
	for _, name := range names[:min(10, len(names))] {
		text = append(text, fmt.Sprintf("%q", name))
	}
	if len(names) > 10 {
		text = append(text, "…")
	}
	return strings.Join(text, ", ")
}

// namesIn returns the class names that the model has when it has taken the weights of a file: its own
// or, if it has none, those of the file. It is an error if they are the same in another order.
func (m *Model) namesIn(f *safetensors.File) (names []string, err error) {
	c := m.Config()
	text, ok := f.Metadata[data.MetadataNames]
	if !ok {
		return c.ClassNames, nil
	}
	if names, err = data.ParseClassNames(text); err != nil {
		return nil, formatError("%s in the metadata %w", data.MetadataNames, err)
	}
	own := namesOf(&c)
	if !slices.Equal(own, names) && slices.Equal(slices.Sorted(slices.Values(own)), slices.Sorted(slices.Values(names))) {
		return nil, argumentError("the weights are for the classes %s, in this order; the model has the order %s",
			quoted(names), quoted(own))
	}
	if len(c.ClassNames) > 0 || len(names) != c.Classes || isOf010(&c) {
		return c.ClassNames, nil // a generator alone may be of a model of other classes
	}
	c.ClassNames = names
	if err := c.Validate(); err != nil {
		return nil, formatError("%s in the metadata: %s", data.MetadataNames, strings.TrimPrefix(err.Error(), "vpn: "))
	}
	return names, nil
}
