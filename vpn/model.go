package vpn

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/vpn/data"
)

// Model is a base classifier with its noise generator on one device. All its methods may be called from any
// goroutine: calls that compute wait for one another, except during Fit and TrainBatch, when they answer ErrBusy.
type Model struct {
	backend compute.Backend
	net     *network
	store   *model.Store

	gather                                                               *program
	train, classify, classwise, deviation, gradient, statistics, changes *program
	labelNoise, gaussian                                                 *program

	part, apply *program // of a step in parts; part, nil at first, is of batches of so many images
	whole       int
	share       *Share // of every batch; nil: all of it
	spread      *spread
	copies      copies

	imageBytes map[string]int // "base", "generator": of the largest value that inference computes of one image

	mu      sync.Mutex // held by every call that computes; by training, only to set fitting
	fitting bool

	state struct { // what History, Config and the like read while training goes on
		sync.Mutex
		run              run
		trained          bool           // the base's weights come from training or from a file
		generatorTrained bool           // so do the generator's
		parameters       map[string]int // "base", "generator": how many
		warnings         []string
		cancel           context.CancelFunc
	}
	best    map[string]*tensors.Tensor // weights of the best epoch by path; nil when they are the current ones
	useBest bool                       // inference reads best, not the store
	closed  bool
}

// New makes a model of a valid configuration on a backend (see package device). Where ImageShape or Classes is
// missing, the first data set gives them.
func New(cfg Config, backend compute.Backend) (*Model, error) {
	return newModelOf(cfg, backend, math.MaxInt)
}

// newModelOf is New for a model of at most so many parameters: those of a file, which may say that it is another's.
func newModelOf(cfg Config, backend compute.Backend, parameters int) (*Model, error) {
	m, err := configured(cfg, backend)
	if err != nil {
		return nil, err
	}
	m.store.SetParam("/"+model.ParamInitialSeed, cfg.Seed)
	if err := m.buildPrograms(); err != nil {
		return nil, err
	}
	if m.shaped() {
		err = m.createVariables(parameters)
	}
	return m, err
}

// configured is a model without programs and weights.
func configured(cfg Config, backend compute.Backend) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if backend == nil {
		return nil, argumentError("backend is nil, want one from device.Open")
	}
	if cfg.Classes == 0 {
		cfg.Classes = len(cfg.ClassNames)
	}
	net, err := newNetwork(cfg)
	if err != nil {
		return nil, err
	}
	return &Model{backend: backend, net: net, store: model.NewStore(), copies: copies{}}, nil
}

// buildPrograms declares the programs; each compiles at its first call.
func (m *Model) buildPrograms() error {
	for _, p := range []struct {
		to    **program
		name  string
		read  values
		build buildFunc
	}{
		{&m.gather, "gather", currentValue, gatherBatch},
		{&m.classify, "classify", m.inferenceValue, m.classifyGraph},
		{&m.classwise, "classwise", m.inferenceValue, m.classwiseGraph},
		{&m.labelNoise, "label noise", m.inferenceValue, m.labelNoiseGraph},
		{&m.gaussian, "gaussian noise", m.inferenceValue, m.gaussianGraph},
		{&m.deviation, "noise", m.inferenceValue, m.noiseGraph},
		{&m.gradient, "gradient", m.inferenceValue, m.gradientGraph},
		{&m.statistics, "statistics", m.inferenceValue, m.statisticsGraph},
		{&m.changes, "changes", m.inferenceValue, m.changesGraph},
	} {
		var err error
		if *p.to, err = m.newProgram(p.name, p.read, p.build); err != nil {
			return err
		}
	}
	return m.buildTraining()
}

// buildTraining declares the programs of training anew.
func (m *Model) buildTraining() (err error) {
	for _, p := range []**program{&m.train, &m.apply, &m.part} {
		if *p != nil {
			(*p).close()
			*p = nil
		}
	}
	if m.train, err = m.newProgram("train", currentValue, m.trainGraph); err != nil {
		return err
	}
	augmented := make([]bool, min(1, len(m.net.cfg.Augment)))
	m.train.over(m.spread, slices.Concat([]bool{true, true, false, false}, augmented, []bool{true})...)
	if m.apply, err = m.newProgram("train", currentValue, m.applyGraph); err == nil {
		m.apply.over(m.spread, false)
	}
	return err
}

// newProgram is a program of the model.
func (m *Model) newProgram(name string, read values, build buildFunc) (*program, error) {
	p, err := newProgram(m.backend, m.store, name, read, build)
	if err == nil {
		p.copies = m.copies
	}
	return p, err
}

