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
		field, taken, err := readStream(stream, o.Columns)
		release := func() {
			for _, b := range taken {
				b.release()
			}
		}
		if err != nil {
			release()
			return err
		}
		arrays := make([]arrow.Array, len(taken))
		for i, b := range taken {
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

// maxEmptyInARow is the most empty arrays that may follow one another in a stream. It ends a stream
// that never ends.
const maxEmptyInARow = 1 << 16

// readStream takes all arrays of a stream. The stream itself stays the caller's. If it fails, it
// also returns the arrays that it took before, which the caller must release.
func readStream(stream *cStream, columns func(arrow.Field) ([]int, error)) (field arrow.Field, taken []takenArray, err error) {
	if why := C.bridge_check_stream(stream); why != nil {
		return field, nil, malformedError("%s", C.GoString(why))
	}
	schema := (*cSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(schema))
	if code := C.bridge_stream_schema(stream, schema); code != 0 {
		return field, nil, streamError(stream, "get_schema", code)
	}
	defer C.bridge_release_schema(schema)
	types, err := copySchema(schema) // once: get_next may change the producer's own
	if err != nil {
		return field, nil, err
	}
	defer C.bridge_free_schema(types)
	if field, err = readSchema(types); err != nil {
		return field, nil, err
	}
	wanted, err := columns(field)
	if err != nil {
		return field, nil, err
	}
	for rows, empty := C.int64_t(0), 0; ; {
		b, n, err := nextArray(stream, types, field.Type, wanted)
		if err != nil || n < 0 {
			return field, taken, err
		}
		rows, empty = rows+n, empty+1
		if n > 0 {
			taken, empty = append(taken, b), 0
		}
		if rows > math.MaxInt32 || empty > maxEmptyInARow {
			return field, taken, argError("the stream has more than %d rows or %d empty arrays in a row", math.MaxInt32, maxEmptyInARow)
		}
	}
}

// nextArray takes the next array of a stream and returns its length; -1 at the end. types is the
// copied schema. An empty array is released at once.
func nextArray(stream *cStream, types *cSchema, t arrow.DataType, wanted []int) (b takenArray, n C.int64_t, err error) {
	next := (*cArray)(C.calloc(1, C.sizeof_struct_ArrowArray))
	defer C.free(unsafe.Pointer(next))
	if code := C.bridge_stream_next(stream, next); code != 0 {
		return b, 0, streamError(stream, "get_next", code)
	}
	if next.release == nil {
		return b, -1, nil
	}
	defer C.bridge_discard_array(next) // does nothing if the array was taken
	err = protect(func() error {
		structs, err := copyArray(types, next)
		if err != nil {
			return err
		}
		defer C.bridge_free_array(structs)
		b, err = takeArray(structs, next, t, wanted)
		return err
	})
	if err != nil {
		return b, 0, err
	}
	if n = C.int64_t(b.array.Len()); n == 0 {
		b.giveBack(next)
	}
	return b, n, nil
}

func streamError(stream *cStream, callback string, code C.int) error {
	why := strings.ToValidUTF8(goText(C.bridge_stream_error(stream)), "?")
	return data.Errorf(vpn.ErrIO, "govpn: the stream's %s failed with code %d: %.2000s", callback, code, why)
}
