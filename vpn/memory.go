package vpn

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/data"
)

// Memory is about what work with a model takes at its peak, weights and data set included.
type Memory struct {
	Parameters int   `json:"parameters"`
	Training   Bytes `json:"training"`
	Inference  Bytes `json:"inference"` // without noise
	Classwise  Bytes `json:"classwise"` // 0 without a generator
}

// Bytes are those of the host, and of a device with memory of its own: 0 where it computes in the host's.
type Bytes struct {
	Host   int64 `json:"host_bytes"`
	Device int64 `json:"device_bytes"`
}

// EstimateMemory says what a model of a configuration, with ImageShape and Classes, takes on a backend with a data set of so
// many uint8 images in memory (0: with a stream); it makes neither. It builds the graphs and adds up the values that are alive at the same time.
func EstimateMemory(cfg Config, backend compute.Backend, images int) (*Memory, error) {
	m, err := configured(cfg, backend)
	if err != nil {
		return nil, err
	}
	if !m.shaped() {
		return nil, argumentError("ImageShape is %v and Classes is %d, want both to estimate memory", m.net.cfg.ImageShape, m.net.cfg.Classes)
	}
	if images < 0 || images > 1<<40 {
		return nil, argumentError("images is %d, want the number of images in memory, or 0", images)
	}
	m.store.SetParam("/"+models.ShapesOnly, true)
	e := &Memory{}
	if e.Parameters, err = m.planVariables(m.store); err != nil {
		return nil, err
	}
	const stream = 1 << 30 // images that fill every batch
	size := images
	if images == 0 {
		size = stream
	}
	if err := m.estimateInference(e, images, size); err != nil {
		return nil, err
	}
	return e, m.estimateTraining(e, images, size)
}

func (m *Model) estimateInference(e *Memory, images, size int) error {
	state := shapes.Make(dtypes.Uint64, 3)
	step, err := m.graphBytes(m.classifyGraph, m.imagesOf(m.noneChunk(size)))
	if err != nil {
		return err
	}
	e.Inference = m.bytes(step, images)
	if !m.hasGenerator() {
		return nil
	}
	if step, err = m.graphBytes(m.classwiseGraph, m.imagesOf(m.classwiseChunk(size)), state); err == nil {
		e.Classwise = m.bytes(step, images)
	}
	return err
}

func (m *Model) estimateTraining(e *Memory, images, size int) error {
	batch, state := min(m.net.cfg.BatchSize, size), shapes.Make(dtypes.Uint64, 3)
	parts := m.net.cfg.Accumulate
	part := max(1, batch/parts)
	in := []shapes.Shape{m.imagesOf(part), shapes.Make(labelDType, part), state}
	var augmented []shapes.Shape
	if len(m.net.cfg.Augment) > 0 {
		augmented = []shapes.Shape{state}
	}
	step, err := m.graphBytes(m.trainGraph, slices.Concat(in, []shapes.Shape{shapes.Make(m.net.dtype, 2)}, augmented)...)
	if err == nil && parts > 1 {
		m.whole = batch
		sum := []shapes.Shape{shapes.Make(m.net.dtype, m.sumSize()), shapes.Make(m.net.dtype, 2), shapes.Make(dtypes.Int32)}
		step, err = m.graphBytes(m.partGraph, slices.Concat(in, sum, augmented)...) // the other graph has made the optimiser's variables
	}
	if err != nil {
		return err
	}
	if m.net.cfg.RestoreBest { // with validation data, the weights of the best epoch
		step += storeBytes(m.store, "base", "generator")
	}
	e.Training = m.bytes(step, images)
	return nil
}

func (m *Model) imagesOf(batch int) shapes.Shape {
	s := m.net.cfg.ImageShape
	return shapes.Make(dtypes.Uint8, batch, s[0], s[1], s[2])
}

// bytes is what a step needs, with all weights that the store has by now and the data set.
func (m *Model) bytes(step int64, images int) Bytes {
	set := m.imagesOf(1).ByteSize() * int64(images)
	all := set + taken(m.backend, step, storeBytes(m.store, "base", "generator", "optimizer"))
	if m.backend.HasSharedBuffers() {
		return Bytes{Host: all}
	}
	return Bytes{Host: set + storeBytes(m.store, "base", "generator"), Device: all}
}

// graphBytes builds a program and returns what its values take.
func (m *Model) graphBytes(build buildFunc, inputs ...shapes.Shape) (bytes int64, err error) {
	err = try(func() error {
		g := NewGraph(m.backend, "estimate")
		defer g.Finalize()
		var in []*Node
		for i, shape := range inputs {
			in = append(in, Parameter(g, fmt.Sprintf("input%d", i), shape))
		}
		outputs, updates := build(m.store.RootScope(), in)
		bytes = peakBytes(withUpdates(outputs, updates), fuses(m.backend))
		return nil
	})
	return bytes, err
}

// fuses says whether a backend computes element-wise operations where their results are read: XLA does, pure Go does not.
func fuses(backend compute.Backend) bool { return backend.String() != gobackend.BackendName }

// taken is what a process takes for the values of a step and for weights that are alive. Go's heap grows to twice that before its
// garbage is collected (GOGC). Of XLA, the factor is what its arena and malloc lose, and the sum is about that of compiling and
// code: both as bench/memory.py has measured them.
func taken(backend compute.Backend, step, weights int64) int64 {
	if !fuses(backend) {
		return 2 * (step + weights)
	}
	return step*115/100 + weights + 32<<20
}

func storeBytes(store *model.Store, scopes ...string) (bytes int64) {
	for _, v := range variables(store, scopes...) {
		bytes += v.Shape().ByteSize()
	}
	return bytes
}

// What to lower where a program of that name does not fit.
var lower = map[string]string{
	"gather": "use fewer or smaller images", "train": "lower BatchSize or NoiseSamples",
	"classify": "lower EvalBatchSize", "classwise": "lower EvalBatchSize", "noise": "lower EvalBatchSize", "gradient": "lower EvalBatchSize", "statistics": "lower EvalBatchSize",
	"label noise": "lower EvalBatchSize", "gaussian noise": "lower EvalBatchSize",
}

// affordable is an error where the host has not the memory for a program and for the weights that are not on the device yet. What
// a device with memory of its own has is not known here.
func affordable(backend compute.Backend, store *model.Store, name string, outputs []*Node) error {
	if !backend.HasSharedBuffers() {
		return nil
	}
	var missing int64
	for v := range store.IterVariables() {
		if value, err := v.Value(); v.InUseByGraph(outputs[0].Graph()) && err == nil && !value.IsOnAnyDevice() {
			missing += v.Shape().ByteSize()
		}
	}
	need := taken(backend, peakBytes(outputs, fuses(backend)), missing)
	if have := data.AvailableMemory(); need > have {
		images := outputs[0].Graph().GetParameterByHandle(0).Shape()
		return shortage{memoryError(float64(need), have, lower[name], "program %s for images %s", name, images)}
	}
	return nil
}

// memoryError says what needs how much memory, how much there is, and what to do.
func memoryError(need float64, have int64, remedy, format string, args ...any) error {
	return data.Errorf(ErrMemory, "vpn: %s needs about %.1f GiB, %.1f GiB are available: %s",
		fmt.Sprintf(format, args...), need/(1<<30), float64(have)/(1<<30), remedy)
}
