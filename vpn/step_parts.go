package vpn

import (
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// setPartBatch builds partProgram for batches of so many images, unless it is built for them already.
func (m *Model) setPartBatch(images int) error {
	if m.programs[partProgram] != nil && m.partBatch == images {
		return nil
	}
	m.closeProgram(partProgram)
	m.partBatch = images
	return m.buildProgram(partProgram)
}

// sum is what the parts of a batch add up to, on the device.
type sum struct {
	values   *tensors.Tensor // gradients, statistics of batch norms and metrics: see method.Network.AddPart
	extremes *tensors.Tensor // least and largest σ
}

// newSum returns the sum of no parts.
func (m *Model) newSum() *sum {
	return &sum{
		values:   tensors.FromShape(shapes.Make(m.net.DType, m.net.SumSize(m.store))),
		extremes: engine.Vector([]float64{math.Inf(1), math.Inf(-1)}, m.net.DType),
	}
}

func (s *sum) free() { engine.Free(s.values, s.extremes) }

// partInputs are the inputs of partProgram for a part whose first image has position start in the
// batch.
func (m *Model) partInputs(s *sum, cfg *Config, part []*tensors.Tensor, start int) []any {
	in := m.stepInputs(cfg, part, 0, 1)
	ofPart := []any{s.values, s.extremes, tensors.FromScalar(int32(start))}
	return slices.Replace(in, 3, 4, ofPart...) // in the place of the rates
}

// add adds parts of a batch. The first image of the first part has position start in the batch.
func (m *Model) add(s *sum, cfg *Config, parts [][]*tensors.Tensor, start int) error {
	for _, part := range parts {
		out, err := m.programs[partProgram].Call(m.partInputs(s, cfg, part, start)...)
		if err != nil {
			return err
		}
		s.free()
		s.values, s.extremes = out[0], out[1]
		start += part[0].Shape().Dim(0)
	}
	return nil
}

// stepInParts is step for parts that together are the batch, or this model's share of it.
func (m *Model) stepInParts(cfg *Config, parts [][]*tensors.Tensor, epoch, epochs int) (Metrics, error) {
	images := len(parts) * parts[0][0].Shape().Dim(0)
	if err := m.setPartBatch(images * m.share.workers()); err != nil {
		return Metrics{}, err
	}
	s := m.newSum()
	defer func() { s.free() }()
	if err := m.add(s, cfg, parts, m.share.start(images)); err != nil {
		return Metrics{}, err
	}
	if err := m.share.add(s); err != nil {
		return Metrics{}, err
	}
	return m.applySum(s, cfg, epoch, epochs)
}

// applySum makes the optimiser's step from the sum of all parts.
func (m *Model) applySum(s *sum, cfg *Config, epoch, epochs int) (Metrics, error) {
	got, err := s.metrics(cfg.Mode != "plain")
	if err != nil {
		return Metrics{}, err
	}
	apply := m.programs[applyProgram]
	out, err := apply.Call(s.values, m.rates(cfg, epoch, epochs))
	if err != nil {
		return Metrics{}, err
	}
	return m.takeOver(apply, out, got, cfg.ScheduledRate(epoch, epochs))
}

// compileStep compiles the programs that step runs.
func (m *Model) compileStep(cfg *Config, parts [][]*tensors.Tensor, epoch, epochs int) error {
	if len(parts) == 1 && m.share == nil {
		return m.programs[stepProgram].Compile(m.stepInputs(cfg, parts[0], epoch, epochs)...)
	}
	if err := m.setPartBatch(len(parts) * parts[0][0].Shape().Dim(0) * m.share.workers()); err != nil {
		return err
	}
	s := m.newSum()
	defer s.free()
	if err := m.programs[partProgram].Compile(m.partInputs(s, cfg, parts[0], 0)...); err != nil {
		return err
	}
	return m.programs[applyProgram].Compile(s.values, m.rates(cfg, epoch, epochs))
}

// metrics reads what a sum tells of the batch: loss, accuracy and, with noise, mean, minimum and
// maximum of σ.
func (s *sum) metrics(noise bool) (got []float64, err error) {
	err = engine.Reading(func() error {
		all := s.values.Shape().Size()
		got = engine.FloatsFrom(s.values, all-method.SumMetrics)
		if !noise {
			got = got[:method.SumStd]
			return nil
		}
		got = append(got, engine.Floats(s.extremes)...)
		return nil
	})
	return got, err
}
