package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"sync"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

//export goDataImport
func goDataImport(schema *cSchema, array *cArray, json *C.bridge_text, out *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := given(arg("schema", schema), arg("array", array), arg("out", out)); err != nil {
			return err
		}
		var o data.ArrowOptions
		if err := options(text(json), &o); err != nil {
			return err
		}
		b, field, err := takeDescribed(schema, array)
		if err != nil {
			return err
		}
		d, err := newDataset(field, []arrow.Array{b.array}, o, b.release)
		if err != nil {
			b.giveBack(array)
			return err
		}
		C.bridge_release_schema(schema)
		*out = C.govpn_data(put(d, ""))
		return nil
	})
}

// takeDescribed moves an array that comes with its schema; the schema stays for the caller to release.
func takeDescribed(schema *cSchema, array *cArray) (b batch, field arrow.Field, err error) {
	if err := check(schema, array); err != nil {
		return b, field, err
	}
	if field, err = readSchema(schema); err != nil {
		return b, field, err
	}
	b, err = takeBatch(schema, array, field.Type)
	return b, field, err
}

// newDataset is data.FromArrow with panics as errors, so that after every failure the arrays can be given back.
func newDataset(field arrow.Field, arrays []arrow.Array, o data.ArrowOptions, release func()) (d *data.Dataset, err error) {
	err = protect(func() error {
		d, err = data.FromArrow(field, arrays, o, release)
		return err
	})
	return d, err
}

//export goDataImportStream
func goDataImportStream(stream *cStream, json *C.bridge_text, out *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := given(arg("stream", stream), arg("out", out)); err != nil {
			return err
		}
		var o data.ArrowOptions
		if err := options(text(json), &o); err != nil {
			return err
		}
		field, batches, err := readStream(stream)
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

// readStream reads a stream to its end; the stream itself stays the caller's. The batches read before an error are
// returned with it.
func readStream(stream *cStream) (field arrow.Field, batches []batch, err error) {
	if stream.release == nil || stream.get_schema == nil || stream.get_next == nil {
		return field, nil, data.Errorf(vpn.ErrFormat, "govpn: malformed Arrow data: the stream was already released or lacks a callback")
	}
	schema := (*cSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema))
	defer C.free(unsafe.Pointer(schema))
	if code := C.bridge_stream_schema(stream, schema); code != 0 {
		return field, nil, streamError(stream, "get_schema", code)
	}
	defer C.bridge_release_schema(schema)
	if err := check(schema, nil); err != nil {
		return field, nil, err
	}
	if field, err = readSchema(schema); err != nil {
		return field, nil, err
	}
	next := (*cArray)(C.calloc(1, C.sizeof_struct_ArrowArray))
	defer C.free(unsafe.Pointer(next))
	for {
		if code := C.bridge_stream_next(stream, next); code != 0 {
			return field, batches, streamError(stream, "get_next", code)
		}
		if next.release == nil {
			return field, batches, nil
		}
		b, err := takeBatch(schema, next, field.Type)
		if err != nil {
			C.bridge_discard_array(next)
			return field, batches, err
		}
		batches = append(batches, b)
	}
}

func streamError(stream *cStream, callback string, code C.int) error {
	why := text(C.bridge_stream_error(stream))
	return data.Errorf(vpn.ErrIO, "govpn: the stream's %s failed with code %d: %s", callback, code, why)
}

// opening is the context of the govpn_data_open calls that run; cancelling makes a new one for those to come.
var opening struct {
	sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
}

// openingContext is the context of the calls that begin now; with stop, those that run are stopped first.
func openingContext(stop bool) context.Context {
	opening.Lock()
	defer opening.Unlock()
	if stop && opening.cancel != nil {
		opening.cancel()
		opening.ctx = nil
	}
	if opening.ctx == nil {
		opening.ctx, opening.cancel = context.WithCancel(context.Background())
	}
	return opening.ctx
}

//export goDataCancelOpen
func goDataCancelOpen() C.int32_t {
	return call(func() error {
		openingContext(true)
		return nil
	})
}

//export goDataOpen
func goDataOpen(json *C.bridge_text, out *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := given(arg("out", out)); err != nil {
			return err
		}
		var o data.OpenOptions
		if err := options(text(json), &o); err != nil {
			return err
		}
		d, err := data.Open(openingContext(false), o)
		if err != nil {
			return err
		}
		*out = C.govpn_data(put(d, ""))
		return nil
	})
}

//export goDataSetLabels
func goDataSetLabels(h C.govpn_data, schema *cSchema, array *cArray, json *C.bridge_text) C.int32_t {
	return call(func() error {
		if err := given(arg("schema", schema), arg("array", array)); err != nil {
			return err
		}
		var o struct {
			ClassNames []string `json:"class_names"`
		}
		if err := options(text(json), &o); err != nil {
			return err
		}
		return use(uint64(h), "data", func(d *data.Dataset) error {
			b, _, err := takeDescribed(schema, array)
			if err != nil {
				return err
			}
			err = protect(func() error { return setLabels(h, d, b.array, o.ClassNames) })
			if err != nil {
				b.giveBack(array)
				return err
			}
			C.bridge_release_schema(schema)
			b.release()
			return nil
		})
	})
}

// setLabels gives the handle of a data set a view with the labels in an array.
func setLabels(h C.govpn_data, d *data.Dataset, array arrow.Array, names []string) error {
	labels, names, err := data.ArrowLabels([]arrow.Array{array}, names)
	if err != nil {
		return err
	}
	labelled, err := d.WithLabels(labels, names)
	if err != nil {
		return err
	}
	if err := replace(uint64(h), "data", labelled); err != nil {
		labelled.Close()
		return err
	}
	return nil
}

//export goDataSplit
func goDataSplit(h C.govpn_data, json *C.bridge_text, a, b *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := given(arg("a", a), arg("b", b)); err != nil {
			return err
		}
		var o struct {
			First int    `json:"first"`
			Seed  uint64 `json:"seed"`
		}
		if err := options(text(json), &o); err != nil {
			return err
		}
		return use(uint64(h), "data", func(d *data.Dataset) error {
			first, second, err := data.Split(d, o.First, o.Seed)
			if err != nil {
				return err
			}
			*a, *b = C.govpn_data(put(first, "")), C.govpn_data(put(second, ""))
			return nil
		})
	})
}

//export goDataInfo
func goDataInfo(h C.govpn_data, json **C.char) C.int32_t {
	return call(func() error {
		if err := given(arg("json", json)); err != nil {
			return err
		}
		return use(uint64(h), "data", func(d *data.Dataset) error { return toJSON(d.Info(), json) })
	})
}

//export goDataFree
func goDataFree(h C.govpn_data) {
	call(func() error { return free[*data.Dataset](uint64(h), "data") })
}
