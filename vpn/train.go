package vpn

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/random"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/data"
)

const labelDType = dtypes.Int32

// progressInterval is the shortest time between two reports of progress within an epoch.
const progressInterval = 50 * time.Millisecond

// Progress tells how far a Fit has come.
type Progress struct {
	Phase          string // "compiling" (before and after), "training", "epoch" (one has just ended)
	Epoch, Epochs  int    // the current epoch, from 1, and their number
	Step, Steps    int64  // the current step of this fit, from 1, and their number
	Loss, Accuracy float64
	Elapsed        time.Duration
}

// FitOptions are those of one Fit.
type FitOptions struct {
	Epochs     int    `json:"epochs"`     // total number of epochs; 0: Config.Epochs
	Resume     bool   `json:"resume"`     // go on with the optimiser, history and random state
	Checkpoint string `json:"checkpoint"` // file to save the model to after every epoch; "" for none
	// Augment takes the place of Config.Augment, from this Fit on: nil leaves it as it is, an empty list is none.
	Augment  augment.List                 `json:"augment"`
	Schedule string                       `json:"schedule"` // in place of Config.Schedule, from this Fit on; "" leaves it as it is
	Progress func(p Progress) (stop bool) `json:"-"`
}

// trainGraph is one training step: images (B, H, W, C), labels (B) or soft labels (B, K), random state (3), rates (2), another random state
// where images are augmented, weights (B) where they have them → loss, accuracy and, with noise, mean, minimum and maximum of σ (5; or 2),
// and the updates of everything that the mode trains.
func (m *Model) trainGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	o := m.net.trainingObjective(s, in[0], in[1], in[2], in[4:], nil)
	updates := m.net.trainingUpdates(s, o.loss, in[3])

	metrics := []*Node{o.loss, o.correct}
	if o.std != nil {
		metrics = append(metrics, ReduceAllMean(o.std), ReduceAllMin(o.std), ReduceAllMax(o.std))
	}
	return []*Node{Stack(metrics, 0)}, updates
}

// trainingObjective is the objective of a batch, or of a part of one: images (B, H, W, C), labels (B) or (B, K), random state (3), and in rest
// another random state where images are augmented, and weights (B) where they have them.
func (n *network) trainingObjective(s *model.Scope, images, labels, state *Node, rest []*Node, part *random.Part) objective {
	var augmentState, z, weights *Node
	if len(n.cfg.Augment) > 0 {
		augmentState, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		weights = rest[0]
	}
	x := n.trainingPixels(images, augmentState, part)
	if n.cfg.Mode != "plain" {
		dims := append([]int{x.Shape().Dim(0), n.cfg.NoiseSamples}, n.noiseDims(x)...)
		z = n.drawPart(state, shapes.Make(x.DType(), dims...), part)
	}
	return n.objective(s, x, labels, z, weights)
}

// trainingUpdates is the optimiser's step on what the mode trains, and what its batch norms have measured. A frozen base
// gets no gradient at all.
func (n *network) trainingUpdates(s *model.Scope, loss, rates *Node) (updates []update) {
	var trainable []*model.Variable
	var values []*Node
	for _, v := range variables(s.Store(), n.trained()...) {
		if !models.IsBuffer(v.Name()) {
			trainable, values = append(trainable, v), append(values, v.NodeValue(loss.Graph()))
		} else if v.ChangedInGraph(loss.Graph()) {
			updates = append(updates, update{v, v.NodeValue(loss.Graph())})
		}
	}
	for i, gradient := range Gradient(loss, values...) {
		updates = append(updates, n.optimizerUpdates(s, trainable[i], gradient, rates)...)
	}
	return updates
}

// step runs one training step on a batch, in one part or in several of one size, and takes over the new weights. On an error the
// model is as it was.
func (m *Model) step(parts [][]*tensors.Tensor, epoch, epochs int) (Metrics, error) {
	cfg := m.Config()
	if len(parts) > 1 || m.share != nil {
		return m.stepInParts(&cfg, parts, epoch, epochs)
	}
	out, err := m.train.call(m.stepInputs(&cfg, parts[0], epoch, epochs)...)
	if err != nil {
		return Metrics{}, err
	}
	var got []float64
	if err := reading(func() error { got = floats(out[0]); return nil }); err != nil {
		free(out...)
		return Metrics{}, err
	}
	free(out[0])
	return m.takeOver(m.train, out[1:], got, cfg.scheduledRate(epoch, epochs))
}