// shaped says whether the sizes of images and classes are known, and with them those of the weights.
func (m *Model) shaped() bool { return m.net.cfg.ImageShape[0] > 0 && m.net.cfg.Classes > 0 }

// setTrained notes that the weights of these parts are worth something.
func (m *Model) setTrained(parts ...string) {
	m.state.Lock()
	defer m.state.Unlock()
	m.state.trained = m.state.trained || slices.Contains(parts, "base")
	m.state.generatorTrained = m.state.generatorTrained || slices.Contains(parts, "generator")
}

// hasGenerator says whether this mode trains a generator.
func (c *Config) hasGenerator() bool { return c.Mode == "joint" || c.Mode == "frozen" }

func (m *Model) hasGenerator() bool { return m.net.cfg.hasGenerator() }

// accept checks a data set against the model; a model without sizes takes them from it.
func (m *Model) accept(d *data.Dataset, name string, labelled bool) error {
	if d == nil {
		return argumentError("%s is nil, want a data set", name)
	}
	h, w, c := d.Shape()
	shape, want := [3]int{h, w, c}, m.net.cfg.ImageShape
	if want != [3]int{} && shape != want {
		return argumentError("%s has images of %d×%d×%d, want %d×%d×%d as the model", name, h, w, c, want[0], want[1], want[2])
	}
	if labelled && d.Labels() == nil {
		return argumentError("%s has no labels, want one per image", name)
	}
	if k := m.net.cfg.Classes; labelled && k > 0 {
		if d.SoftLabels() != nil && d.Classes() != k {
			return argumentError("%s has soft labels of %d classes, want %d, the model's number of classes", name, d.Classes(), k)
		}
		for i, y := range d.Labels() {
			if int(y) >= k {
				return argumentError("%s has label %d at index %d, want labels below %d, the model's number of classes", name, y, i, k)
			}
		}
	}
	return nil
}

// shapeFrom takes missing sizes from a training set and creates the weights.
func (m *Model) shapeFrom(d *data.Dataset) error {
	if m.shaped() {
		return nil
	}
	old := m.Config()
	cfg := old
	h, w, c := d.Shape()
	cfg.ImageShape = [3]int{h, w, c}
	if cfg.Classes == 0 {
		cfg.Classes, cfg.ClassNames = d.Classes(), d.ClassNames()
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	set := func(c Config) {
		m.state.Lock()
		defer m.state.Unlock()
		m.net.cfg.ImageShape, m.net.cfg.Classes, m.net.cfg.ClassNames = c.ImageShape, c.Classes, c.ClassNames
	}
	set(cfg)
	err := m.createVariables(math.MaxInt)
	if err != nil {
		set(old)
	}
	return err
}

// use begins a call that computes, and done ends it. Inference needs weights, training makes them.
func (m *Model) use() (done func(), err error) {
	m.mu.Lock()
	switch {
	case m.closed:
		err = argumentError("the model is closed, want an open one")
	case m.fitting:
		err = data.Errorf(ErrBusy, "vpn: the model is training; wait until it ends, or cancel it")
	case !m.state.trained:
		err = argumentError("the model has no weights: fit it, or import weights, first")
	}
	if err != nil {
		m.mu.Unlock()
		return nil, err
	}
	return m.mu.Unlock, nil
}

// Close frees the device memory. The model cannot be used afterwards.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fitting {
		return data.Errorf(ErrBusy, "vpn: the model is training; cancel it before closing it")
	}
	if m.closed {
		return nil
	}
	m.closed = true
	m.copies.prune(nil)
	for _, p := range []*program{m.gather, m.train, m.classify, m.classwise, m.deviation, m.gradient, m.statistics, m.changes, m.labelNoise, m.gaussian, m.apply} {
		p.close()
	}
	if m.part != nil {
		m.part.close()
	}
	m.dropBest()
	m.store.Finalize()
	return nil
}

// dropBest forgets the weights of the best epoch.
func (m *Model) dropBest() {
	for path, t := range m.best {
		if v := m.store.GetVariable(path); v == nil || v.MustValue() != t {
			free(t)
		}
	}
	m.best, m.useBest = nil, false
}

// adoptBest makes the weights of the best epoch the current ones: what inference used, training starts from.
func (m *Model) adoptBest() error {
	for path, t := range m.best {
		v := m.store.GetVariable(path)
		if old := v.MustValue(); old != t {
			if err := v.SetValuePreservingOld(t); err != nil {
				return err
			}
			free(old)
		}
	}
	m.best, m.useBest = nil, false
	return nil
}

// Config is the configuration, with the sizes that data have given.
func (m *Model) Config() Config {
	m.state.Lock()
	defer m.state.Unlock()
	return m.net.cfg
}
