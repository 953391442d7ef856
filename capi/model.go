package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"maps"
	"math"
	"sync/atomic"
	"time"

	"github.com/gomlx/compute"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

// useModel calls f with the model of a handle. If f fails with ErrInternal, the model can only be
// freed afterwards.
func useModel(h C.govpn_model, f func(*vpn.Model) error) error {
	e, m, err := acquire[*vpn.Model](uint64(h), "model")
	if err != nil {
		return err
	}
	defer e.drop()
	if err = protect(func() error { return f(m) }); errors.Is(err, vpn.ErrInternal) {
		e.fail(err)
	}
	return err
}

// useModelAndData calls f with the model and the data set of two handles. name is the data set's
// name in messages.
func useModelAndData(h C.govpn_model, d C.govpn_data, name string, f func(*vpn.Model, *data.Dataset) error) error {
	return useModel(h, func(m *vpn.Model) error {
		return use(uint64(d), name, func(d *data.Dataset) error { return f(m, d) })
	})
}

// modelOptions reads the options of a model and opens its device. The configuration does not know
// the options "device", "devices" and those in extra: extra maps their names to where their values
// go.
func modelOptions(json string, devices *deviceNumbers, extra map[string]any) (config vpn.Config, backend compute.Backend, device string, err error) {
	options := map[string]any{"device": &device, "devices": devices}
	maps.Copy(options, extra)
	device = "auto"
	rest, err := takeOptions(json, options)
	if err != nil {
		return config, nil, "", err
	}
	if config, err = vpn.ParseConfig([]byte(rest)); err != nil {
		return config, nil, "", err
	}
	backend, device, err = openDevice(device, *devices...)
	return config, backend, device, err
}

//export goEstimateMemory
func goEstimateMemory(json *C.bridge_text, out **C.char) C.int32_t {
	return call(func() error {
		if err := notNull(arg("json_out", out)); err != nil {
			return err
		}
		images := 0
		config, backend, _, err := modelOptions(goText(json), &deviceNumbers{}, map[string]any{"images": &images})
		if err != nil {
			return err
		}
		e, err := vpn.EstimateMemory(config, backend, images)
		if err != nil {
			return err
		}
		return toJSON(e, out)
	})
}

//export goModelCreate
func goModelCreate(json *C.bridge_text, out *C.govpn_model) C.int32_t {
	return call(func() error {
		if err := notNull(arg("out", out)); err != nil {
			return err
		}
		var devices deviceNumbers
		config, backend, device, err := modelOptions(goText(json), &devices, nil)
		if err != nil {
			return err
		}
		m, err := vpn.New(config, backend)
		if err != nil {
			return err
		}
		if err := m.SetDevices(devices...); err != nil {
			_ = m.Close()
			return err
		}
		*out = C.govpn_model(put(m, device))
		return nil
	})
}

//export goModelFit
func goModelFit(h C.govpn_model, train, valid C.govpn_data, json *C.bridge_text, fn C.govpn_progress_fn, user C.uintptr_t) C.int32_t {
	return call(func() error {
		var o vpn.FitOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		o.Progress = func(p vpn.Progress) bool {
			trimHeap()
			return fn != nil && callProgress(p, fn, user)
		}
		return useModelAndData(h, train, "train", func(m *vpn.Model, t *data.Dataset) error {
			if valid == 0 {
				return m.Fit(context.Background(), t, nil, o)
			}
			return use(uint64(valid), "valid", func(v *data.Dataset) error { return m.Fit(context.Background(), t, v, o) })
		})
	})
}

// lastTrim is the time of the last trimHeap that did something, in Unix nanoseconds.
var lastTrim atomic.Int64

// trimHeap returns malloc's free memory to the system, at most once a second. glibc keeps the gaps
// that compilations and the buffers of every step leave. Without trimHeap, the peak of training
// ResNet18 was a fifth higher.
func trimHeap() {
	last, now := lastTrim.Load(), time.Now().UnixNano()
	if now-last >= int64(time.Second) && lastTrim.CompareAndSwap(last, now) {
		C.bridge_trim_heap()
	}
}

var phases = map[string]C.int32_t{
	"compiling": C.GOVPN_PHASE_COMPILING, "training": C.GOVPN_PHASE_TRAINING, "epoch": C.GOVPN_PHASE_EPOCH,
}

// callProgress calls the host's progress callback, on the thread that called govpn_model_fit.
func callProgress(p vpn.Progress, fn C.govpn_progress_fn, user C.uintptr_t) (stop bool) {
	c := C.govpn_progress{
		struct_size: C.sizeof_govpn_progress, phase: phases[p.Phase],
		epoch: C.int32_t(p.Epoch), epochs: C.int32_t(p.Epochs), step: C.int64_t(p.Step), steps: C.int64_t(p.Steps),
		loss: C.double(p.Loss), metric: C.double(p.Accuracy), elapsed_s: C.double(p.Elapsed.Seconds()),
	}
	if p.Phase == "compiling" {
		c.loss, c.metric = C.double(math.NaN()), C.double(math.NaN())
	}
	return C.bridge_call_progress(fn, &c, user) != 0
}

