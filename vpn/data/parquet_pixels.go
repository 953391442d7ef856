package data

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	pq "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// parquetPixels collects images that are lists of values, nested 1 to 3 levels deep.
//
// Parquet stores the values and, for each, a repetition level: the depth of the list that the value
// continues. Level 0 starts a new image. The full depth continues the innermost list.
type parquetPixels struct {
	file   *parquetFile
	column *schema.Column
	field  arrow.Field
	depth  int16
	u8     []uint8
	f32    []float32

	head   []int16 // levels of the first image, while it is being read
	levels []int16 // levels of every image; nil until the first image is complete
	sizes  []int   // lengths of an image's lists, outermost first
	next   int     // index in levels of the next value
	images int
	values int64
}

// newParquetPixels checks the column's type.
func newParquetPixels(p *parquetFile, column *schema.Column, name string) (*parquetPixels, error) {
	x := &parquetPixels{file: p, column: column, depth: column.MaxRepetitionLevel(), field: arrow.Field{Name: name}}
	unsigned, _ := column.LogicalType().(schema.IntLogicalType)
	kind := column.PhysicalType()
	isUint8 := kind == parquet.Types.Int32 && unsigned.BitWidth() == 8 && !unsigned.IsSigned()
	if x.depth < 1 || x.depth > 3 || !isUint8 && kind != parquet.Types.Float && kind != parquet.Types.Double {
		return nil, fmt.Errorf(
			"has images of type %s (%s) in lists %d deep, want encoded images (binary), or uint8 (0..255) or float "+
				"([0, 1]) values in lists 1 to 3 deep",
			kind,
			column.LogicalType(),
			x.depth,
		)
	}
	text := p.reader.MetaData().KeyValueMetadata().FindValue("ARROW:schema")
	if text == nil {
		return x, nil
	}
	message, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return nil, fmt.Errorf("is damaged: the metadata ARROW:schema: %w", err)
	}
	mem, size := newBoundedAllocator(p.table.size), int64(len(message))
	r, err := ipc.NewReaderFromMessageReader(newArrowMessages(bytes.NewReader(message), size, 0, mem),
		ipc.WithAllocator(mem))
	if err != nil {
		return nil, fmt.Errorf("is damaged: the metadata ARROW:schema: %w", err)
	}
	defer r.Release()
	if fields, ok := r.Schema().FieldsByName(name); ok { // their metadata hold the shape of a tensor
		x.field.Metadata = fields[0].Metadata
	}
	return x, nil
}

// add reads a row group.
func (x *parquetPixels) add(group *pq.RowGroupReader, rows int64) error {
	chunk, err := group.MetaData().ColumnChunk(x.file.image)
	if err != nil {
		return err
	}
	if chunk.NumValues() < rows {
		return fmt.Errorf("is damaged: a row group has %d values of images in %d rows", chunk.NumValues(), rows)
	}
	limit := max(minUnpacked, maxUnpacked*x.file.table.size)
	if x.values += chunk.NumValues(); x.values < 0 || x.values > limit || 5*x.values > AvailableMemory() {
		return Errorf(ErrMemory,
			"has %d values in images, want at most %d, 20 times the file's size, and what memory is available",
			x.values, int64(minUnpacked))
	}
	before, omitted := x.images, len(x.file.table.omitted)
	reader, err := x.file.column(group, x.file.image, chunk.NumValues())
	if err != nil {
		return err
	}
	defer reader.Close()
	switch column := reader.(type) {
	case *pq.Int32ColumnChunkReader:
		err = readPixels(x, &x.u8, chunk.NumValues(), column.ReadBatch)
	case *pq.Float32ColumnChunkReader:
		err = readPixels(x, &x.f32, chunk.NumValues(), column.ReadBatch)
	case *pq.Float64ColumnChunkReader:
		err = readPixels(x, &x.f32, chunk.NumValues(), column.ReadBatch)
	default:
		err = errPages
	}
	if n := x.images - before + len(x.file.table.omitted) - omitted; err == nil && int64(n) != rows {
		err = fmt.Errorf("is damaged: a row group has %d images in %d rows", n, rows)
	}
	return err
}

