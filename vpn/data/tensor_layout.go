package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// layout says how one image lies in memory. dims are its physical dimensions, outermost first. axes
// are the physical dimensions of height, width and channels. If there is no dimension of channels,
// it is physical dimension 2, of size 1.
type layout struct {
	dims [3]int
	axes [3]int
}

// shape returns the image's (height, width, channels).
func (l layout) shape() [3]int {
	return [3]int{l.dims[l.axes[0]], l.dims[l.axes[1]], l.dims[l.axes[2]]}
}

// inOrder reports whether memory is in the order (height, width, channels) already. Dimensions of
// size 1 do not matter.
func (l layout) inOrder() bool {
	var order []int
	for _, axis := range l.axes {
		if l.dims[axis] > 1 {
			order = append(order, axis)
		}
	}
	return slices.IsSorted(order)
}

// tensorMetadata is the JSON metadata of Arrow's fixed_shape_tensor:
// arrow.apache.org/docs/format/CanonicalExtensions.html#fixed-shape-tensor.
type tensorMetadata struct {
	Shape       []int    // of the physical dimensions
	DimNames    []string // of the physical dimensions
	Permutation []int    // logical dimension i is physical dimension permutation[i]
}

// parseTensor reads and checks the metadata of a fixed_shape_tensor.
func parseTensor(text string) (tensorMetadata, error) {
	m, err := decodeTensor(text)
	if err != nil {
		return m, argErrorf("images has fixed_shape_tensor metadata %.200q: %w", text, err)
	}
	rank := len(m.Shape)
	if rank < 1 || rank > 3 || slices.Min(m.Shape) < 1 {
		return m, argErrorf("images has fixed_shape_tensor shape %v, want (H, W, C) or (H, W), each at least 1",
			m.Shape)
	}
	if m.DimNames != nil && len(m.DimNames) != rank {
		return m, argErrorf("images has fixed_shape_tensor dim_names %q, want %d names", m.DimNames, rank)
	}
	if m.Permutation != nil {
		if sorted := slices.Sorted(slices.Values(m.Permutation)); !slices.Equal(sorted, []int{0, 1, 2}[:rank]) {
			return m, argErrorf("images has fixed_shape_tensor permutation %v, want an order of 0..%d", m.Permutation,
				rank-1)
		}
	}
	return m, nil
}

// decodeTensor reads the JSON of a tensorMetadata. It is stricter than encoding/json: keys must be
// written as specified, no key may occur twice, and no number may be null.
func decodeTensor(text string) (m tensorMetadata, err error) {
	all, err := jsonObject(text)
	if err != nil {
		return m, err
	}
	if m.Shape, err = jsonNumbers(all, "shape"); err != nil {
		return m, err
	}
	if m.Permutation, err = jsonNumbers(all, "permutation"); err != nil {
		return m, err
	}
	other, err := jsonNumbers(all, "permutations") // arrow-rs calls it so
	if err != nil {
		return m, err
	}
	if m.Permutation != nil && other != nil && !slices.Equal(m.Permutation, other) {
		return m, fmt.Errorf("permutation is %v and permutations %v", m.Permutation, other)
	}
	if m.Permutation == nil {
		m.Permutation = other
	}
	if names, ok := all["dim_names"]; ok {
		err = json.Unmarshal(names, &m.DimNames)
	}
	return m, err
}

// jsonObject reads a JSON object.
func jsonObject(text string) (map[string]json.RawMessage, error) {
	if !json.Valid([]byte(text)) {
		var v any
		return nil, json.Unmarshal([]byte(text), &v) // returns the syntax error
	}
	d := json.NewDecoder(strings.NewReader(text))
	if start, _ := d.Token(); start != json.Delim('{') {
		return nil, errors.New("want an object")
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		key, _ := d.Token()
		if _, twice := all[key.(string)]; twice {
			return nil, fmt.Errorf("%q is twice there", key)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		all[key.(string)] = value
	}
	return all, nil
}

// jsonNumbers reads a list of whole numbers. It returns nil if the list is missing or null.
func jsonNumbers(all map[string]json.RawMessage, key string) ([]int, error) {
	var list []*int
	if raw, ok := all[key]; ok {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("%s is %s, want whole numbers", key, raw)
		}
	}
	if list == nil {
		return nil, nil
	}
	values := make([]int, len(list))
	for i, v := range list {
		if v == nil {
			return nil, fmt.Errorf("%s is %s, want whole numbers", key, all[key])
		}
		values[i] = *v
	}
	return values, nil
}

