package engine

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/hostmemory"
	"github.com/govpn/govpn/vpn/method"
)

// StoreBytes is how many bytes the variables below the given scopes of a store have.
func StoreBytes(store *model.Store, scopes ...string) (bytes int64) {
	for _, v := range method.Variables(store, scopes...) {
		bytes += v.Shape().ByteSize()
	}
	return bytes
}

// ProcessBytes estimates how many bytes a process takes for the values of a step and for weights
// that are alive.
//
// On the pure-Go backend, Go's heap grows to twice what is alive before garbage is collected
// (GOGC). On XLA, the factor is what its arena and malloc lose, and the sum is about what compiling
// and code take. Both are as bench/memory.py has measured them.
func ProcessBytes(backend compute.Backend, step, weights int64) int64 {
	if !method.Fuses(backend) {
		return 2 * (step + weights)
	}
	return step*115/100 + weights + 32<<20
}

// GraphBytes builds a program for inputs of the given shapes, and returns how many bytes its values
// take at most at the same time.
func GraphBytes(backend compute.Backend, store *model.Store, build BuildFunc, inputs ...shapes.Shape) (bytes int64, err error) {
	err = Try(func() error {
		g := NewGraph(backend, "estimate")
		defer g.Finalize()
		var in []*Node
		for i, shape := range inputs {
			in = append(in, Parameter(g, fmt.Sprintf("input%d", i), shape))
		}
		outputs, updates := build(store.RootScope(), in)
		bytes = peakBytes(withUpdates(outputs, updates), method.Fuses(backend))
		return nil
	})
	return bytes, err
}

// checkMemory returns an error if the host lacks the memory for a program and for those of its
// weights that are not on the device yet. It knows nothing of a device with memory of its own.
func checkMemory(backend compute.Backend, store *model.Store, name, remedy string, outputs []*Node) error {
	if !backend.HasSharedBuffers() {
		return nil
	}
	var missing int64
	for v := range store.IterVariables() {
		if value, err := v.Value(); v.InUseByGraph(outputs[0].Graph()) && err == nil && !value.IsOnAnyDevice() {
			missing += v.Shape().ByteSize()
		}
	}
	need := ProcessBytes(backend, peakBytes(outputs, method.Fuses(backend)), missing)
	if have := hostmemory.Available(); need > have {
		images := outputs[0].Graph().GetParameterByHandle(0).Shape()
		return shortage{error: MemoryError(float64(need), have, remedy, "program %s for images %s", name, images)}
	}
	return nil
}
