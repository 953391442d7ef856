package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/govpn/govpn/vpn/data"
)

//export goDataImport
func goDataImport(schema *cSchema, array *cArray, json *C.bridge_text, out *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := notNull(arg("schema", schema), arg("array", array), arg("out", out)); err != nil {
			return err
		}
		var o data.ArrowOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		b, field, err := takeDescribed(schema, array, o.Columns)
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

// takeDescribed takes over an array that comes with its schema. The schema itself stays the
// caller's. columns returns the columns of a struct array to read, or an error if it refuses the
// field.
func takeDescribed(schema *cSchema, array *cArray, columns func(arrow.Field) ([]int, error)) (b takenArray, field arrow.Field, err error) {
	types, err := copySchema(schema)
	if err != nil {
		return b, field, err
	}
	defer C.bridge_free_schema(types)
	structs, err := copyArray(types, array)
	if err != nil {
		return b, field, err
	}
	defer C.bridge_free_array(structs)
	if field, err = readSchema(types); err != nil {
		return b, field, err
	}
	wanted, err := columns(field)
	if err != nil {
		return b, field, err
	}
	b, err = takeArray(structs, array, field.Type, wanted)
	return b, field, err
}

// newDataset calls data.FromArrow. A panic becomes an error, so that the caller can give the arrays
// back after every failure.
func newDataset(field arrow.Field, arrays []arrow.Array, o data.ArrowOptions, release func()) (d *data.Dataset, err error) {
	err = protect(func() error {
		d, err = data.FromArrow(field, arrays, o, release)
		return err
	})
	return d, err
}

// opening holds the context that all running calls of govpn_data_open share. ctx is nil before the
// first call and after a cancellation.
var opening struct {
	sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
}

// openingContext returns the context for a call of govpn_data_open that begins now.
func openingContext() context.Context {
	opening.Lock()
	defer opening.Unlock()
	if opening.ctx == nil {
		opening.ctx, opening.cancel = context.WithCancel(context.Background())
	}
	return opening.ctx
}

// cancelOpening stops the calls of govpn_data_open that run. Later calls get a new context.
func cancelOpening() {
	opening.Lock()
	defer opening.Unlock()
	if opening.cancel != nil {
		opening.cancel()
		opening.ctx = nil
	}
}

//export goDataCancelOpen
func goDataCancelOpen() C.int32_t {
	return call(func() error {
		cancelOpening()
		return nil
	})
}

//export goDataOpen
func goDataOpen(json *C.bridge_text, out *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := notNull(arg("out", out)); err != nil {
			return err
		}
		var o data.OpenOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		d, err := data.Open(openingContext(), o)
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
		if err := notNull(arg("schema", schema), arg("array", array)); err != nil {
			return err
		}
		var o struct {
			ClassNames []string `json:"class_names"`
		}
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		return useArray(h, schema, array, data.LabelColumns, func(d *data.Dataset, labels arrow.Array) error {
			if labels.Len() != d.Len() {
				return argError("labels has %d values, want %d: one per image", labels.Len(), d.Len())
			}
			labelled, err := d.WithArrowLabels(labels, o.ClassNames)
			return replaceView(h, labelled, err)
		})
	})
}

//export goDataSetWeights
func goDataSetWeights(h C.govpn_data, schema *cSchema, array *cArray, json *C.bridge_text) C.int32_t {
	return call(func() error {
		if err := decodeOptions(goText(json), &noOptions{}); err != nil {
			return err
		}
		if schema == nil && array == nil {
			return use(uint64(h), "data", func(d *data.Dataset) error {
				unweighted, err := d.WithWeights(nil)
				return replaceView(h, unweighted, err)
			})
		}
		if err := notNull(arg("schema", schema), arg("array", array)); err != nil {
			return err
		}
		return useArray(h, schema, array, data.WeightColumns, func(d *data.Dataset, weights arrow.Array) error {
			weighted, err := d.WithArrowWeights(weights)
			return replaceView(h, weighted, err)
		})
	})
}

// useArray calls f with a data set and a caller's array, which f copies. If f succeeds, the array
// and its schema are released; otherwise they stay the caller's.
func useArray(h C.govpn_data, schema *cSchema, array *cArray, columns func(arrow.Field) ([]int, error),
	f func(*data.Dataset, arrow.Array) error) error {
	return use(uint64(h), "data", func(d *data.Dataset) error {
		b, _, err := takeDescribed(schema, array, columns)
		if err != nil {
			return err
		}
		if err := protect(func() error { return f(d, b.array) }); err != nil {
			b.giveBack(array)
			return err
		}
		C.bridge_release_schema(schema)
		b.release()
		return nil
	})
}

// replaceView makes a handle stand for a new view of its data set. It returns err unchanged if the
// view could not be made.
func replaceView(h C.govpn_data, view *data.Dataset, err error) error {
	if err != nil {
		return err
	}
	if err := replace(uint64(h), "data", view); err != nil {
		view.Close()
		return err
	}
	return nil
}

//export goDataSplit
func goDataSplit(h C.govpn_data, json *C.bridge_text, a, b *C.govpn_data) C.int32_t {
	return call(func() error {
		if err := notNull(arg("a", a), arg("b", b)); err != nil {
			return err
		}
		if a == b {
			return argError("a and b are the same address, want one for each part")
		}
		var o struct {
			First int    `json:"first"`
			Seed  uint64 `json:"seed"`
		}
		if err := decodeOptions(goText(json), &o); err != nil {
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
		if err := notNull(arg("json", json)); err != nil {
			return err
		}
		return use(uint64(h), "data", func(d *data.Dataset) error { return toJSON(d.Info(), json) })
	})
}

//export goDataFree
func goDataFree(h C.govpn_data) {
	call(func() error { return free[*data.Dataset](uint64(h), "data") })
}
