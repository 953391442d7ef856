package vpn

import (
	"errors"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/inject"
)

// program is a compiled graph over the variables of a store, one executable per shape of its inputs. A call reads
// the variables and changes none: a program that updates them returns their new values, so that a failed step
// leaves the model as it was.
type program struct {
	exec    *Exec
	backend compute.Backend
	spread  *spread // nil: the first device
	batch   []bool
	copies  copies
	updates []*model.Variable // the variables whose new values follow the outputs, in order
}

// collectBytes is how many bytes of variables an upload leaves on the host before their garbage is collected at once.
const collectBytes = 8 << 20

// buildFunc builds a graph: the outputs and, of a training program, the updates.
type buildFunc func(s *model.Scope, inputs []*Node) (outputs []*Node, updates []update)

// values gives the tensor of a variable to a program.
type values func(v *model.Variable) (*tensors.Tensor, error)

// newProgram compiles build at its first call, unless there is too little memory for what it needs.
func newProgram(backend compute.Backend, store *model.Store, name string, read values, build buildFunc) (*program, error) {
	p := &program{backend: backend, copies: copies{}}
	exec, err := NewExec(backend, func(inputs []*Node) []*Node {
		inject.Panic()
		outputs, updates := build(store.RootScope(), inputs)
		p.updates = p.updates[:0]
		for _, u := range updates {
			p.updates = append(p.updates, u.variable)
		}
		outputs = withUpdates(outputs, updates)
		if err := affordable(backend, store, name, outputs); err != nil {
			panic(err)
		}
		return outputs
	})
	if err != nil {
		return nil, err
	}
	exec.WithName(name).SetMaxCache(-1)
	exec.SetSideParamsHook(func(g *Graph, buffers []compute.Buffer, _ []bool) error {
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
			parameter := int(g.GetParameterByName(v.Path()).GetParameterHandle()) // NodeValue is the new value where the program has one
			for i, device := range p.devices() {
				copied, err := p.copies.on(backend, device, value)
				if err != nil {
					return err
				}
				if buffers[i*g.NumParameters()+parameter], err = copied.Buffer(backend, device); err != nil {
					return err
				}
			}
		}
		if uploaded > collectBytes {
			debug.FreeOSMemory()
		}
		return nil
	})
	p.exec = exec
	return p, nil
}

// withUpdates are all results of a program: the outputs, then the new values of variables.
func withUpdates(outputs []*Node, updates []update) []*Node {
	for _, u := range updates {
		outputs = append(outputs, u.value)
	}
	return outputs
}

// compile does what the first call with such inputs would begin with.
func (p *program) compile(inputs ...any) error {
	return try(func() error {
		if _, err := p.exec.Compile(p.shapes(inputs)...); err != nil {
			return graphError(err, ErrDevice)
		}
		return nil
	})
}

func (p *program) call(inputs ...any) (outputs []*tensors.Tensor, err error) {
	err = try(func() error {
		if p.spread != nil {
			outputs, err = p.spreadCall(inputs)
		} else {
			outputs, err = p.exec.Call(inputs...)
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrInternal) {
		err = graphError(err, ErrDevice)
	}
	return outputs, err
}

// devices are those that the program runs on.
func (p *program) devices() []compute.DeviceNum {
	if p.spread == nil {
		return []compute.DeviceNum{0}
	}
	return p.spread.devices
}

func (p *program) close() { p.exec.Finalize() }

// zerosLike is a tensor of zeros in the shape of v.
func zerosLike(v *model.Variable) *tensors.Tensor { return tensors.FromShape(v.Shape()) }

// variables lists the variables of a store below the given scopes, sorted by path.
func variables(store *model.Store, scopes ...string) []*model.Variable {
	var found []*model.Variable
	for _, scope := range scopes {
		found = append(found, slices.Collect(store.Scope("/"+scope).IterVariables())...)
	}
	slices.SortFunc(found, func(a, b *model.Variable) int { return strings.Compare(a.Path(), b.Path()) })
	return found
}

// currentValue is the value of a variable that training uses.
func currentValue(v *model.Variable) (*tensors.Tensor, error) { return v.Value() }

// inferenceValue is the value of a variable that inference uses.
func (m *Model) inferenceValue(v *model.Variable) (*tensors.Tensor, error) {
	if t, ok := m.best[v.Path()]; ok && m.useBest {
		return t, nil
	}
	return v.Value()
}
