package main

// #include <errno.h>
// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime/cgo"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/gomlx/compute/dtypes"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

type exportOptions struct {
	BatchSize int      `json:"batch_size"`
	Shuffle   bool     `json:"shuffle"`
	Seed      int64    `json:"seed"`
	Epoch     int      `json:"epoch"`
	Columns   []string `json:"columns"`
}

// A stream hands a data set out as an Arrow stream of struct arrays. One thread at a time uses it.
type stream struct {
	view         *data.Dataset // a view of its own: the handle may be freed meanwhile
	columns      []column
	perArray     int     // images per array
	remaining    []int32 // positions of the images still to hand out, in order
	batches      *data.Batches
	startBatches func(order []int32) (*data.Batches, error)
	err          error // the first error; every later call returns it
}

// A column is one field of the stream's arrays. make builds its values for the images at positions.
type column struct {
	field arrow.Field
	make  func(s *stream, positions []int32) (arrow.ArrayData, error)
}

//export goDataExportStream
func goDataExportStream(h C.govpn_data, json *C.bridge_text, out *cStream) C.int32_t {
	return call(func() error {
		if err := notNull(arg("out", out)); err != nil {
			return err
		}
		var o exportOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		return use(uint64(h), "data", func(d *data.Dataset) error {
			s, err := newStream(d, o)
			if err != nil {
				return err
			}
			handle := cgo.NewHandle(s)
			if C.bridge_new_stream(out, C.uintptr_t(handle)) == 0 {
				goStreamRelease(C.uintptr_t(handle))
				return data.Errorf(vpn.ErrMemory, "govpn: no memory for the stream")
			}
			return nil
		})
	})
}

func newStream(d *data.Dataset, o exportOptions) (*stream, error) {
	if o.BatchSize < 0 || o.Epoch < 0 {
		return nil, argError("batch_size is %d and epoch is %d, want 0 or more", o.BatchSize, o.Epoch)
	}
	columns, err := exportColumns(d, o.Columns)
	if err != nil {
		return nil, err
	}
	view, err := d.Share()
	if err != nil {
		return nil, err
	}
	s := &stream{view: view, columns: columns, perArray: o.BatchSize, remaining: make([]int32, d.Len())}
	for i := range s.remaining {
		s.remaining[i] = int32(i)
	}
	if o.Shuffle {
		rng := rand.New(rand.NewPCG(uint64(o.Seed), uint64(o.Epoch)))
		rng.Shuffle(len(s.remaining), func(i, j int) { s.remaining[i], s.remaining[j] = s.remaining[j], s.remaining[i] })
	}
	b := data.BatchOptions{Size: o.BatchSize, Seed: o.Seed, Epoch: o.Epoch}
	if s.perArray == 0 {
		s.perArray, b.Size = d.Len(), d.Len()
		if d.Streamed() {
			b.Size = 64 // a small queue: decoded fills the one array from several batches
		}
	}
	s.startBatches = func(order []int32) (*data.Batches, error) {
		b.Order = order
		return view.Batches(context.Background(), b)
	}
	return s, nil
}

// exportColumns returns the columns with the given names, or without names all that the set has.
func exportColumns(d *data.Dataset, names []string) (columns []column, err error) {
	if len(names) == 0 {
		names = []string{"image"}
		if d.Labels() != nil {
			names = append(names, "label")
		}
	}
	for i, name := range names {
		switch {
		case slices.Contains(names[:i], name):
			return nil, argError("columns has %q twice, want each once", name)
		case name == "image":
			columns = append(columns, column{imageField(d), (*stream).images})
		case name == "label" && d.Labels() == nil:
			return nil, argError("columns has \"label\", and the data set has no labels")
		case name == "label":
			columns = append(columns, column{labelField(d), (*stream).labels})
		default:
			return nil, argError("columns has %q, want image, label", name)
		}
	}
	return columns, nil
}

func imageField(d *data.Dataset) arrow.Field {
	h, w, c := d.Shape()
	return tensorField("image", pixelType(d), []int{h, w, c})
}

func pixelType(d *data.Dataset) arrow.DataType {
	if d.DType() == dtypes.Float32 {
		return arrow.PrimitiveTypes.Float32
	}
	return arrow.PrimitiveTypes.Uint8
}

func labelField(d *data.Dataset) arrow.Field {
	f := arrow.Field{Name: "label", Type: arrow.PrimitiveTypes.Int32}
	if names := d.ClassNames(); names != nil {
		list, _ := json.Marshal(names) // strings cannot fail
		f.Metadata = arrow.NewMetadata([]string{data.MetadataNames}, []string{string(list)})
	}
	return f
}

func (s *stream) schema() arrow.Field {
	fields := make([]arrow.Field, len(s.columns))
	for i, c := range s.columns {
		fields[i] = c.field
	}
	return arrow.Field{Type: arrow.StructOf(fields...)}
}

