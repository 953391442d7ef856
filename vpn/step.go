package vpn

import (
	"context"
	"math"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// step runs one training step on a batch, given as one part or as several of one size, and takes over
// the new weights. On an error the model is as it was.
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

// takeOver makes the results of a program the values of the variables that it updates. It returns the
// step's metrics from got, which holds them in the order of Metrics, without what does not exist.
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
	m.state.run.Step, m.state.trained, m.state.generatorTrained = m.state.run.Step+1, true, true
	m.state.Unlock()
	return Metrics{
		Loss: Float(got[0]), Accuracy: Float(got[1]),
		StdMean: Float(got[2]), StdMin: Float(got[3]), StdMax: Float(got[4]), LearningRate: Float(rate),
	}, nil
}

// stepInputs are the inputs of stepProgram at the next step. cfg is a copy of the configuration, which
// others may change meanwhile.
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

// SetLearningRate changes Config.LearningRate from the next training step on. A schedule still
// multiplies it. It may be called at any time, also by FitOptions.Progress and while another goroutine
// trains.
func (m *Model) SetLearningRate(rate float64) error {
	m.state.Lock()
	defer m.state.Unlock()
	cfg := m.net.Config
	cfg.LearningRate = rate
	if err := cfg.Validate(); err != nil {
		return err
	}
	m.net.Config.LearningRate = rate
	return nil
}

// TrainBatch makes one training step on all images of d, as one batch. Sample weights are relative to
// their mean over d. It compiles once per number of images.
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
	return m.step(parts, min(m.state.run.Epoch, m.net.Config.Epochs-1), m.net.Config.Epochs)
}

// startTraining claims the model for training until end is called. Cancel cancels the context that it
// returns.
func (m *Model) startTraining(ctx context.Context) (cancellable context.Context, end func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, argumentError("the model is closed, want an open one")
	}
	if m.fitting {
		return nil, nil, fault.Errorf(ErrBusy, "vpn: the model is already training; wait until it ends, or cancel it")
	}
	m.fitting = true
	ctx, release := m.cancellable(ctx)
	return ctx, func() {
		release()
		m.mu.Lock()
		m.fitting = false
		m.mu.Unlock()
	}, nil
}

// cancellable returns a context that Cancel cancels, and a function that releases it.
func (m *Model) cancellable(ctx context.Context) (context.Context, func()) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithCancel(ctx)
	m.state.Lock()
	m.state.cancel = cancel
	m.state.Unlock()
	return ctx, cancel
}

// Cancel stops the running Fit, Predict, Noise or Evaluate within one step. That call then returns
// ErrCancelled.
func (m *Model) Cancel() {
	m.state.Lock()
	defer m.state.Unlock()
	if m.state.cancel != nil {
		m.state.cancel()
	}
}

// cancelled returns ErrCancelled if a context has ended.
func cancelled(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.Errorf(ErrCancelled, "vpn: stopped on request")
}

// trainingFeed checks a training set, takes the model's missing sizes from it, and sends it to the
// device.
func (m *Model) trainingFeed(d *data.Dataset) (*feed, error) {
	if err := m.accept(d, "the training set", true); err != nil {
		return nil, err
	}
	if err := m.shapeFrom(d); err != nil {
		return nil, err
	}
	if m.net.Config.Mode == "frozen" && !m.state.trained {
		return nil, argumentError("Mode is frozen but the base has no trained weights: fit a model in mode plain or joint " +
			"and import its base weights first")
	}
	f, err := m.newFeed(d)
	if err != nil {
		return nil, err
	}
	if err := f.serveTraining(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}
