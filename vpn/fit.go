package vpn

import (
	"context"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/method"
)

// progressInterval is the shortest time between two reports within an epoch.
const progressInterval = 50 * time.Millisecond

// Progress tells how far a Fit has come.
type Progress struct {
	Phase    string // "compiling" (before and after), "training", or "epoch" (one has just ended)
	Epoch    int    // the current epoch, from 1
	Epochs   int    // their number
	Step     int64  // the current step of this fit, from 1
	Steps    int64  // their number
	Loss     float64
	Accuracy float64
	Elapsed  time.Duration
}

// FitOptions say how Fit trains.
type FitOptions struct {
	Epochs     int    `json:"epochs"`     // in total; 0: Config.Epochs
	Resume     bool   `json:"resume"`     // go on with the optimiser, history and random state
	Checkpoint string `json:"checkpoint"` // file to save the model to after every epoch; "" for none
	// Augment replaces Config.Augment from this Fit on. nil leaves it as it is, and an empty list
	// is no augmentation.
	Augment augment.List `json:"augment"`
	// Schedule replaces Config.Schedule from this Fit on. "" leaves it as it is.
	Schedule string                       `json:"schedule"`
	Progress func(p Progress) (stop bool) `json:"-"` // called now and then; true stops the training
}

// Fit trains the model on train. Every epoch trains on all images, in an order drawn anew. The last
// batch may be smaller than BatchSize. It is cut to a multiple of Config.Accumulate, the workers of
// a Share and the devices, taken together. It is left out with Config.DropLast, and where a batch
// norm would see one value per channel. A set smaller than BatchSize is one batch.
//
// Fit starts from the weights that the model has, with a fresh optimiser and history. With Resume
// it goes on where the last Fit stopped, up to Epochs in total.
//
// valid is the validation set, or nil. With it every epoch ends with an evaluation without noise,
// and inference uses the weights of the epoch with the best val_accuracy (Config.RestoreBest).
//
// Fit returns ErrCancelled if Cancel, ctx or Progress stops it. The model stays usable with the
// weights that it has by then, and Fit with Resume goes on from that step.
func (m *Model) Fit(ctx context.Context, train, valid *data.Dataset, o FitOptions) error {
	ctx, end, err := m.startTraining(ctx)
	if err != nil {
		return err
	}
	defer end()
	if o.Epochs < 0 || o.Epochs > math.MaxInt32 {
		return argumentError("FitOptions.Epochs is %d, want 1 to 2³¹−1, or 0 for the configuration's", o.Epochs)
	}
	f := &fit{model: m, ctx: ctx, options: o, start: time.Now(), epochs: o.Epochs}
	if f.epochs == 0 {
		f.epochs = m.net.Config.Epochs
	}
	if f.train, err = m.trainingFeed(train); err != nil {
		return err
	}
	defer f.train.close()
	undo, running := m.takeNames(f.train.set), false // before valid, whose classes may be in another order
	defer func() {
		if !running {
			undo()
		}
	}()
	if valid != nil {
		set, err := m.accept(valid, "the validation set", true)
		if err != nil {
			return err
		}
		if f.valid, err = m.newFeed(set); err != nil {
			return err
		}
		defer f.valid.close()
	}
	if err := cancelled(ctx); err != nil {
		return err
	}
	if f.plan, err = m.planEpoch(f.train.size); err != nil {
		return err
	}
	if err := m.reconfigure(o); err != nil {
		return err
	}
	if !o.Resume {
		if err := m.restart(); err != nil {
			return err
		}
	}
	running = true
	m.useBest = false
	err = f.run()
	m.useBest = m.best != nil
	if err == nil {
		err = m.warn(f.train)
	}
	return err
}

