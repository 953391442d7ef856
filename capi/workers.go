package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

//export goModelGradients
func goModelGradients(h C.govpn_model, d C.govpn_data, json *C.bridge_text, schema *cSchema, out *cArray) C.int32_t {
	return call(func() error {
		if err := given(arg("schema", schema), arg("array", out)); err != nil {
			return err
		}
		var o vpn.PartOptions
		if err := options(text(json), &o); err != nil {
			return err
		}
		return useBoth(h, d, "data", func(m *vpn.Model, d *data.Dataset) error {
			trimHeap()
			sum, err := m.Gradients(context.Background(), d, o)
			if err != nil {
				return err
			}
			return handOutTensor(sum, schema, out)
		})
	})
}

// handOutTensor hands out a flat tensor of floats over its own memory, where the host can read that.
func handOutTensor(t *tensors.Tensor, schema *cSchema, out *cArray) error {
	var bytes []byte
	kind, err := arrow.DataType(arrow.PrimitiveTypes.Float32), t.ConstFlatData(func(flat any) {
		switch values := flat.(type) {
		case []float32:
			bytes = arrow.Float32Traits.CastToBytes(values)
		case []float64:
			bytes = arrow.Float64Traits.CastToBytes(values)
		}
	})
	if err != nil {
		_ = t.FinalizeAll()
		return data.Errorf(vpn.ErrDevice, "govpn: reading gradients: %w", err)
	}
	if len(bytes) == 8*t.Size() {
		kind = arrow.PrimitiveTypes.Float64
	}
	values := flat(kind, t.Size(), lentBuffer(bytes, func() { _ = t.FinalizeAll() }))
	defer values.Release()
	a := array.MakeFromData(values)
	defer a.Release()
	handOut(arrow.Field{Type: kind}, a, schema, out)
	return nil
}

//export goModelApplyGradients
func goModelApplyGradients(h C.govpn_model, schema *cSchema, in *cArray, json *C.bridge_text, metrics **C.char) C.int32_t {
	return call(func() error {
		if err := given(arg("schema", schema), arg("array", in)); err != nil {
			return err
		}
		var o vpn.ApplyOptions
		if err := options(text(json), &o); err != nil {
			return err
		}
		return useModel(h, func(m *vpn.Model) error {
			b, _, err := takeDescribed(schema, in, gradientColumns)
			if err != nil {
				return err
			}
			got, err := applyArray(m, b.array, o)
			if err != nil {
				b.giveBack(in)
				return err
			}
			C.bridge_release_schema(schema)
			b.release()
			if metrics == nil {
				return nil
			}
			return toJSON(got, metrics)
		})
	})
}

// gradientColumns checks that arrays of a field can be gradients; there are no columns to choose.
func gradientColumns(field arrow.Field) ([]int, error) {
	if id := field.Type.ID(); id != arrow.FLOAT32 && id != arrow.FLOAT64 {
		return nil, argError("gradients have type %s, want float32, or float64 of models that compute in it", field.Type)
	}
	return nil, nil
}

func applyArray(m *vpn.Model, a arrow.Array, o vpn.ApplyOptions) (got vpn.Metrics, err error) {
	err = protect(func() error {
		if n := a.NullN(); n > 0 {
			return argError("gradients have %d nulls, want none", n)
		}
		var values any
		switch a := a.(type) {
		case *array.Float32:
			values = a.Float32Values()
		case *array.Float64:
			values = a.Float64Values()
		}
		sum, err := m.GradientsOf(values)
		if err != nil {
			return err
		}
		defer func() { _ = sum.FinalizeAll() }()
		got, err = m.ApplyGradients(context.Background(), sum, o)
		return err
	})
	return got, err
}

//export goModelFinishEpoch
func goModelFinishEpoch(h C.govpn_model, json *C.bridge_text) C.int32_t {
	return call(func() error {
		var o vpn.FinishOptions
		if err := options(text(json), &o); err != nil {
			return err
		}
		return useModel(h, func(m *vpn.Model) error { return m.FinishEpoch(o) })
	})
}
