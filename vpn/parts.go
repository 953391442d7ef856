package vpn

import (
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/random"
	"github.com/govpn/govpn/models"
)

// A step can be made in parts: a program adds what a part of the batch gives to one flat vector, its sum, and another makes the step
// of the whole. The vector holds, in the order of the variables' paths, the gradients of what the mode trains and the running
// statistics that its batch norms would have; then loss, accuracy and mean of σ. Of a part of n of N images, all are means over the
// part times n/N, so that the sum over all parts is the mean over the batch.

// Behind the gradients and statistics.
const (
	sumLoss = iota
	sumCorrect
	sumStd
	sumMetrics // how many
)

// summed are the variables that a sum has values of: what the mode trains, without the counters of batch norms.
func (n *network) summed(s *model.Store) (found []*model.Variable) {
	for _, v := range variables(s, n.trained()...) {
		if v.DType().IsFloat() {
			found = append(found, v)
		}
	}
	return found
}

// sumSize is the length of a sum.
func (m *Model) sumSize() int {
	size := sumMetrics
	for _, v := range m.net.summed(m.store) {
		size += v.Shape().Size()
	}
	return size
}

// partGraph adds a part of a batch: images (B, H, W, C), labels (B) or (B, K), random state (3), sum (F), least and largest σ (2),
// position of the first image (scalar), another random state where images are augmented, weights (B) where they have them → sum (F),
// least and largest σ (2).
func (m *Model) partGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	images, sum, extremes, start := in[0], in[3], in[4], in[5]
	o := m.net.trainingObjective(s, images, in[1], in[2], in[6:], &random.Part{Of: m.whole, Start: start})
	var parameters, values []*Node
	summed := m.net.summed(s.Store())
	for _, v := range summed {
		if !models.IsBuffer(v.Name()) {
			parameters = append(parameters, v.NodeValue(sum.Graph()))
		}
	}
	gradients := Gradient(o.loss, parameters...)
	for _, v := range summed {
		if models.IsBuffer(v.Name()) {
			values = append(values, v.NodeValue(sum.Graph())) // what batch norm has made of it
			continue
		}
		values, gradients = append(values, gradients[0]), gradients[1:]
	}
	values = append(values, o.loss, o.correct)
	if o.std == nil {
		values = append(values, ZerosLike(o.loss))
		extremes = AddScalar(extremes, 0) // a value of its own
	} else {
		values = append(values, ReduceAllMean(o.std))
		least, largest := Slice(extremes, AxisRange(0, 1)), Slice(extremes, AxisRange(1))
		extremes = Concatenate([]*Node{Min(least, ReduceAllMin(o.std)), Max(largest, ReduceAllMax(o.std))}, 0)
	}
	for i, v := range values {
		values[i] = Reshape(v, v.Shape().Size())
	}
	share := float64(images.Shape().Dim(0)) / float64(m.whole)
	return []*Node{Add(sum, MulScalar(Concatenate(values, 0), share)), extremes}, nil
}

// applyGraph makes the step of a sum (F), at rates (2): the updates of everything that the mode trains.
func (m *Model) applyGraph(s *model.Scope, in []*Node) (_ []*Node, updates []update) {
	sum, rates, at := in[0], in[1], 0
	for _, v := range variables(s.Store(), m.net.trained()...) {
		if !v.DType().IsFloat() { // the counter of a batch norm
			updates = append(updates, update{v, OnePlus(v.NodeValue(sum.Graph()))})
			continue
		}
		size := v.Shape().Size()
		value := Reshape(Slice(sum, AxisRange(at, at+size)), v.Shape().Dimensions...)
		at += size
		if models.IsBuffer(v.Name()) {
			updates = append(updates, update{v, value})
		} else {
			updates = append(updates, m.net.optimizerUpdates(s, v, value, rates)...)
		}
	}
	return nil, updates
}

// partsOf makes the program of a part be one of batches of so many images.
func (m *Model) partsOf(images int) (err error) {
	if m.part != nil && m.whole == images {
		return nil
	}
	if m.part != nil {
		m.part.close()
	}
	if m.part, err = m.newProgram("train", currentValue, m.partGraph); err == nil {
		m.whole = images
		augmented := make([]bool, min(1, len(m.net.cfg.Augment)))
		m.part.over(m.spread, slices.Concat([]bool{true, true, false, false, false, false}, augmented, []bool{true})...)
	}
	return err
}

// sum is what parts of a batch add up to, on the device.
type sum struct{ values, extremes *tensors.Tensor }

func (m *Model) newSum() *sum {
	values := tensors.FromShape(shapes.Make(m.net.dtype, m.sumSize()))
	return &sum{values, m.net.vector([]float64{math.Inf(1), math.Inf(-1)})}
}

func (s *sum) free() { free(s.values, s.extremes) }

// partInputs are what the program of a part takes, whose images begin at start.
func (m *Model) partInputs(s *sum, cfg *Config, part []*tensors.Tensor, start int) []any {
	in := m.stepInputs(cfg, part, 0, 1)
	return slices.Replace(in, 3, 4, []any{s.values, s.extremes, tensors.FromScalar(int32(start))}...) // in the place of the rates
}

// add adds the parts of a batch, whose images begin at start.
func (m *Model) add(s *sum, cfg *Config, parts [][]*tensors.Tensor, start int) error {
	for _, part := range parts {
		out, err := m.part.call(m.partInputs(s, cfg, part, start)...)
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
	if err := m.partsOf(images * m.share.workers()); err != nil {
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

// applySum makes the optimiser's step.
func (m *Model) applySum(s *sum, cfg *Config, epoch, epochs int) (Metrics, error) {
	got, err := s.metrics(cfg.Mode != "plain")
	if err != nil {
		return Metrics{}, err
	}
	out, err := m.apply.call(s.values, m.rates(cfg, epoch, epochs))
	if err != nil {
		return Metrics{}, err
	}
	return m.takeOver(m.apply, out, got, cfg.scheduledRate(epoch, epochs))
}

// compileStep compiles the programs of step.
func (m *Model) compileStep(cfg *Config, parts [][]*tensors.Tensor, epoch, epochs int) error {
	if len(parts) == 1 && m.share == nil {
		return m.train.compile(m.stepInputs(cfg, parts[0], epoch, epochs)...)
	}
	if err := m.partsOf(len(parts) * parts[0][0].Shape().Dim(0) * m.share.workers()); err != nil {
		return err
	}
	s := m.newSum()
	defer s.free()
	if err := m.part.compile(m.partInputs(s, cfg, parts[0], 0)...); err != nil {
		return err
	}
	return m.apply.compile(s.values, m.rates(cfg, epoch, epochs))
}

// metrics reads what a sum tells of the batch: loss, accuracy and, with noise, mean, minimum and maximum of σ.
func (s *sum) metrics(noise bool) (got []float64, err error) {
	err = reading(func() error {
		all := s.values.Shape().Size()
		got = tail(s.values, all-sumMetrics)
		if !noise {
			got = got[:sumStd]
			return nil
		}
		got = append(got, floats(s.extremes)...)
		return nil
	})
	return got, err
}

// tail copies the values of a float tensor from a position on to the host.
func tail(t *tensors.Tensor, from int) (values []float64) {
	if t.DType() == dtypes.Float64 {
		tensors.MustConstFlatData(t, func(flat []float64) { values = append(values, flat[from:]...) })
		return values
	}
	tensors.MustConstFlatData(t, func(flat []float32) {
		for _, v := range flat[from:] {
			values = append(values, float64(v))
		}
	})
	return values
}
