package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"math"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

//export goDataImportStream
func goDataImportStream(stream *cStream, json *C.bridge_text, out *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := notNull(arg("stream", stream), arg("out", out)); err != nil {
			return err
		}
		var o data.ArrowOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		field, batches, err := readStream(stream, o.Columns)
		release := func() {
			for _, b := range batches {
				b.release()
			}
		}
		if err != nil {
			release()
			return err
		}
		arrays := make([]arrow.Array, len(batches))
		for i, b := range batches {
			arrays[i] = b.array
		}
		d, err := newDataset(field, arrays, o, release)
		if err != nil {
			release()
			return err
		}
		C.bridge_release_stream(stream)
		*out = C.govpn_data(put(d, ""))
		return nil
	})
}

// maxEmptyInARow is how many empty arrays may follow one another in a stream, so that one without end ends.
const maxEmptyInARow = 1 << 16

// readStream reads a stream to its end; the stream itself stays the caller's. The batches read before an error are
// returned with it.
func readStream(stream *cStream, columns func(arrow.Field) ([]int, error)) (field arrow.Field, batches []takenArray, err error) {
	if stream.release == nil || stream.get_schema == nil || stream.get_next == nil {
		return field, nil, malformedError("the stream was already released or lacks a callback")
	}
	schema := (*cSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(schema))
	if code := C.bridge_stream_schema(stream, schema); code != 0 {
		return field, nil, streamError(stream, "get_schema", code)
	}
	defer C.bridge_release_schema(schema)
	if err := checkStructs(schema, nil); err != nil {
		return field, nil, err
	}
	if field, err = readSchema(schema); err != nil {
		return field, nil, err
	}
	wanted, err := columns(field)
	if err != nil {
		return field, nil, err
	}
	for rows, empty := C.int64_t(0), 0; ; {
		b, n, err := nextArray(stream, schema, field.Type, wanted)
		if err != nil || n < 0 {
			return field, batches, err
		}
		rows, empty = rows+n, empty+1
		if n > 0 {
			batches, empty = append(batches, b), 0
		}
		if rows > math.MaxInt32 || empty > maxEmptyInARow {
			return field, batches, argError("the stream has more than %d rows or %d empty arrays in a row", math.MaxInt32, maxEmptyInARow)
		}
	}
}

// nextArray takes the next array of a stream and returns its length, -1 at the end. Empty ones are released at once.
func nextArray(stream *cStream, schema *cSchema, t arrow.DataType, wanted []int) (b takenArray, n C.int64_t, err error) {
	next := (*cArray)(C.calloc(1, C.sizeof_struct_ArrowArray))
	defer C.free(unsafe.Pointer(next))
	if code := C.bridge_stream_next(stream, next); code != 0 {
		return b, 0, streamError(stream, "get_next", code)
	}
	if next.release == nil {
		return b, -1, nil
	}
	defer C.bridge_discard_array(next) // does nothing once it is taken
	err = protect(func() error {
		b, err = takeArray(schema, next, t, wanted)
		return err
	})
	if err != nil {
		return b, 0, err
	}
	if n = b.source.length; n == 0 {
		b.giveBack(next)
	}
	return b, n, nil
}

func streamError(stream *cStream, callback string, code C.int) error {
	why := strings.ToValidUTF8(goText(C.bridge_stream_error(stream)), "?")
	return data.Errorf(vpn.ErrIO, "govpn: the stream's %s failed with code %d: %.2000s", callback, code, why)
}
