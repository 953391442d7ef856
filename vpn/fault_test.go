package vpn

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/stretchr/testify/require"
)

// faulty is a backend that counts its operations (compilations, executions, and transfers in either
// direction) and lets one of them fail.
type faulty struct {
	compute.Backend
	count, fails int
	look         func() // called before the operation that fails and the few before it; what it does is not counted
	looking      bool
}

var errFault = errors.New("injected: the device is lost")

// fault returns the error of the next operation. It does not call look in an operation that reads a
// tensor, as the tensor is locked.
func (f *faulty) fault(reads bool) error {
	if f.looking {
		return nil
	}
	f.count++
	if !reads && f.count <= f.fails && f.count > f.fails-5 {
		f.looking = true
		f.look()
		f.looking = false
	}
	if f.count == f.fails {
		return errFault
	}
	return nil
}

func (f *faulty) Builder(name string) compute.Builder {
	return faultyBuilder{Builder: f.Backend.Builder(name), f: f}
}

func (f *faulty) wrap(b compute.Buffer, err error) (compute.Buffer, error) {
	if err == nil {
		err = f.fault(false)
	}
	return faultyBuffer{Buffer: b, f: f}, err
}

func (f *faulty) BufferFromFlatData(n compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	return f.wrap(f.Backend.BufferFromFlatData(n, flat, shape))
}

func (f *faulty) NewSharedBuffer(n compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	b, flat, err := f.Backend.NewSharedBuffer(n, shape)
	b, err = f.wrap(b, err)
	return b, flat, err
}

type faultyBuilder struct {
	compute.Builder
	f *faulty
}

func (b faultyBuilder) Compile() (compute.Executable, error) {
	if err := b.f.fault(false); err != nil {
		return nil, err
	}
	e, err := b.Builder.Compile()
	return faultyExecutable{Executable: e, f: b.f}, err
}

type faultyExecutable struct {
	compute.Executable
	f *faulty
}

func (e faultyExecutable) Execute(
	inputs []compute.Buffer, donate []bool, n compute.DeviceNum,
) ([]compute.Buffer, error) {
	if err := e.f.fault(false); err != nil {
		return nil, err
	}
	plain := make([]compute.Buffer, len(inputs))
	for i, b := range inputs {
		plain[i] = b.(faultyBuffer).Buffer
	}
	outputs, err := e.Executable.Execute(plain, donate, n)
	for i, b := range outputs {
		outputs[i] = faultyBuffer{Buffer: b, f: e.f}
	}
	return outputs, err
}

type faultyBuffer struct {
	compute.Buffer
	f *faulty
}

func (b faultyBuffer) Backend() compute.Backend { return b.f }

func (b faultyBuffer) ToFlatData(flat any) error {
	if err := b.f.fault(true); err != nil {
		return err
	}
	return b.Buffer.ToFlatData(flat)
}

func (b faultyBuffer) Data() (any, error) {
	if err := b.f.fault(true); err != nil {
		return nil, err
	}
	return b.Buffer.Data()
}

// eachFault lets call fail in every stride-th of its operations, each time with a new model that
// has trained for an epoch. The error is the device's. Weights, best weights and the optimiser's
// state stay bit for bit as they were before that operation. The next call succeeds, with the same
// result as in a model whose calls never failed.
func eachFault(t *testing.T, cfg Config, stride int, call func(m *Model) (any, error)) {
	trained := func(t *testing.T) (*Model, *faulty) {
		backend, d := &faulty{Backend: openDevice(t, "go")}, stripes(t, 64, 1)
		m := newModel(t, cfg, backend)
		require.NoError(t, m.Fit(ctx, d, d, FitOptions{Epochs: 1}))
		backend.count = 0
		return m, backend
	}
	undisturbed, backend := trained(t)
	want, err := call(undisturbed)
	require.NoError(t, err)
	operations := backend.count
	require.Greater(t, operations, 2)
	for n := 1; n <= operations; n += stride {
		m, backend := trained(t)
		before := state(t, m)
		backend.count, backend.fails, backend.look = 0, n, func() { before = state(t, m) }
		_, err := call(m)
		require.ErrorIs(t, err, errFault, "operation %d", n)
		require.ErrorIs(t, err, ErrDevice, "operation %d", n)
		require.NotErrorIs(t, err, ErrInternal)
		require.Equal(t, before, state(t, m), "operation %d", n)
		backend.fails = 0
		got, err := call(m)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(got), "operation %d", n) // as text, NaN equals NaN
		require.Equal(t, state(t, undisturbed), state(t, m), "operation %d", n)
	}
	t.Logf("%d operations", operations)
}

// Whichever operation of the device fails, the model stays usable and goes on from the same
// weights.
func TestFailingDevice(t *testing.T) {
	train, valid := stripes(t, 64, 1), stripes(t, 32, 2)
	for mode, stride := range map[string]int{"plain": 1, "joint": 11} {
		cfg := smallConfig(mode)
		for name, call := range map[string]func(m *Model) (any, error){
			"fit": func(m *Model) (any, error) {
				err := m.Fit(ctx, train, valid, FitOptions{Resume: true})
				return untimed(m.History()), err
			},
			"train_batch": func(m *Model) (any, error) { return m.TrainBatch(ctx, train) },
			"predict": func(m *Model) (any, error) {
				return m.Predict(ctx, valid, PredictOptions{Output: "logits"})
			},
			"evaluate": func(m *Model) (any, error) { return m.Evaluate(ctx, valid, EvalOptions{}) },
			"save":     func(m *Model) (any, error) { _, err := m.Marshal(); return nil, err },
		} {
			t.Run(mode+"/"+name, func(t *testing.T) { eachFault(t, cfg, stride, call) })
		}
	}
}
