package data

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// dataset makes a data set of a column of images.
func (c column) dataset(want []int, o Options) (*Dataset, error) {
	m, leaf, err := tensorType(c.field)
	if err != nil {
		return nil, err
	}
	l, err := m.layout(want)
	if err != nil {
		return nil, err
	}
	switch leaf.ID() {
	case arrow.UINT8:
		pixels, why, err := gather[uint8, uint8](c, l)
		if err != nil {
			return nil, err
		}
		return finish(pixels, 1, why, l, o, FromUint8)
	case arrow.FLOAT32:
		pixels, why, err := gather[float32, float32](c, l)
		if err != nil {
			return nil, err
		}
		return finish(pixels, 4, why, l, o, FromFloat32)
	case arrow.FLOAT64:
		pixels, why, err := gather[float32, float64](c, l)
		if err != nil {
			return nil, err
		}
		return finish(pixels, 4, why, l, o, FromFloat32)
	}
	return nil, checkPixelType(leaf)
}

func checkPixelType(leaf arrow.DataType) error {
	if id := leaf.ID(); id == arrow.UINT8 || id == arrow.FLOAT32 || id == arrow.FLOAT64 {
		return nil
	}
	return argErrorf("images has values of type %s, want uint8 (0..255) or float32 ([0, 1])", leaf)
}

// finish makes the data set with from. If the pixels were copied (why is not ""), it records the
// copy and releases the arrays.
func finish[T pixelValue](pixels []T, width int64, why string, l layout, o Options,
	from func(pixels []T, n, h, w, c int, o Options) (*Dataset, error)) (*Dataset, error) {
	release := o.Release
	if why != "" {
		o.Release = nil
	}
	s := l.shape()
	d, err := from(pixels, len(pixels)/(s[0]*s[1]*s[2]), s[0], s[1], s[2], o)
	if err != nil || why == "" {
		return d, err
	}
	d.store.recordCopy(int64(len(pixels))*width, why)
	if release != nil {
		release()
	}
	return d, nil
}

// tensorType returns the shape of a column's images and the type of their values.
func tensorType(field arrow.Field) (m tensorMetadata, leaf arrow.DataType, err error) {
	leaf = field.Type
	name, text, err := extension(field)
	if err != nil {
		return m, nil, err
	}
	if ext, ok := leaf.(arrow.ExtensionType); ok {
		name, text, leaf = ext.ExtensionName(), ext.Serialize(), ext.StorageType()
	}
	size := 1
	for {
		list, ok := leaf.(*arrow.FixedSizeListType)
		if !ok {
			break
		}
		n := int(list.Len())
		if n < 1 || size > math.MaxInt32/n || len(m.Shape) == 3 {
			return m, nil, argErrorf("images has type %s, want lists of 1..%d values in 1 to 3 dimensions",
				field.Type, math.MaxInt32)
		}
		size *= n
		m.Shape = append(m.Shape, n)
		leaf = list.Elem()
		if inner, _, err := extension(list.ElemField()); err != nil || inner != "" {
			return m, nil, cmp.Or(err,
				argErrorf("images has the extension type %q within its lists, want it outside", inner))
		}
	}
	if m.Shape == nil {
		return m, nil, argErrorf("images has type %s, want a fixed_shape_tensor or a FixedSizeList", field.Type)
	}
	if name != "arrow.fixed_shape_tensor" {
		return m, leaf, nil
	}
	depth := len(m.Shape)
	if m, err = parseTensor(text); err != nil {
		return m, nil, err
	}
	rest := size
	for _, dim := range m.Shape { // divides instead of multiplying: the product could overflow
		if rest%dim != 0 {
			depth = 0
			break
		}
		rest /= dim
	}
	if depth != 1 || rest != 1 {
		return m, nil, argErrorf(
			"images has fixed_shape_tensor shape %v, want its product to be the list size %d, in one list", m.Shape,
			size)
	}
	return m, leaf, nil
}