// layout decides which physical dimension is which. want is the shape that the caller asks for: (H,
// W, C), (H, W) or empty.
func (m tensorMetadata) layout(want []int) (layout, error) {
	if len(m.Shape) == 1 {
		return flatLayout(m.Shape[0], want)
	}
	readings := m.readings()
	if len(want) == 0 {
		return readings[0], nil
	}
	for _, l := range readings {
		if l.shape() == shape3(want) {
			return l, nil
		}
	}
	return layout{}, argErrorf("images has shape %v, want %v as the option shape says", readings[0].shape(),
		shape3(want))
}

// readings returns the layouts that the metadata can mean, the likeliest first.
//
// Dimensions named height, width and channels decide; otherwise the permutation does. A cyclic
// permutation has two readings: the specification's, and the inverse, which pyarrow's
// from_numpy_ndarray writes (seen in version 26). The likelier one has fewer channels. If both have
// as many, it is the specification's.
func (m tensorMetadata) readings() []layout {
	if axes := namedAxes(m.DimNames); axes != nil {
		return []layout{m.reading(axes)}
	}
	if m.Permutation == nil {
		return []layout{m.reading([]int{0, 1, 2})}
	}
	inverse := make([]int, len(m.Permutation))
	for i, axis := range m.Permutation {
		inverse[axis] = i
	}
	specified, inverted := m.reading(m.Permutation), m.reading(inverse)
	if inverted.shape()[2] < specified.shape()[2] {
		return []layout{inverted, specified}
	}
	return []layout{specified, inverted}
}

// reading returns the layout whose height, width and channels are these physical dimensions.
func (m tensorMetadata) reading(axes []int) layout {
	l := layout{dims: shape3(m.Shape), axes: [3]int{0, 1, 2}}
	copy(l.axes[:], axes)
	return l
}

// axisOf maps the names of dimensions to 0, 1, 2: height, width, channels.
var axisOf = map[string]int{"h": 0, "height": 0, "w": 1, "width": 1, "c": 2, "channel": 2, "channels": 2}

// namedAxes returns the physical dimensions of height, width and channels, or nil if the names do
// not tell.
func namedAxes(names []string) []int {
	axes := make([]int, len(names))
	seen := 0
	for i, name := range names {
		axis, ok := axisOf[strings.ToLower(name)]
		if !ok || axis >= len(names) {
			return nil
		}
		axes[axis] = i
		seen |= 1 << axis
	}
	if len(names) == 0 || seen != 1<<len(names)-1 {
		return nil
	}
	return axes
}

// flatLayout returns the layout of images that are flat lists of size values, in the order of the
// shape want.
func flatLayout(size int, want []int) (layout, error) {
	if len(want) == 0 {
		return layout{}, argErrorf("images are lists of %d values: the option shape is needed, (H, W, C) or (H, W)",
			size)
	}
	dims := shape3(want)
	if dims[0]*dims[1]*dims[2] != size {
		return layout{}, argErrorf("shape is %v, which has %d values, want %d: the list size of images", want,
			dims[0]*dims[1]*dims[2], size)
	}
	return layout{dims: dims, axes: [3]int{0, 1, 2}}, nil
}

// checkWanted checks the option shape. It may be empty.
func checkWanted(want []int) error {
	if len(want) == 0 {
		return nil
	}
	for _, dim := range want {
		if dim < 1 || dim > maxImageSide {
			return argErrorf("shape is %v, want each dimension in 1..%d", want, maxImageSide)
		}
	}
	if len(want) != 2 && len(want) != 3 {
		return argErrorf("shape is %v, want (H, W, C) or (H, W)", want)
	}
	return nil
}

// maxImageSide is the largest dimension in the option shape: the product of three fits an int.
const maxImageSide = 1 << 20

// shape3 returns a shape (H, W) or (H, W, C) as (H, W, C).
func shape3(dims []int) [3]int {
	shape := [3]int{1, 1, 1}
	copy(shape[:], dims)
	return shape
}

type pixelValue interface{ uint8 | float32 | float64 }

// reorder writes images of layout l to dst in the order (N, H, W, C), and converts the values.
func reorder[D, S pixelValue](dst []D, src []S, l layout) {
	stride := [3]int{l.dims[1] * l.dims[2], l.dims[2], 1} // of the physical dimensions
	shape := l.shape()
	sh, sw, sc := stride[l.axes[0]], stride[l.axes[1]], stride[l.axes[2]]
	size, k := shape[0]*shape[1]*shape[2], 0
	for base := 0; base < len(src); base += size {
		for y := range shape[0] {
			for x := range shape[1] {
				for c := range shape[2] {
					dst[k] = D(src[base+y*sh+x*sw+c*sc])
					k++
				}
			}
		}
	}
}
