package vpn

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// Memory estimates what work with a model takes at its peak, weights and data set included.
type Memory struct {
	Parameters int   `json:"parameters"`
	Training   Bytes `json:"training"`
	Inference  Bytes `json:"inference"` // without noise
	Classwise  Bytes `json:"classwise"` // 0 without a generator
}

// Bytes are the bytes of the host and those of a device with memory of its own. Device is 0 for a
// device that computes in the host's memory.
type Bytes struct {
	Host   int64 `json:"host_bytes"`
	Device int64 `json:"device_bytes"`
}

// EstimateMemory says what a model of a configuration takes on a backend. The configuration must
// have ImageShape and Classes. images is the number of uint8 images in memory; 0 stands for a
// stream. It makes neither model nor data set: it builds the graphs, and adds up the values that
// are alive at the same time.
func EstimateMemory(cfg Config, backend compute.Backend, images int) (*Memory, error) {
	m, err := configured(cfg, backend)
	if err != nil {
		return nil, err
	}
	if !m.shaped() {
		return nil, argumentError("ImageShape is %v and Classes is %d, want both to estimate memory",
			m.net.Config.ImageShape, m.net.Config.Classes)
	}
	if images < 0 || images > 1<<40 {
		return nil, argumentError("images is %d, want the number of images in memory, or 0", images)
	}
	if s := m.net.Config.ImageShape; float64(images)*float64(m.imagesShape(1).ByteSize()) > mostBytes {
		return nil, argumentError("images is %d with images of %d×%d×%d, want at most 2⁵² bytes in all",
			images, s[0], s[1], s[2])
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

// estimateInference fills in what inference takes on size images, of which so many are in memory.
func (m *Model) estimateInference(e *Memory, images, size int) error {
	state, passes := shapes.Make(dtypes.Uint64, 3), 1
	if m.net.Config.HasGenerator() {
		passes = m.net.Config.Classes
	}
	if err := m.checkSize(m.noneChunk(size), passes, programTable[classifyProgram].remedy); err != nil {
		return err
	}
	step, err := m.programBytes(classifyProgram, m.imagesShape(m.noneChunk(size)))
	if err != nil {
		return err
	}
	e.Inference = m.bytes(step, images)
	if !m.net.Config.HasGenerator() {
		return nil
	}
	if step, err = m.programBytes(classwiseProgram, m.imagesShape(m.classwiseChunk(size)), state); err == nil {
		e.Classwise = m.bytes(step, images)
	}
	return err
}

// estimateTraining fills in what training takes on size images, of which so many are in memory.
func (m *Model) estimateTraining(e *Memory, images, size int) error {
	batch, state := min(m.net.Config.BatchSize, size), shapes.Make(dtypes.Uint64, 3)
	parts := m.net.Config.Accumulate
	part := max(1, batch/parts)
	if err := m.checkSize(part, m.net.Config.NoiseSamples, programTable[stepProgram].remedy); err != nil {
		return err
	}
	in := []shapes.Shape{m.imagesShape(part), shapes.Make(method.LabelDType, part), state}
	var augmented []shapes.Shape
	if len(m.net.Config.Augment) > 0 {
		augmented = []shapes.Shape{state}
	}
	rates := []shapes.Shape{shapes.Make(m.net.DType, 2)}
	step, err := m.programBytes(stepProgram, slices.Concat(in, rates, augmented)...)
	if err == nil && parts > 1 { // the graph of stepProgram has made the optimiser's variables
		m.partBatch = batch
		sum := []shapes.Shape{
			shapes.Make(m.net.DType, m.net.SumSize(m.store)), shapes.Make(m.net.DType, 2), shapes.Make(dtypes.Int32),
		}
		step, err = m.programBytes(partProgram, slices.Concat(in, sum, augmented)...)
	}
	if err != nil {
		return err
	}
	if m.net.Config.RestoreBest { // with validation data, the weights of the best epoch
		step += engine.StoreBytes(m.store, "base", "generator")
	}
	e.Training = m.bytes(step, images)
	return nil
}

// programBytes is how many bytes the values of a program take for inputs of these shapes.
func (m *Model) programBytes(id programID, inputs ...shapes.Shape) (int64, error) {
	return engine.GraphBytes(m.backend, m.store, programTable[id].build(m), inputs...)
}

// imagesShape is the shape of so many stored images.
func (m *Model) imagesShape(images int) shapes.Shape {
	s := m.net.Config.ImageShape
	return shapes.Make(dtypes.Uint8, images, s[0], s[1], s[2])
}

// bytes is what a step takes, with all weights that the store has by now and with the data set.
func (m *Model) bytes(step int64, images int) Bytes {
	set := m.imagesShape(1).ByteSize() * int64(images)
	all := set + engine.ProcessBytes(m.backend, step, engine.StoreBytes(m.store, "base", "generator", "optimizer"))
	if m.backend.HasSharedBuffers() {
		return Bytes{Host: all}
	}
	return Bytes{Host: set + engine.StoreBytes(m.store, "base", "generator"), Device: all}
}
