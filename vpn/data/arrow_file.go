package data

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowFiles reads Arrow IPC files and streams, such as Hugging Face's datasets writes, with or
// without compressed buffers. The columns are:
//   - images: encoded files (any binary type, or Hugging Face's struct of bytes and path), or
//     pixels as
//     [FromArrow] takes them. Pixels may also be variable-length lists whose sizes are all equal.
//   - labels, optionally: integers, strings (numbered in sorted order), or dictionaries (numbered
//     in
//     the dictionary's order).
//
// Encoded images are copied to a temporary file, one record batch at a time. Pixels are read into
// memory.
func arrowFiles(o OpenOptions) (*found, error) {
	return readTables(o, ".arrow", (*table).arrowFile)
}

var arrowMagic = []byte("ARROW1")

// arrowFile reads one file: a stream from front to back, a file by its footer.
func (t *table) arrowFile(f *os.File) error {
	size := t.size
	head := make([]byte, 8)
	if _, err := f.ReadAt(head, 0); err != nil {
		return errors.New("is too short to be an Arrow file")
	}
	if bytes.HasPrefix(head, []byte("FEA1")) {
		return Errorf(ErrUnsupported, "is a Feather file of version 1, want version 2, which is an Arrow file")
	}
	var footer *arrowFooter
	if bytes.HasPrefix(head, arrowMagic) {
		var err error
		if footer, err = readArrowFooter(f, size); err != nil {
			return err
		}
	}
	mem := newBoundedAllocator(size)
	messages := newArrowMessages(f, size, max(minUnpacked, maxUnpacked*size), mem)
	messages.footer = footer
	r, err := ipc.NewReaderFromMessageReader(messages, ipc.WithAllocator(mem))
	if err != nil {
		return fmt.Errorf("is not an Arrow file or stream, or damaged: %w", err)
	}
	defer r.Release()
	schema := r.Schema()
	var names []string
	for _, field := range schema.Fields() {
		names = append(names, field.Name)
	}
	image, label, err := t.columns(names)
	if err != nil {
		return err
	}
	if text, ok := schema.Metadata().GetValue("huggingface"); ok && label >= 0 {
		if err := t.huggingFaceNames(text, names[label]); err != nil {
			return err
		}
	}
	for r.Next() {
		batch := r.RecordBatch()
		if err := t.arrowImages(schema.Field(image), batch.Column(image)); err != nil {
			return err
		}
		if label >= 0 {
			if err := t.arrowLabels(batch.Column(label)); err != nil {
				return err
			}
		}
	}
	if r.Err() != nil {
		return fmt.Errorf("is damaged or truncated: %w", r.Err())
	}
	return nil
}

// arrowImages adds the images of a record batch.
func (t *table) arrowImages(field arrow.Field, column arrow.Array) error {
	a := column
	if s, ok := column.(*array.Struct); ok {
		i, ok := s.DataType().(*arrow.StructType).FieldIdx("bytes")
		if !ok {
			return fmt.Errorf("has images of type %s, want a field \"bytes\" in them", s.DataType())
		}
		a = s.Field(i)
	}
	encoded, ok := a.(interface{ Value(int) []byte })
	if !ok {
		return t.arrowPixels(field, a)
	}
	for i := range a.Len() {
		var err error
		switch {
		case firstNull(column, i, i+1) >= 0:
			err = t.addMissing(noImage)
		case firstNull(a, i, i+1) >= 0:
			err = t.addMissing(noBytes)
		default:
			err = t.add(encoded.Value(i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Why a row has no image.
const (
	noImage = "has no image (null)"
	noBytes = "has no bytes (null), only perhaps the path of a file elsewhere: " +
		"embed the images (datasets: push_to_hub and to_parquet do it)"
)

// arrowPixels adds the images of a record batch that are pixels. It leaves out nulls.
func (t *table) arrowPixels(field arrow.Field, a arrow.Array) error {
	for start := 0; start < a.Len(); {
		end := a.Len()
		if k := firstNull(a, start, end); k >= 0 {
			end = k
		}
		if start < end {
			part := array.NewSlice(a, int64(start), int64(end))
			err := t.arrowTensors(field, part)
			part.Release()
			if err != nil {
				return err
			}
		}
		if end < a.Len() {
			if err := t.omit(t.row(), noImage); err != nil {
				return err
			}
		}
		start = end + 1
	}
	return nil
}

// arrowTensors adds images whose values are pixels.
func (t *table) arrowTensors(field arrow.Field, a arrow.Array) error {
	if a.Len() == 0 {
		return nil
	}
	a, err := regular(a)
	if err != nil {
		return fmt.Errorf("after row %d %w", t.row(), err)
	}
	switch field.Type = a.DataType(); {
	case t.encoded != nil:
		return errors.New("has pixels, the file before it encoded images")
	case t.tensors.arrays == nil:
		t.tensors.field = field
		if _, _, err := tensorType(field); err != nil {
			return err
		}
	case !arrow.TypeEqual(t.tensors.field.Type, a.DataType()):
		return fmt.Errorf("has images of type %s, %s before", a.DataType(), t.tensors.field.Type)
	}
	a.Retain()
	t.free = append(t.free, a.Release)
	t.tensors.arrays = append(t.tensors.arrays, a)
	t.rows += a.Len()
	return nil
}

// regular converts variable-length lists to fixed-size lists, at every level. It fails if the sizes
// of one level differ.
func regular(a arrow.Array) (arrow.Array, error) {
	list, ok := a.(array.ListLike)
	if !ok || a.Len() == 0 {
		return a, nil
	}
	if _, fixed := a.(*array.FixedSizeList); fixed {
		return a, nil
	}
	first, end := list.ValueOffsets(0)
	n := end - first
	for i := range a.Len() {
		from, to := list.ValueOffsets(i)
		if firstNull(a, i, i+1) >= 0 || to-from != n || from != first+int64(i)*n || n < 1 || n > 1<<31-1 {
			return nil, fmt.Errorf("has an image with a list of %d values or a null, want lists of one size: %d",
				to-from, n)
		}
	}
	inner, err := regular(array.NewSlice(list.ListValues(), first, first+int64(a.Len())*n))
	if err != nil {
		return nil, err
	}
	kind := arrow.FixedSizeListOf(int32(n), inner.DataType())
	return array.NewFixedSizeListData(
		array.NewData(kind, a.Len(), []*memory.Buffer{nil}, []arrow.ArrayData{inner.Data()}, 0, 0)), nil
}

// arrowLabels adds the labels of a record batch.
func (t *table) arrowLabels(a arrow.Array) (err error) {
	if k := firstNull(a, 0, a.Len()); k >= 0 {
		return fmt.Errorf("row %d has no label (null)", len(t.fileLabels)+k)
	}
	if text, ok := a.(interface{ Value(int) string }); ok && a.DataType().ID() != arrow.DICTIONARY {
		for i := range a.Len() {
			if err := t.addName(text.Value(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if t.strings != nil {
		return errLabelKinds
	}
	dictionary, ok := a.(*array.Dictionary)
	switch {
	case !ok:
		t.fileLabels, err = appendIntegers(t.fileLabels, a, noLabel, MaxClasses)
	case a.Len() > 0:
		t.fileLabels, t.names, err = appendDictionary(t.fileLabels, dictionary, t.names, t.fixed)
	}
	return err
}
