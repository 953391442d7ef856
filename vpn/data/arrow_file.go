package data

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// arrowFile reads one file from front to back. The file format is the stream format between a magic
// number and a footer. The footer only repeats where each message lies, so it is ignored.
func (t *table) arrowFile(f *os.File) error {
	size, start := t.size, int64(0)
	head := make([]byte, 8)
	if _, err := f.ReadAt(head, 0); err != nil {
		return errors.New("is too short to be an Arrow file")
	}
	if bytes.HasPrefix(head, arrowMagic) {
		start = 8
		tail := make([]byte, len(arrowMagic))
		if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil || size < 16 || !bytes.Equal(tail, arrowMagic) {
			return errors.New("is truncated: it does not end as an Arrow file does")
		}
	}
	mem := newBoundedAllocator(size)
	messages := newArrowMessages(io.NewSectionReader(f, start, size-start), size-start,
		max(minUnpacked, maxUnpacked*size), mem)
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
func (t *table) arrowImages(field arrow.Field, a arrow.Array) error {
	if k := firstNull(a, 0, a.Len()); k >= 0 {
		return fmt.Errorf("row %d has no image (null)", t.row()+k)
	}
	if s, ok := a.(*array.Struct); ok {
		i, ok := s.DataType().(*arrow.StructType).FieldIdx("bytes")
		if !ok {
			return fmt.Errorf("has images of type %s, want a field \"bytes\" in them", a.DataType())
		}
		a = s.Field(i)
		if k := firstNull(a, 0, a.Len()); k >= 0 {
			return errNoBytes(t.row() + k)
		}
	}
	encoded, ok := a.(interface{ Value(int) []byte })
	if !ok {
		return t.arrowTensors(field, a)
	}
	for i := range a.Len() {
		if err := t.add(encoded.Value(i)); err != nil {
			return err
		}
	}
	return nil
}

func errNoBytes(row int) error {
	return fmt.Errorf("row %d has no bytes (null), only perhaps the path of a file elsewhere: "+
		"embed the images (datasets: push_to_hub and to_parquet do it)", row)
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
