// Package engine compiles and runs the programs of a model: on one device or on several, and only
// where the memory is enough.
package engine

import (
	"errors"
	"runtime/debug"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/internal/inject"
	"github.com/govpn/govpn/vpn/method"
)

// Program is a compiled graph over the variables of a store. It has one executable per shape of its
// inputs. A call reads the variables and changes none: a program that updates variables returns
// their new values, so that a failed step leaves the model as it was.
type Program struct {
	// Updates are the variables whose new values follow the outputs, in order. They are known once
	// the program was built.
	Updates []*model.Variable

	// Executables is how many the program has compiled.
	Executables int

	exec    *Exec
	backend compute.Backend
	spread  *Spread // nil: the first device
	batched []bool  // which inputs have images on their first axis; the last stands for all that follow
	copies  Copies
}

// collectBytes is how many bytes of variables an upload may leave on the host as garbage. Above it,
// the garbage is collected at once.
const collectBytes = 8 << 20

// BuildFunc builds a graph. It returns the outputs and, for a training program, the updates.
type BuildFunc func(s *model.Scope, inputs []*Node) (outputs []*Node, updates []method.Update)

// Values gives a program the tensor of a variable.
type Values func(v *model.Variable) (*tensors.Tensor, error)

// CurrentValue is the value of a variable in its store.
func CurrentValue(v *model.Variable) (*tensors.Tensor, error) { return v.Value() }

// Spec is what makes a program.
type Spec struct {
	Name   string // for error messages
	Remedy string // for error messages: what to do if memory is short
	Read   Values
	Build  BuildFunc
	Copies Copies // of tensors on other devices, shared by the programs of a model
}

// NewProgram makes a program over the variables of a store. It compiles at its first call with
// inputs of a shape, unless memory is too short for what it needs.
func NewProgram(backend compute.Backend, store *model.Store, spec Spec) (*Program, error) {
	p := &Program{backend: backend, copies: spec.Copies}
	if p.copies == nil {
		p.copies = Copies{}
	}
	exec, err := NewExec(backend, func(inputs []*Node) []*Node {
		inject.Panic()
		outputs, updates := spec.Build(store.RootScope(), inputs)
		p.Updates = p.Updates[:0]
		for _, u := range updates {
			p.Updates = append(p.Updates, u.Variable)
		}
		outputs = withUpdates(outputs, updates)
		if err := checkMemory(backend, store, spec.Name, spec.Remedy, outputs); err != nil {
			panic(err)
		}
		p.Executables++
		return outputs
	})
	if err != nil {
		return nil, err
	}
	exec.WithName(spec.Name).SetMaxCache(-1)
	exec.SetSideParamsHook(func(g *Graph, buffers []compute.Buffer, _ []bool) error {
		return p.setVariables(g, store, spec.Read, buffers)
	})
	p.exec = exec
	return p, nil
}

// setVariables puts the buffers of the variables that a graph uses in the places of its parameters,
// for each device.
func (p *Program) setVariables(g *Graph, store *model.Store, read Values, buffers []compute.Buffer) error {
	var uploaded int64
	for v := range store.IterVariables() {
		if !v.InUseByGraph(g) {
			continue
		}
		value, err := read(v)
		if err != nil {
			return err
		}
		if !value.IsOnAnyDevice() {
			uploaded += value.ByteSize()
		}
		// Not by NodeValue: that is the new value if the program has one.
		parameter := int(g.GetParameterByName(v.Path()).GetParameterHandle())
		for i, device := range p.devices() {
			copied, err := p.copies.on(p.backend, device, value)
			if err != nil {
				return err
			}
			if buffers[i*g.NumParameters()+parameter], err = copied.Buffer(p.backend, device); err != nil {
				return err
			}
		}
	}
	if uploaded > collectBytes {
		debug.FreeOSMemory()
	}
	return nil
}

// withUpdates lists all results of a program: the outputs, then the new values of variables.
func withUpdates(outputs []*Node, updates []method.Update) []*Node {
	for _, u := range updates {
		outputs = append(outputs, u.Value)
	}
	return outputs
}

// Compile compiles the program for inputs of these shapes, as the first call with such would.
func (p *Program) Compile(inputs ...any) error {
	return Try(func() error {
		if _, err := p.exec.Compile(p.shapes(inputs)...); err != nil {
			return Error(err, fault.ErrDevice)
		}
		return nil
	})
}

// Call runs the program on tensors. It returns the outputs, and then the new values of Updates. The
// caller frees them.
func (p *Program) Call(inputs ...any) (outputs []*tensors.Tensor, err error) {
	err = Try(func() error {
		if p.spread != nil {
			outputs, err = p.callSpread(inputs)
		} else {
			outputs, err = p.exec.Call(inputs...)
		}
		return err
	})
	if err != nil && !errors.Is(err, fault.ErrInternal) {
		err = Error(err, fault.ErrDevice)
	}
	return outputs, err
}

// devices are those that the program runs on.
func (p *Program) devices() []compute.DeviceNum {
	if p.spread == nil {
		return []compute.DeviceNum{0}
	}
	return p.spread.devices
}

// Close frees the executables. Close of a nil program does nothing.
func (p *Program) Close() {
	if p != nil {
		p.exec.Finalize()
	}
}