// readPixels appends the values of a row group to pixels.
func readPixels[D uint8 | float32, S int32 | float32 | float64](x *parquetPixels, pixels *[]D, values int64,
	read func(n int64, values []S, levels, repeats []int16) (int64, int, error)) error {
	_, bytes := any(*pixels).([]uint8)
	batch := make([]S, batchRows)
	repeats := make([]int16, batchRows)
	return eachBatch(values, func(n int64, levels []int16) (int64, int, error) {
		return read(n, batch, levels, repeats)
	}, func(levels []int16, read int) error {
		next := 0
		for i := range levels {
			if read < len(levels) && levels[i] < x.column.MaxDefinitionLevel() {
				if err := x.null(levels[i], repeats[i]); err != nil {
					return err
				}
				continue
			}
			if next == read {
				return errPages
			}
			v := batch[next]
			next++
			if err := x.repeat(repeats[i]); err != nil {
				return err
			}
			if bytes && (v < 0 || v > 255) {
				return fmt.Errorf("row %d has the value %v, want 0..255", x.row(), v)
			}
			*pixels = append(*pixels, D(v))
		}
		return nil
	})
}

// row returns the index in the file of the image that is being read.
func (x *parquetPixels) row() int { return x.images - 1 + len(x.file.table.omitted) }

// null leaves out an image that is null. Empty lists, and nulls in lists, are errors.
func (x *parquetPixels) null(definition, repetition int16) error {
	whole := x.levels == nil || x.next == 0 // the image before it is complete
	if definition > 0 || repetition > 0 || !whole {
		return fmt.Errorf("row %d is null, or has an empty list or a null", max(0, x.row()))
	}
	if x.levels == nil && len(x.head) > 0 {
		x.infer()
	}
	return x.file.table.omit(x.row()+1, noImage)
}

// repeat checks the repetition level of the next value.
func (x *parquetPixels) repeat(level int16) error {
	if level == 0 {
		x.images++
		if x.levels == nil && len(x.head) > 0 {
			x.infer()
		}
	}
	if x.levels == nil {
		if x.head = append(x.head, level); x.head[0] != 0 {
			return errors.New("is damaged: the first image begins within a list")
		}
		return nil
	}
	if level != x.levels[x.next] {
		return fmt.Errorf("row %d has lists of other sizes than row 0, whose are %v", max(0, x.row()), x.sizes)
	}
	if x.next++; x.next == len(x.levels) {
		x.next = 0
	}
	return nil
}

// infer sets levels and sizes from the first image.
func (x *parquetPixels) infer() {
	x.levels, x.next = x.head, 0
	inner := 1 // values in one list of the next deeper level
	for level := x.depth; level >= 1; level-- {
		end := slices.IndexFunc(x.head[1:], func(l int16) bool { return l < level }) + 1
		if end == 0 {
			end = len(x.head)
		}
		x.sizes = append([]int{end / inner}, x.sizes...)
		inner = end
	}
}

// finish hands the images, as one Arrow array, to the table.
func (x *parquetPixels) finish() error {
	if x.images == 0 {
		return nil
	}
	if x.levels == nil {
		x.infer()
	}
	size := 1
	for _, n := range x.sizes {
		size *= n
	}
	if size != len(x.levels) || x.next != 0 || !x.even() {
		return fmt.Errorf("has images with lists of different sizes, want %v", x.sizes)
	}
	kind, count, buffer := arrow.DataType(arrow.PrimitiveTypes.Uint8), len(x.u8), x.u8
	if x.f32 != nil {
		kind, count, buffer = arrow.PrimitiveTypes.Float32, len(x.f32), arrow.Float32Traits.CastToBytes(x.f32)
	}
	data := array.NewData(kind, count, []*memory.Buffer{nil, memory.NewBufferBytes(buffer)}, nil, 0, 0)
	for _, n := range slices.Backward(x.sizes) {
		count /= n
		data = array.NewData(arrow.FixedSizeListOf(int32(n), data.DataType()), count, []*memory.Buffer{nil},
			[]arrow.ArrayData{data}, 0, 0)
	}
	return x.file.table.arrowTensors(x.field, array.MakeFromData(data))
}

// even reports whether all lists of one level of the first image have the same length.
func (x *parquetPixels) even() bool {
	for i, level := range x.levels {
		want, inner := x.depth, 1
		for k := len(x.sizes) - 1; k >= 0; k-- {
			if inner *= x.sizes[k]; i%inner != 0 {
				break
			}
			want--
		}
		if level != want {
			return false
		}
	}
	return true
}