// next makes the next array. It returns nil at the end.
func (s *stream) next() (arrow.Array, error) {
	if s.err != nil || len(s.remaining) == 0 {
		return nil, s.err
	}
	positions := s.remaining[:min(s.perArray, len(s.remaining))]
	var children []arrow.ArrayData
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for _, c := range s.columns {
		child, err := c.make(s, positions)
		if err != nil {
			s.err = err
			return nil, err
		}
		children = append(children, child)
	}
	s.remaining = s.remaining[len(positions):]
	d := array.NewData(s.schema().Type, len(positions), []*memory.Buffer{nil}, children, 0, 0)
	defer d.Release()
	return array.MakeFromData(d), nil
}

func (s *stream) labels(positions []int32) (arrow.ArrayData, error) {
	labels := make([]int32, len(positions))
	for i, p := range positions {
		labels[i] = s.view.Labels()[p]
	}
	return primitiveData(arrow.PrimitiveTypes.Int32, len(labels), lentBuffer(arrow.Int32Traits.CastToBytes(labels), nil)), nil
}

func (s *stream) images(positions []int32) (_ arrow.ArrayData, err error) {
	if s.batches == nil {
		if s.batches, err = s.startBatches(s.remaining); err != nil {
			return nil, err
		}
	}
	h, w, c := s.view.Shape()
	read := s.inMemory
	if s.view.Streamed() {
		read = s.decoded
	}
	values, err := read(len(positions) * h * w * c)
	if err != nil {
		return nil, err
	}
	field := imageField(s.view)
	return tensorData(field, primitiveData(pixelType(s.view), len(positions)*h*w*c, values), len(positions)), nil
}

// inMemory returns the pixels of the next batch of a set in memory. If its images lie there one
// after another, nothing is copied and the buffer keeps the set alive.
func (s *stream) inMemory(int) (*memory.Buffer, error) {
	b, err := s.batches.Next()
	if err != nil {
		return nil, err
	}
	keep, err := s.view.Share()
	if err != nil {
		return nil, err
	}
	if b.Float32 != nil {
		return lentBuffer(arrow.Float32Traits.CastToBytes(b.Float32), keep.Close), nil
	}
	return lentBuffer(b.Uint8, keep.Close), nil
}

// decoded returns the next size bytes of decoded pixels of a streamed set. They are copied, so that
// the queue gets its memory back at once, however many arrays the caller keeps.
func (s *stream) decoded(size int) (*memory.Buffer, error) {
	if free := data.AvailableMemory(); int64(size) > free {
		return nil, data.Errorf(vpn.ErrMemory, "govpn: an array of the stream needs %d bytes, %d are available: give batch_size", size, free)
	}
	pixels := make([]uint8, size)
	for at := 0; at < size; {
		b, err := s.batches.Next()
		if err != nil {
			return nil, err
		}
		at += copy(pixels[at:], b.Uint8)
		b.Release()
	}
	return lentBuffer(pixels, nil), nil
}

func (s *stream) close() {
	defer s.view.Close()
	if s.batches != nil {
		s.batches.Close()
	}
}

// The callbacks of arrow_export_stream.c call the functions below. handle is a cgo.Handle of the
// *stream, valid until goStreamRelease.

//export goStreamSchema
func goStreamSchema(handle C.uintptr_t, out *cSchema, why **C.char) C.int {
	return streamCall(why, func() error {
		handOutSchema(cgo.Handle(handle).Value().(*stream).schema(), out)
		return nil
	})
}

//export goStreamNext
func goStreamNext(handle C.uintptr_t, out *cArray, why **C.char) C.int {
	return streamCall(why, func() error {
		a, err := cgo.Handle(handle).Value().(*stream).next()
		if err != nil {
			return err
		}
		if a == nil {
			out.release = nil // Arrow's sign for the end
			return nil
		}
		defer a.Release()
		handOutArray(a, out)
		return nil
	})
}

//export goStreamRelease
func goStreamRelease(handle C.uintptr_t) {
	err := protect(func() error {
		defer cgo.Handle(handle).Delete()
		cgo.Handle(handle).Value().(*stream).close()
		return nil
	})
	if err != nil {
		record(logWarning, fmt.Sprintf("releasing a stream: %v", err))
	}
}

// streamCall runs the body of a stream's callback. If body fails or panics, it returns an errno and
// sets *why to the message, which C frees.
func streamCall(why **C.char, body func() error) C.int {
	err := protect(body)
	if err == nil {
		return 0
	}
	*why = cText(err.Error())
	switch statusOf(err) {
	case C.GOVPN_E_ARG, C.GOVPN_E_FORMAT:
		return C.EINVAL
	case C.GOVPN_E_MEMORY:
		return C.ENOMEM
	case C.GOVPN_E_UNSUPPORTED:
		return C.ENOSYS
	case C.GOVPN_E_CANCELLED:
		return C.ECANCELED
	}
	return C.EIO
}
