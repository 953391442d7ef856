package data

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	pq "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// parquetFiles reads Parquet files with a column of images and, optionally, one of labels: see
// [arrowFiles]. It reads only pages of these two columns, a few rows at a time.
//
// It uses the package parquet/file, because parquet/pqarrow would link gRPC.
func parquetFiles(o OpenOptions) (*found, error) {
	return readTables(o, ".parquet", (*table).parquetFile)
}

func (t *table) parquetFile(f *os.File) error {
	if err := checkParquet(f, t.size); err != nil {
		return err
	}
	properties := parquet.NewReaderProperties(newBoundedAllocator(t.size))
	properties.BufferedStreamEnabled = true // read pages, not whole columns
	properties.MaxCompressedPageSize = t.size
	properties.MaxUncompressedPageSize = 1<<31 - 1 // the format's largest; the allocator bounds it
	r, err := pq.NewParquetReader(f, pq.WithReadProps(properties))
	if err != nil {
		return fmt.Errorf("is damaged: %w", err)
	}
	p := &parquetFile{table: t, reader: r}
	return p.read()
}

// parquetFile is a file that is being read.
type parquetFile struct {
	table        *table
	reader       *pq.Reader
	image, label int // indices of leaf columns; label is -1 if there is none
	pixels       *parquetPixels
}

func (p *parquetFile) read() error {
	if err := p.findColumns(); err != nil {
		return err
	}
	for g := range p.reader.NumRowGroups() {
		group := p.reader.RowGroup(g)
		rows := group.NumRows()
		if rows < 0 || rows > int64(maxFiles-p.table.rows) {
			return Errorf(ErrUnsupported, "has a row group of %d rows, want at most %d in all", rows, maxFiles)
		}
		if rows == 0 {
			continue
		}
		if err := p.images(group, rows); err != nil {
			return err
		}
		if p.label >= 0 {
			if err := p.labels(group, rows); err != nil {
				return err
			}
		}
	}
	if p.pixels != nil {
		return p.pixels.finish()
	}
	return nil
}

// findColumns finds the leaf columns of images and labels.
func (p *parquetFile) findColumns() error {
	s := p.reader.MetaData().Schema
	root := s.Root()
	names := make([]string, root.NumFields())
	for i := range names {
		names[i] = root.Field(i).Name()
	}
	image, label, err := p.table.columns(names)
	if err != nil {
		return err
	}
	p.label = -1
	if label >= 0 {
		if p.label, err = leaf(s, root.Field(label), "labels"); err != nil {
			return err
		}
		if s.Column(p.label).MaxRepetitionLevel() > 0 {
			return errors.New("has lists of labels, want one label for each image")
		}
		if text := p.reader.MetaData().KeyValueMetadata().FindValue("huggingface"); text != nil {
			if err := p.table.huggingFaceNames(*text, names[label]); err != nil {
				return err
			}
		}
	}
	node := root.Field(image)
	if group, ok := node.(*schema.GroupNode); ok {
		if i := group.FieldIndexByName("bytes"); i >= 0 {
			node = group.Field(i)
		}
	}
	if p.image, err = leaf(s, node, "images"); err != nil {
		return err
	}
	column := s.Column(p.image)
	if column.MaxRepetitionLevel() == 0 && column.PhysicalType() == parquet.Types.ByteArray {
		return nil
	}
	p.pixels, err = newParquetPixels(p, column, names[image])
	return err
}

// leaf returns the index of the only leaf column in node.
func leaf(s *schema.Schema, node schema.Node, what string) (int, error) {
	for {
		group, ok := node.(*schema.GroupNode)
		if !ok {
			return s.ColumnIndexByNode(node), nil
		}
		if group.NumFields() != 1 {
			return 0, fmt.Errorf("has %s in a column of %d fields, want one, or a field \"bytes\"", what,
				group.NumFields())
		}
		node = group.Field(0)
	}
}

