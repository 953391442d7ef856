package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/govpn/govpn/vpn"
)

//export goModelHistory
func goModelHistory(h C.govpn_model, schema *cSchema, out *cArray) C.int32_t {
	return call(func() error {
		if err := notNull(arg("schema", schema), arg("array", out)); err != nil {
			return err
		}
		return useModel(h, func(m *vpn.Model) error {
			a := historyArray(m.History())
			defer a.Release()
			handOut(arrow.Field{Type: a.DataType()}, a, schema, out)
			return nil
		})
	})
}

// historyColumns are the columns that follow "epoch", all float64.
var historyColumns = []struct {
	name  string
	value func(vpn.Epoch) vpn.Float
}{
	{"loss", func(e vpn.Epoch) vpn.Float { return e.Loss }},
	{"accuracy", func(e vpn.Epoch) vpn.Float { return e.Accuracy }},
	{"val_loss", func(e vpn.Epoch) vpn.Float { return e.ValLoss }},
	{"val_accuracy", func(e vpn.Epoch) vpn.Float { return e.ValAccuracy }},
	{"std_mean", func(e vpn.Epoch) vpn.Float { return e.StdMean }},
	{"std_min", func(e vpn.Epoch) vpn.Float { return e.StdMin }},
	{"std_max", func(e vpn.Epoch) vpn.Float { return e.StdMax }},
	{"seconds", func(e vpn.Epoch) vpn.Float { return e.Seconds }},
	{"images_per_second", func(e vpn.Epoch) vpn.Float { return e.ImagesPerSecond }},
	{"data_wait", func(e vpn.Epoch) vpn.Float { return e.DataWait }},
	{"learning_rate", func(e vpn.Epoch) vpn.Float { return e.LearningRate }},
}

// historyArray returns the history as a struct array with one row per epoch.
func historyArray(rows []vpn.Epoch) arrow.Array {
	n := len(rows)
	epochs := make([]int32, n)
	for i, e := range rows {
		epochs[i] = int32(e.Epoch)
	}
	fields := []arrow.Field{{Name: "epoch", Type: arrow.PrimitiveTypes.Int32}}
	columns := []arrow.ArrayData{primitiveData(arrow.PrimitiveTypes.Int32, n, lentBuffer(arrow.Int32Traits.CastToBytes(epochs), nil))}
	for _, c := range historyColumns {
		values := make([]float64, n)
		for i, e := range rows {
			values[i] = float64(c.value(e))
		}
		fields = append(fields, arrow.Field{Name: c.name, Type: arrow.PrimitiveTypes.Float64})
		columns = append(columns, primitiveData(arrow.PrimitiveTypes.Float64, n, lentBuffer(arrow.Float64Traits.CastToBytes(values), nil)))
	}
	d := array.NewData(arrow.StructOf(fields...), n, []*memory.Buffer{nil}, columns, 0, 0)
	for _, c := range columns {
		c.Release()
	}
	defer d.Release()
	return array.MakeFromData(d)
}