// reconfigure changes the schedule and the augmentation to those of the options. Another
// augmentation needs new training programs.
func (m *Model) reconfigure(o FitOptions) error {
	cfg := m.Config()
	if o.Schedule != "" {
		cfg.Schedule = o.Schedule
	}
	augmented := o.Augment != nil && !reflect.DeepEqual(o.Augment, cfg.Augment)
	if augmented {
		cfg.Augment = o.Augment
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	m.state.Lock()
	m.net.Config.Schedule, m.net.Config.Augment = cfg.Schedule, cfg.Augment
	m.state.Unlock()
	if augmented {
		return m.buildTraining()
	}
	return nil
}

// restart forgets the optimiser's state and the history. It keeps the weights that inference uses.
func (m *Model) restart() error {
	if err := m.adoptBest(); err != nil {
		return err
	}
	for _, v := range method.Variables(m.store, "optimizer") { // compiled training programs refer to them
		if err := v.SetValue(tensors.FromShape(v.Shape())); err != nil {
			return err
		}
	}
	m.state.Lock()
	defer m.state.Unlock()
	m.state.run, m.state.warnings = run{}, nil
	return nil
}

// fit is one call of Fit.
type fit struct {
	model    *Model
	ctx      context.Context
	options  FitOptions
	train    *feed
	valid    *feed // nil without validation data
	plan     epochPlan
	epochs   int // in total
	start    time.Time
	reported time.Time // when report was last called; zero before
	compiled []int     // the sizes of batches that the programs are compiled for, in images
}

// run trains the epochs that are left.
func (f *fit) run() error {
	if f.options.Resume && f.model.state.run.Step > 0 { // the last checkpoint may have failed
		if err := f.checkpoint(); err != nil {
			return err
		}
	}
	for f.model.state.run.Epoch < f.epochs && !f.outOfPatience() {
		row, err := f.epoch()
		if err != nil {
			return err
		}
		better, err := f.validate(&row)
		if err != nil {
			return err
		}
		f.finishEpoch(row, better)
		if err := f.checkpoint(); err != nil {
			return err
		}
		if f.report("epoch", row.Loss, row.Accuracy) {
			return cancelled(f.stopped())
		}
	}
	return nil
}

// checkpoint saves the model, if FitOptions.Checkpoint names a file.
func (f *fit) checkpoint() error {
	if f.options.Checkpoint == "" {
		return nil
	}
	return f.model.save(f.options.Checkpoint)
}

// outOfPatience says whether the best epoch is Config.Patience epochs ago.
func (f *fit) outOfPatience() bool {
	r, p := &f.model.state.run, f.model.net.Config.Patience
	return p > 0 && f.valid != nil && r.BestEpoch > 0 && r.Epoch-r.BestEpoch >= p
}

// stopped cancels the fit, because the caller's Progress asked to stop, and returns its context.
func (f *fit) stopped() context.Context {
	f.model.Cancel()
	return f.ctx
}

// epoch trains the batches of one epoch that are left.
func (f *fit) epoch() (Epoch, error) {
	r := &f.model.state.run
	order := permutation(f.model.net.Config.Seed, r.Epoch, f.train.size)
	b, err := f.train.batches(f.ctx, f.plan.serve(order, r.Batch, f.model), r.Epoch)
	if err != nil {
		return Epoch{}, err
	}
	defer b.close()
	for r.Batch < f.plan.batches() { // resumed with fewer images, none may be left
		if err := cancelled(f.ctx); err != nil {
			return Epoch{}, err
		}
		if err := f.batch(b); err != nil {
			return Epoch{}, err
		}
		if f.due() && f.report("training", r.Sums.mean(r.Sums.Loss), r.Sums.mean(r.Sums.Correct)) {
			return Epoch{}, cancelled(f.stopped())
		}
	}
	return r.Sums.epoch(r.Epoch+1, f.plan.size), nil
}

// batch makes the step on the next batch.
func (f *fit) batch(b *batches) error {
	r := &f.model.state.run
	began := time.Now()
	parts, err := b.parts(f.model.net.Config.Accumulate)
	defer freeParts(parts)
	if err != nil {
		return err
	}
	wait := time.Since(began)
	images := f.plan.images(r.Batch)
	if !slices.Contains(f.compiled, images) {
		if err := f.compile(parts); err != nil {
			return err
		}
		f.compiled = append(f.compiled, images)
		began = time.Now().Add(-wait)
	}
	metrics, err := f.model.step(parts, r.Epoch, f.epochs)
	if err != nil {
		return err
	}
	f.model.state.Lock()
	defer f.model.state.Unlock()
	r.Batch++
	r.Sums.add(metrics, float64(images)/float64(f.plan.size))
	r.Sums.Wait += wait.Seconds()
	r.Sums.Seconds += time.Since(began).Seconds()
	return nil
}

// compile compiles the training programs for batches in such parts, unless they are compiled. It
// reports before and after.
func (f *fit) compile(parts [][]*tensors.Tensor) error {
	if f.report("compiling", 0, 0) {
		return cancelled(f.stopped())
	}
	cfg := f.model.Config()
	if err := f.model.compileStep(&cfg, parts, f.model.state.run.Epoch, f.epochs); err != nil {
		return err
	}
	if f.report("compiling", 0, 0) { // not "training": whoever stops there would make no step
		return cancelled(f.stopped())
	}
	return nil
}

// validate fills the validation columns, and says whether the epoch is the best so far.
func (f *fit) validate(row *Epoch) (better bool, err error) {
	if f.valid == nil {
		return false, nil
	}
	logits, err := f.model.logitsOf(f.ctx, f.valid)
	if err != nil {
		return false, err
	}
	loss, accuracy := scoreLogits(logits, f.valid.set.Labels(), f.model.net.Config.Classes)
	row.ValLoss, row.ValAccuracy = Float(loss), Float(accuracy)
	r := &f.model.state.run
	// The accuracy of a frozen base, without noise, never changes: its generator's last epoch is
	// the best.
	return r.BestEpoch == 0 || accuracy > r.BestScore || f.model.net.Config.Mode == "frozen", nil
}

// finishEpoch adds a row to the history and keeps the weights of the best epoch.
func (f *fit) finishEpoch(row Epoch, better bool) {
	f.model.state.Lock()
	r := &f.model.state.run
	r.History = append(r.History, row)
	r.Epoch, r.Batch, r.Sums = row.Epoch, 0, sums{}
	if better {
		r.BestEpoch, r.BestScore = row.Epoch, float64(row.ValAccuracy)
	}
	f.model.state.Unlock()
	if better && f.model.net.Config.RestoreBest {
		f.model.dropBest()
		f.model.best = map[string]*tensors.Tensor{}
		for _, v := range method.Variables(f.model.store, "base", "generator") {
			f.model.best[v.Path()] = v.MustValue() // step leaves these tensors alone from now on
		}
	}
}

// due says whether the last report within an epoch is long enough ago.
func (f *fit) due() bool { return time.Since(f.reported) >= progressInterval }

// report calls Progress, and returns whether that asks to stop.
func (f *fit) report(phase string, loss, accuracy Float) (stop bool) {
	f.reported = time.Now()
	if f.options.Progress == nil {
		return false
	}
	r := &f.model.state.run
	steps := int64(f.plan.batches())
	epoch := min(r.Epoch+1, f.epochs)
	if phase == "epoch" {
		epoch = r.Epoch
	}
	return f.options.Progress(Progress{
		Phase: phase, Epoch: epoch, Epochs: f.epochs,
		Step: int64(r.Epoch)*steps + int64(r.Batch), Steps: int64(f.epochs) * steps,
		Loss: float64(loss), Accuracy: float64(accuracy), Elapsed: time.Since(f.start),
	})
}