// column opens a column of a row group after a check of all its pages.
func (p *parquetFile) column(group *pq.RowGroupReader, i int, values int64) (pq.ColumnChunkReader, error) {
	if err := checkPages(group, i, values); err != nil {
		return nil, err
	}
	return group.Column(i)
}

// images adds the images of a row group.
func (p *parquetFile) images(group *pq.RowGroupReader, rows int64) error {
	if p.pixels != nil {
		return p.pixels.add(group, rows)
	}
	reader, err := p.column(group, p.image, rows)
	if err != nil {
		return err
	}
	defer reader.Close()
	column, ok := reader.(*pq.ByteArrayColumnChunkReader)
	if !ok {
		return errPages
	}
	var values [64]parquet.ByteArray
	return eachBatch(rows, func(n int64, levels []int16) (int64, int, error) {
		return column.ReadBatch(min(n, int64(len(values))), values[:], levels, nil)
	}, func(levels []int16, read int) error {
		next, most := 0, column.Descriptor().MaxDefinitionLevel()
		for i := range levels {
			switch {
			case read == len(levels) || levels[i] == most: // a column without nulls may have no levels
				if next == read {
					return errPages
				}
				if err := p.table.add(values[next]); err != nil {
					return err
				}
				next++
			default:
				if err := p.table.addMissing(noBytes); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// firstBelow returns the index of the first null.
func firstBelow(levels []int16, column *schema.Column) int {
	return slices.IndexFunc(levels, func(l int16) bool { return l < column.MaxDefinitionLevel() })
}

// eachBatch calls read until it has returned rows values. After each call it calls use with the
// definition levels and the number of values that are not null.
func eachBatch(
	rows int64,
	read func(n int64, levels []int16) (int64, int, error),
	use func(levels []int16, values int) error,
) error {
	levels := make([]int16, batchRows)
	for left := rows; left > 0; {
		total, values, err := read(min(left, batchRows), levels)
		if err != nil {
			return err
		}
		if total <= 0 {
			return fmt.Errorf("is damaged: a row group ends %d rows before its end", left)
		}
		if err := use(levels[:total], values); err != nil {
			return err
		}
		left -= total
	}
	return nil
}

const batchRows = 1024

// labels adds the labels of a row group.
func (p *parquetFile) labels(group *pq.RowGroupReader, rows int64) error {
	t := p.table
	reader, err := p.column(group, p.label, rows)
	if err != nil {
		return err
	}
	defer reader.Close()
	nulls := func(levels []int16, read int) error {
		if read < len(levels) {
			return fmt.Errorf("row %d has no label (null)", len(t.fileLabels)+firstBelow(levels, reader.Descriptor()))
		}
		return nil
	}
	switch column := reader.(type) {
	case *pq.Int32ColumnChunkReader:
		return readLabels(t, rows, column.ReadBatch, nulls)
	case *pq.Int64ColumnChunkReader:
		return readLabels(t, rows, column.ReadBatch, nulls)
	case *pq.ByteArrayColumnChunkReader:
		values := make([]parquet.ByteArray, batchRows)
		return eachBatch(rows, func(n int64, levels []int16) (int64, int, error) {
			return column.ReadBatch(n, values, levels, nil)
		}, func(levels []int16, read int) error {
			if err := nulls(levels, read); err != nil {
				return err
			}
			for _, name := range values[:read] {
				if err := t.addName(string(name)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return fmt.Errorf("has labels of type %s, want integers or strings", reader.Type())
}

// readLabels adds integer labels.
func readLabels[T int32 | int64](
	t *table,
	rows int64,
	read func(n int64, values []T, levels, repeats []int16) (int64, int, error),
	nulls func(levels []int16, read int) error,
) error {
	if t.strings != nil {
		return errLabelKinds
	}
	values := make([]T, batchRows)
	return eachBatch(rows, func(n int64, levels []int16) (int64, int, error) {
		return read(n, values, levels, nil)
	}, func(levels []int16, read int) (err error) {
		if err := nulls(levels, read); err != nil {
			return err
		}
		t.fileLabels, err = appendChecked(t.fileLabels, values[:read], noLabel, MaxClasses)
		return err
	})
}