// extension returns the name and metadata of a field's extension type.
func extension(field arrow.Field) (name, text string, err error) {
	for i, key := range field.Metadata.Keys() {
		if strings.HasPrefix(key, "ARROW:extension:") && slices.Contains(field.Metadata.Keys()[:i], key) {
			return "", "", argErrorf("images has the metadata %q twice", key)
		}
	}
	name, _ = field.Metadata.GetValue("ARROW:extension:name")
	text, _ = field.Metadata.GetValue("ARROW:extension:metadata")
	return name, text, nil
}

// gather returns the pixels of all arrays in the order (N, H, W, C). It returns the memory of the
// array itself if that is possible. Otherwise it returns a copy, and why says why.
func gather[D, S pixelValue](c column, l layout) (pixels []D, why string, err error) {
	chunks := make([][]S, len(c.arrays))
	total, first := 0, 0
	for i, a := range c.arrays {
		if chunks[i], err = values[S]("images", a, first); err != nil {
			return nil, "", err
		}
		total += len(chunks[i])
		first += a.Len()
	}
	same, ok := any(chunks[0]).([]D)
	if ok && len(chunks) == 1 && l.inOrder() && aligned(same) {
		return same, "", nil
	}
	if free := AvailableMemory(); int64(total) > free/int64(reflect.TypeFor[D]().Size()) {
		return nil, "", Errorf(ErrMemory,
			"data: images has %d values, which must be copied (%s), but only %d bytes are available", total,
			copyReason(chunks, l, !ok), free)
	}
	pixels = make([]D, total)
	k := 0
	for _, chunk := range chunks {
		reorder(pixels[k:], chunk, l)
		k += len(chunk)
	}
	return pixels, copyReason(chunks, l, !ok), nil
}

// aligned reports whether the values start at an address that their type requires.
func aligned[T pixelValue](values []T) bool {
	v := reflect.ValueOf(values)
	return v.Pointer()%uintptr(v.Type().Elem().Align()) == 0
}

// copyReason returns why pixels were copied, for [Info].
func copyReason[S pixelValue](chunks [][]S, l layout, converted bool) string {
	var why []string
	if len(chunks) > 1 {
		why = append(why, fmt.Sprintf("joined %d arrays", len(chunks)))
	}
	if !l.inOrder() {
		why = append(why, fmt.Sprintf("transposed from memory of shape %v to (H, W, C) = %v", l.dims, l.shape()))
	}
	if converted {
		why = append(why, "converted from float64 to float32")
	}
	if !converted && len(chunks) == 1 && !aligned(chunks[0]) {
		why = append(why, "aligned")
	}
	return strings.Join(why, ", ")
}

// values returns the innermost values of an array of lists, without copying. name and first are for
// error messages: a's first element is name[first].
func values[S pixelValue](name string, a arrow.Array, first int) ([]S, error) {
	if ext, ok := a.(array.ExtensionArray); ok {
		a = ext.Storage()
	}
	start, end, size := 0, a.Len(), 1
	for {
		if k := firstNull(a, start, end); k >= 0 {
			return nil, argErrorf("%s[%d] is null or has a null, want no nulls", name, first+(k-start)/size)
		}
		list, ok := a.(*array.FixedSizeList)
		if !ok {
			break
		}
		n := int(list.DataType().(*arrow.FixedSizeListType).Len())
		child := list.ListValues()
		offset := list.Data().Offset()
		if end+offset > child.Len()/n { // that is (end + offset) × n > child.Len(), without overflow
			return nil, argErrorf("%s needs %d × %d values, its child array holds %d", name, end+offset, n, child.Len())
		}
		a, start, end, size = child, (start+offset)*n, (end+offset)*n, size*n
	}
	flat, ok := a.(interface{ Values() []S })
	if !ok || len(flat.Values()) < end {
		return nil, argErrorf("%s needs %d values of type %s, its buffer holds fewer", name, end, a.DataType())
	}
	return flat.Values()[start:end:end], nil
}
