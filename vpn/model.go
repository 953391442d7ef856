package vpn

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// Model is a base classifier with its noise generator on one device. All its methods may be called
// from any goroutine. Calls that compute wait for one another. During Fit and TrainBatch they
// return ErrBusy instead.
type Model struct {
	backend compute.Backend
	net     *method.Network
	store   *model.Store

	programs     [programCount]*engine.Program // those of programTable
	partBatch    int                           // images in the batches that partProgram is built for
	partPrograms map[int]*engine.Program       // partProgram by partBatch
	share        *Share                        // of every batch; nil: all of it
	spread       *engine.Spread                // the devices that train
	copies       engine.Copies                 // of tensors on other devices than the first

	// imageBytes is the size of the largest value that inference computes for one image, by "base"
	// and "generator".
	imageBytes map[string]int

	mu      sync.Mutex // held by every call that computes; training holds it only to set fitting
	fitting bool

	state struct { // what History, Config and their like read while training goes on
		sync.Mutex
		run              run
		trained          bool           // the base's weights come from training or from a file
		generatorTrained bool           // the generator's weights do so
		parameters       map[string]int // their number, by "base" and "generator"
		warnings         []string
		cancel           context.CancelFunc
	}
	best    map[string]*tensors.Tensor // weights of the best epoch by path; nil when they are the current ones
	useBest bool                       // inference reads best, not the store
	closed  bool
}

// New makes a model of a configuration on a backend (see package device). If ImageShape or Classes
// is missing, the first data set gives it. The error says which option is wrong.
func New(cfg Config, backend compute.Backend) (*Model, error) {
	return newModelOf(cfg, backend, math.MaxInt)
}

// newModelOf is New for a model of at most so many parameters. A damaged file may claim to be of a
// larger model than its tensors are of.
func newModelOf(cfg Config, backend compute.Backend, parameters int) (*Model, error) {
	m, err := configured(cfg, backend)
	if err != nil {
		return nil, err
	}
	m.store.SetParam("/"+model.ParamInitialSeed, cfg.Seed)
	m.store.SetParam("/"+models.TorchInitial, cfg.InitialValues == "torch")
	if err := m.buildPrograms(); err != nil {
		return nil, err
	}
	if m.shaped() {
		err = m.createVariables(parameters)
	}
	return m, err
}

var errNoBackend = argumentError("backend is nil, want one from device.Open")

// configured makes a model without programs and weights.
func configured(cfg Config, backend compute.Backend) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if backend == nil {
		return nil, errNoBackend
	}
	if cfg.Classes == 0 {
		cfg.Classes = len(cfg.ClassNames)
	}
	net, err := method.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Model{
		backend: backend, net: net, store: model.NewStore(), copies: engine.Copies{},
		partPrograms: map[int]*engine.Program{},
	}, nil
}

// shaped says whether the sizes of images and the number of classes are known. The sizes of the
// weights follow from them.
func (m *Model) shaped() bool { return m.net.Config.ImageShape[0] > 0 && m.net.Config.Classes > 0 }

// setTrained notes that the weights of these parts, "base" or "generator", mean something.
func (m *Model) setTrained(parts ...string) {
	m.state.Lock()
	defer m.state.Unlock()
	m.state.trained = m.state.trained || slices.Contains(parts, "base")
	m.state.generatorTrained = m.state.generatorTrained || slices.Contains(parts, "generator")
}

// Close frees the device memory. The model cannot be used afterwards. A second Close does nothing.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fitting {
		return fault.Errorf(ErrBusy, "vpn: the model is training; cancel it before closing it")
	}
	if m.closed {
		return nil
	}
	m.closed = true
	m.copies.Prune(nil)
	m.closePartPrograms()
	for id := range programTable {
		m.closeProgram(programID(id))
	}
	m.dropBest()
	m.store.Finalize()
	return nil
}

// dropBest frees the weights of the best epoch that are not the current ones.
func (m *Model) dropBest() {
	for path, t := range m.best {
		if v := m.store.GetVariable(path); v == nil || v.MustValue() != t {
			engine.Free(t)
		}
	}
	m.best, m.useBest = nil, false
}

// adoptBest makes the weights of the best epoch the current ones, so that training starts from what
// inference used.
func (m *Model) adoptBest() error {
	for path, t := range m.best {
		v := m.store.GetVariable(path)
		if old := v.MustValue(); old != t {
			if err := v.SetValuePreservingOld(t); err != nil {
				return err
			}
			engine.Free(old)
		}
	}
	m.best, m.useBest = nil, false
	return nil
}

// Config returns the configuration, with the sizes that the data have given.
func (m *Model) Config() Config {
	m.state.Lock()
	defer m.state.Unlock()
	return m.net.Config
}

// Description is a summary of a model.
type Description struct {
	Config     Config         `json:"config"`
	Parameters map[string]int `json:"parameters"` // their number, by "base" and "generator"; empty before the sizes are known
	Epochs     int            `json:"epochs_done"`
	BestEpoch  int            `json:"best_epoch"` // 0 without validation data
	Trained    bool           `json:"trained"`
	Generator  bool           `json:"generator_trained"`
	Warnings   []string       `json:"warnings"`
}

// Describe summarises the model. It never waits for training.
func (m *Model) Describe() Description {
	m.state.Lock()
	defer m.state.Unlock()
	return Description{
		Config: m.net.Config, Parameters: m.state.parameters, Epochs: m.state.run.Epoch,
		BestEpoch: m.state.run.BestEpoch, Trained: m.state.trained, Generator: m.state.generatorTrained,
		Warnings: append([]string{}, m.state.warnings...),
	}
}