//export goModelShare
func goModelShare(h C.govpn_model, rank, workers C.int32_t, fn C.govpn_sum_fn, user C.uintptr_t) C.int32_t {
	return call(func() error {
		var share *vpn.Share
		if fn != nil {
			share = &vpn.Share{Rank: int(rank), Workers: int(workers), Sum: func(values []float32) bool {
				return C.bridge_call_sum(fn, (*C.float)(&values[0]), C.int64_t(len(values)), user) == 0
			}}
		}
		return useModel(h, func(m *vpn.Model) error { return m.SetShare(share) })
	})
}

//export goModelTrainBatch
func goModelTrainBatch(h C.govpn_model, d C.govpn_data, json *C.bridge_text, metrics **C.char) C.int32_t {
	return call(func() error {
		if err := decodeOptions(goText(json), &noOptions{}); err != nil {
			return err
		}
		return useModelAndData(h, d, "data", func(m *vpn.Model, d *data.Dataset) error {
			trimHeap()
			got, err := m.TrainBatch(context.Background(), d)
			if err != nil || metrics == nil {
				return err
			}
			return toJSON(got, metrics)
		})
	})
}

//export goModelCancel
func goModelCancel(h C.govpn_model) C.int32_t {
	return call(func() error {
		return useModel(h, func(m *vpn.Model) error { m.Cancel(); return nil })
	})
}

//export goModelSetLearningRate
func goModelSetLearningRate(h C.govpn_model, rate C.double) C.int32_t {
	return call(func() error {
		return useModel(h, func(m *vpn.Model) error { return m.SetLearningRate(float64(rate)) })
	})
}

//export goModelPredict
func goModelPredict(h C.govpn_model, d C.govpn_data, json *C.bridge_text, schema *cSchema, array *cArray) C.int32_t {
	return call(func() error {
		if err := notNull(arg("schema", schema), arg("array", array)); err != nil {
			return err
		}
		var o vpn.PredictOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		return useModelAndData(h, d, "data", func(m *vpn.Model, d *data.Dataset) error {
			p, err := m.Predict(context.Background(), d, o)
			if err != nil {
				return err
			}
			if p.Scores == nil {
				handOutInts(p.Labels, schema, array)
			} else {
				handOutTensors(p.Scores, len(p.Labels), []int{p.Classes}, schema, array)
			}
			return nil
		})
	})
}

//export goModelNoise
func goModelNoise(h C.govpn_model, d C.govpn_data, json *C.bridge_text, schema *cSchema, array *cArray) C.int32_t {
	return call(func() error {
		if err := notNull(arg("schema", schema), arg("array", array)); err != nil {
			return err
		}
		var o vpn.NoiseOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		return useModelAndData(h, d, "data", func(m *vpn.Model, d *data.Dataset) error {
			values, shape, err := m.Noise(context.Background(), d, o)
			if err != nil {
				return err
			}
			if len(values)/shape[0] > math.MaxInt32 {
				return argError("one sample of noise for all images has %d values, want at most 2³¹−1: pass fewer images", len(values)/shape[0])
			}
			handOutTensors(values, shape[0], shape[1:], schema, array)
			return nil
		})
	})
}

//export goModelEvaluate
func goModelEvaluate(h C.govpn_model, d C.govpn_data, json *C.bridge_text, out **C.char) C.int32_t {
	return call(func() error {
		if err := notNull(arg("json_out", out)); err != nil {
			return err
		}
		var o vpn.EvalOptions
		if err := decodeOptions(goText(json), &o); err != nil {
			return err
		}
		return useModelAndData(h, d, "data", func(m *vpn.Model, d *data.Dataset) error {
			got, err := m.Evaluate(context.Background(), d, o)
			if err != nil {
				return err
			}
			return toJSON(got, out)
		})
	})
}

//export goModelConfig
func goModelConfig(h C.govpn_model, out **C.char) C.int32_t {
	return call(func() error {
		if err := notNull(arg("json", out)); err != nil {
			return err
		}
		e, m, err := acquire[*vpn.Model](uint64(h), "model")
		if err != nil {
			return err
		}
		defer e.drop()
		return toJSON(struct {
			vpn.Description
			Device  string `json:"device"`
			Devices []int  `json:"devices"`
		}{Description: m.Describe(), Device: e.device, Devices: m.Devices()}, out)
	})
}

//export goModelFree
func goModelFree(h C.govpn_model) {
	call(func() error { return free[*vpn.Model](uint64(h), "model") })
}
