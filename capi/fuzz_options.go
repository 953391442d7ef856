//go:build govpn_test

package main

// #include <stdlib.h>
// #include "bridge.h"
// static int32_t stop_at_once(const govpn_progress *p, void *user_data) { return p && !user_data; }
// static govpn_progress_fn stopper(void) { return stop_at_once; }
// static void release_all(struct ArrowSchema *s, struct ArrowArray *a) {
//   if (s->release) s->release(s);
//   if (a->release) a->release(a);
// }
// static int read_stream(struct ArrowArrayStream *s) {
//   struct ArrowArray a;
//   int code = s->get_next(s, &a);
//   if (!code && a.release) a.release(&a);
//   s->release(s);
//   return code;
// }
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

// optionExports names the functions that take options, see optionCall.call.
var optionExports = []string{"init", "import", "alloc", "open", "set_labels", "split", "export_stream", "create", "estimate", "fit", "train_batch",
	"predict", "noise", "evaluate", "export_safetensors", "import_safetensors", "load", "from_bytes", "set_weights"}

// An optionCall holds the arguments for the functions: a trained model, its bytes, its data, and
// the paths of two files that it was saved to. Tests with cgo need it here: a _test.go file cannot
// use cgo.
type optionCall struct {
	model       C.govpn_model
	data        C.govpn_data
	bytes       []byte
	saved, base string
}

func newOptionCall(m *vpn.Model, d *data.Dataset, bytes []byte, saved, base string) *optionCall {
	return &optionCall{model: C.govpn_model(put(m, "go")), data: C.govpn_data(put(d, "")), bytes: bytes, saved: saved, base: base}
}

// call calls a function of optionExports with options and frees its outputs. It returns the status
// and the message of a failure. wrong is not empty if outputs were written by a failure, or not by
// a success.
func (c *optionCall) call(name, options string) (status int, message, wrong string) {
	runtime.LockOSThread() // govpn_last_error belongs to the thread
	defer runtime.UnlockOSThread()
	text := (*C.char)(C.CString(options))
	defer C.free(unsafe.Pointer(text))
	json := (*C.bridge_text)(text)
	schema, array := (*cSchema)(C.calloc(1, C.sizeof_struct_ArrowSchema)), (*cArray)(C.calloc(1, C.sizeof_struct_ArrowArray))
	defer C.free(unsafe.Pointer(schema))
	defer C.free(unsafe.Pointer(array))
	defer C.release_all(schema, array)
	s, given := c.library(name, json, schema, array)
	if given < 0 {
		s, given = c.compute(name, json, schema, array)
	}
	if s != C.GOVPN_OK {
		message = C.GoString(C.govpn_last_error())
	}
	if (s == C.GOVPN_OK) != (given > 0) {
		wrong = fmt.Sprintf("%s has status %d and %d outputs", name, s, given)
	}
	return int(s), message, wrong
}

// library calls the functions that need no model. given is 1 if the outputs were written, 0 if not,
// and
// -1 for a function that needs a model.
func (c *optionCall) library(name string, json *C.bridge_text, schema *cSchema, array *cArray) (s C.int32_t, given int) {
	var d, second C.govpn_data
	var m C.govpn_model
	defer func() {
		goDataFree(d)
		goDataFree(second)
		goModelFree(m)
	}()
	switch name {
	case "init":
		s = goInit(json)
		return s, outputs(s == C.GOVPN_OK)
	case "import":
		handOutTensors(make([]float32, 3*4), 3, []int{2, 2, 1}, schema, array)
		s = goDataImport(schema, array, json, &d)
		return s, outputs(d != 0 && schema.release == nil && array.release == nil)
	case "alloc":
		s = goDataAlloc(json, schema, array, &d)
		return s, outputs(d != 0 && schema.release != nil && array.release != nil)
	case "open":
		s = goDataOpen(json, &d)
		return s, outputs(d != 0)
	case "split":
		s = goDataSplit(c.data, json, &d, &second)
		return s, outputs(d != 0 && second != 0)
	case "create":
		s = goModelCreate(json, &m)
	case "load":
		path := C.CString(c.saved)
		defer C.free(unsafe.Pointer(path))
		s = goModelLoad((*C.bridge_text)(path), json, &m)
	case "from_bytes":
		s = goModelFromBytes((*C.bridge_bytes)(unsafe.Pointer(&c.bytes[0])), C.size_t(len(c.bytes)), json, &m)
	default:
		return 0, -1
	}
	return s, outputs(m != 0)
}

// outputs returns 1 for true.
func outputs(given bool) int {
	if given {
		return 1
	}
	return 0
}

// compute calls the functions that need the model or its data. given is as in library.
func (c *optionCall) compute(name string, json *C.bridge_text, schema *cSchema, array *cArray) (s C.int32_t, given int) {
	path, text := C.CString(c.base), (*C.char)(nil)
	defer func() {
		C.free(unsafe.Pointer(path))
		C.free(unsafe.Pointer(text))
	}()
	switch name {
	case "set_labels":
		handOutInts([]int32{0, 1, 2, 0, 1, 2}, schema, array)
		s = goDataSetLabels(c.data, schema, array, json)
		return s, outputs(schema.release == nil && array.release == nil)
	case "set_weights":
		weights := []float32{0, 1, 2, 0.5, 1, 2}
		handOutValues(arrow.PrimitiveTypes.Float32, len(weights), arrow.Float32Traits.CastToBytes(weights), schema, array)
		s = goDataSetWeights(c.data, schema, array, json)
		return s, outputs(schema.release == nil && array.release == nil)
	case "export_stream":
		stream := (*cStream)(C.calloc(1, C.sizeof_struct_ArrowArrayStream))
		defer C.free(unsafe.Pointer(stream))
		s = goDataExportStream(c.data, json, stream)
		return s, outputs(stream.release != nil && C.read_stream(stream) == 0)
	case "fit":
		if s = goModelFit(c.model, c.data, 0, json, C.stopper(), 0); s == C.GOVPN_E_CANCELLED {
			s = C.GOVPN_OK
		}
	case "estimate":
		s = goEstimateMemory(json, &text)
		return s, outputs(text != nil)
	case "train_batch":
		s = goModelTrainBatch(c.model, c.data, json, &text)
		return s, outputs(text != nil)
	case "predict":
		s = goModelPredict(c.model, c.data, json, schema, array)
		return s, outputs(schema.release != nil && array.release != nil)
	case "noise":
		s = goModelNoise(c.model, c.data, json, schema, array)
		return s, outputs(schema.release != nil && array.release != nil)
	case "evaluate":
		s = goModelEvaluate(c.model, c.data, json, &text)
		return s, outputs(text != nil)
	case "export_safetensors":
		s = goModelExportSafetensors(c.model, (*C.bridge_text)(path), json)
	case "import_safetensors":
		s = goModelImportSafetensors(c.model, (*C.bridge_text)(path), json)
	}
	return s, outputs(s == C.GOVPN_OK)
}