// takeOver makes the results of a step's program the values of the variables that it updates, and says what the step reports.
func (m *Model) takeOver(p *program, results []*tensors.Tensor, got []float64, rate float64) (Metrics, error) {
	for i, v := range p.updates {
		old := v.MustValue()
		if err := v.SetValuePreservingOld(results[i]); err != nil {
			return Metrics{}, err
		}
		if m.best[v.Path()] != old {
			free(old)
		}
	}
	m.pruneCopies()
	got = append(got, math.NaN(), math.NaN(), math.NaN())
	m.state.Lock()
	m.state.run.Step, m.state.trained, m.state.generatorTrained = m.state.run.Step+1, true, true
	m.state.Unlock()
	return Metrics{Float(got[0]), Float(got[1]), Float(got[2]), Float(got[3]), Float(got[4]), Float(rate)}, nil
}

// stepInputs are what the training program takes at the next step, with a configuration that nobody changes meanwhile.
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

// rates are those of the next step.
func (m *Model) rates(cfg *Config, epoch, epochs int) *tensors.Tensor {
	return m.net.vector(cfg.stepRates(m.state.run.Step+1, epoch, epochs))
}

// SetLearningRate changes Config.LearningRate from the next training step on; a schedule still multiplies it. It may be called at any time,
// also by FitOptions.Progress and while another goroutine trains.
func (m *Model) SetLearningRate(rate float64) error {
	m.state.Lock()
	defer m.state.Unlock()
	cfg := m.net.cfg
	cfg.LearningRate = rate
	if err := cfg.validateNumbers(); err != nil {
		return err
	}
	m.net.cfg.LearningRate = rate
	return nil
}

// vector is a tensor of the network's dtype.
func (n *network) vector(values []float64) *tensors.Tensor {
	if n.dtype == dtypes.Float64 {
		return tensors.FromFlatDataAndDimensions(values, len(values))
	}
	narrow := make([]float32, len(values))
	for i, v := range values {
		narrow[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(narrow, len(values))
}

// floats copies a float tensor to the host.
func floats(t *tensors.Tensor) (values []float64) {
	if t.DType() == dtypes.Float64 {
		return tensors.MustCopyFlatData[float64](t)
	}
	for _, v := range tensors.MustCopyFlatData[float32](t) {
		values = append(values, float64(v))
	}
	return values
}

// TrainBatch makes one training step on all images of d as one batch, which is the training set that weights are relative to. It compiles
// once per number of images.
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
	return m.step(parts, min(m.state.run.Epoch, m.net.cfg.Epochs-1), m.net.cfg.Epochs)
}

// startTraining claims the model for training until end is called; Cancel cancels the context it returns.
func (m *Model) startTraining(ctx context.Context) (cancellable context.Context, end func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, argumentError("the model is closed, want an open one")
	}
	if m.fitting {
		return nil, nil, data.Errorf(ErrBusy, "vpn: the model is already training; wait until it ends, or cancel it")
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

// cancellable makes Cancel reach a context.
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

// Cancel stops the running Fit, Predict, Noise or Evaluate within one step; it then returns ErrCancelled.
func (m *Model) Cancel() {
	m.state.Lock()
	defer m.state.Unlock()
	if m.state.cancel != nil {
		m.state.cancel()
	}
}

func cancelled(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return data.Errorf(ErrCancelled, "vpn: stopped on request")
}

// trainingFeed checks a training set, gives the model its sizes where they are missing, and makes it ready to be served.
func (m *Model) trainingFeed(d *data.Dataset) (*feed, error) {
	if err := m.accept(d, "the training set", true); err != nil {
		return nil, err
	}
	if err := m.shapeFrom(d); err != nil {
		return nil, err
	}
	if m.net.cfg.Mode == "frozen" && !m.state.trained {
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

// permutation is the order of n images in an epoch.
func permutation(seed int64, epoch, n int) []int32 {
	order := sequence(n)
	rng := rand.New(rand.NewPCG(uint64(seed), streamShuffle<<56|uint64(epoch)))
	rng.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

func sequence(n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}
