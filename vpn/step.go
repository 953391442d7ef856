package vpn

import (
	"context"
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// step runs one training step on a batch, given as one part or as several of one size, and takes
// over the new weights. On an error the model is as it was.
func (m *Model) step(parts [][]*tensors.Tensor, epoch, epochs int) (Metrics, error) {
	cfg := m.Config()
	if len(parts) > 1 || m.share != nil {
		return m.stepInParts(&cfg, parts, epoch, epochs)
	}
	out, err := m.programs[stepProgram].Call(m.stepInputs(&cfg, parts[0], epoch, epochs)...)
	if err != nil {
		return Metrics{}, err
	}
	var got []float64
	if err := engine.Reading(func() error { got = engine.Floats(out[0]); return nil }); err != nil {
		engine.Free(out...)
		return Metrics{}, err
	}
	engine.Free(out[0])
	return m.takeOver(m.programs[stepProgram], out[1:], got, cfg.ScheduledRate(epoch, epochs))
}

// takeOver makes the results of a program the values of the variables that it updates. It returns
// the step's metrics from got, which holds them in the order of Metrics, without what does not
// exist.
func (m *Model) takeOver(p *engine.Program, results []*tensors.Tensor, got []float64, rate float64) (Metrics, error) {
	for i, v := range p.Updates {
		old := v.MustValue()
		if err := v.SetValuePreservingOld(results[i]); err != nil {
			return Metrics{}, err
		}
		if m.best[v.Path()] != old {
			engine.Free(old)
		}
	}
	m.pruneCopies()
	got = append(got, math.NaN(), math.NaN(), math.NaN())
	m.state.Lock()
	m.state.run.Step, m.state.trained, m.state.generatorTrained = min(m.state.run.Step+1, maxSteps), true, true
	m.state.Unlock()
	return Metrics{
		Loss: Float(got[0]), Accuracy: Float(got[1]),
		StdMean: Float(got[2]), StdMin: Float(got[3]), StdMax: Float(got[4]), LearningRate: Float(rate),
	}, nil
}

// stepInputs are the inputs of stepProgram at the next step. cfg is a copy of the configuration,
// which others may change meanwhile.
func (m *Model) stepInputs(cfg *Config, batch []*tensors.Tensor, epoch, epochs int) []any {
	number := m.state.run.Step + 1
	inputs := []any{batch[0], batch[1], randomState(cfg.Seed, streamTrain, number), m.rates(cfg, epoch, epochs)}
	if len(cfg.Augment) > 0 {
		inputs = append(inputs, randomState(cfg.Seed, streamAugment, number))
	}
	for _, weights := range batch[2:] {
		inputs = append(inputs, weights)
	}
	return inputs
}

// rates are the StepRates of the next step.
func (m *Model) rates(cfg *Config, epoch, epochs int) *tensors.Tensor {
	return engine.Vector(cfg.StepRates(m.state.run.Step+1, epoch, epochs), m.net.DType)
}

// TrainBatch makes one training step on all images of d, as one batch. Sample weights are relative
// to their mean over d. It compiles once per number of images.
func (m *Model) TrainBatch(ctx context.Context, d *data.Dataset) (Metrics, error) {
	ctx, end, err := m.startTraining(ctx)
	if err != nil {
		return Metrics{}, err
	}
	defer end()
	f, err := m.trainingFeed(d)
	if err != nil {
		return Metrics{}, err
	}
	defer f.close()
	if err := m.adoptBest(); err != nil {
		return Metrics{}, err
	}
	parts, err := f.whole(ctx)
	defer freeParts(parts)
	if err != nil {
		return Metrics{}, err
	}
	m.takeNames(f.set)
	return m.step(parts, min(m.state.run.Epoch, m.net.Config.Epochs-1), m.net.Config.Epochs)
}

// trainingFeed checks a training set, takes the model's missing sizes from it, and sends it to the
// device.
func (m *Model) trainingFeed(d *data.Dataset) (*feed, error) {
	set, err := m.accept(d, "the training set", true)
	if err != nil {
		return nil, err
	}
	if err := m.shapeFrom(set); err != nil {
		set.Close()
		return nil, err
	}
	if m.net.Config.Mode == "frozen" && !m.state.trained {
		set.Close()
		return nil, argumentError("Mode is frozen but the base has no trained weights: fit a model in mode plain or joint " +
			"and import its base weights first")
	}
	f, err := m.newFeed(set)
	if err != nil {
		return nil, err
	}
	if err := f.serveTraining(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// setPartBatch makes partProgram the one for batches of so many images. It builds a program for
// each size once and keeps it, because most epochs end with a batch of another size.
func (m *Model) setPartBatch(images int) error {
	m.partBatch = images
	m.programs[partProgram] = m.partPrograms[images]
	if m.programs[partProgram] != nil {
		return nil
	}
	if err := m.buildProgram(partProgram); err != nil {
		return err
	}
	m.partPrograms[images] = m.programs[partProgram]
	return nil
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
