package vpn

import (
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// programID is the position of a program in programTable and in Model.programs.
type programID int

// The programs of a model.
const (
	gatherProgram programID = iota
	classifyProgram
	classwiseProgram
	labelNoiseProgram
	gaussianNoiseProgram
	noiseProgram
	gradientProgram
	statisticsProgram
	changesProgram
	stepProgram
	partProgram
	applyProgram
	programCount
)

// programRow declares a program. Its graph is a method of method.Network, which describes inputs
// and outputs.
type programRow struct {
	name   string // for error messages
	remedy string // for error messages: what to do if memory is short
	build  func(m *Model) engine.BuildFunc

	// A training program reads the weights that training changes, where others read those of the
	// best epoch. It runs on all devices of the model, and is built anew if these or the
	// augmentation change.
	training bool
	// batched says of each input of a training program whether its first axis are the images of a
	// batch. buildProgram adds the inputs that follow: another random state where images are
	// augmented, and weights.
	batched []bool
	// onDemand programs are built when the size of their batch is known, by setPartBatch, once for
	// each size.
	onDemand bool
}

// programTable declares every program of a model.
var programTable = [programCount]programRow{
	gatherProgram: {
		name: "gather", remedy: "use fewer or smaller images",
		build: func(*Model) engine.BuildFunc { return gatherBatch },
	},
	classifyProgram: {
		name: "classify", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.Classify },
	},
	classwiseProgram: {
		name: "classwise", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.Classwise },
	},
	labelNoiseProgram: {
		name: "label noise", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.LabelNoise },
	},
	gaussianNoiseProgram: {
		name: "gaussian noise", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.GaussianNoise },
	},
	noiseProgram: {
		name: "noise", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.StdOrSample },
	},
	gradientProgram: {
		name: "gradient", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.InputGradient },
	},
	statisticsProgram: {
		name: "statistics", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.StdStatistics },
	},
	changesProgram: {
		name: "changes", remedy: "lower EvalBatchSize",
		build: func(m *Model) engine.BuildFunc { return m.net.StdChanges },
	},
	stepProgram: {
		name: "train", remedy: "lower BatchSize or NoiseSamples", training: true,
		build:   func(m *Model) engine.BuildFunc { return m.net.Step },
		batched: []bool{true, true, false, false}, // images, labels, state, rates
	},
	partProgram: {
		name: "train", remedy: "lower BatchSize or NoiseSamples", training: true, onDemand: true,
		build:   func(m *Model) engine.BuildFunc { return m.net.AddPart(m.partBatch) },
		batched: []bool{true, true, false, false, false, false}, // images, labels, state, sum, extremes, start
	},
	applyProgram: {
		name: "train", remedy: "lower BatchSize or NoiseSamples", training: true,
		build:   func(m *Model) engine.BuildFunc { return m.net.ApplySum },
		batched: []bool{false, false}, // sum, rates
	},
}

// buildPrograms declares the programs. Each compiles at its first call.
func (m *Model) buildPrograms() error {
	for id, row := range programTable {
		if row.training {
			continue
		}
		if err := m.buildProgram(programID(id)); err != nil {
			return err
		}
	}
	return m.buildTraining()
}

// buildTraining declares the programs of training anew.
func (m *Model) buildTraining() error {
	for id, row := range programTable {
		if !row.training {
			continue
		}
		if row.onDemand {
			m.closePartPrograms()
			continue
		}
		m.closeProgram(programID(id))
		if err := m.buildProgram(programID(id)); err != nil {
			return err
		}
	}
	return nil
}

// buildProgram declares one program.
func (m *Model) buildProgram(id programID) error {
	row := &programTable[id]
	read := m.inferenceValue
	if row.training {
		read = engine.CurrentValue
	}
	p, err := engine.NewProgram(m.backend, m.store, engine.Spec{
		Name: row.name, Remedy: row.remedy, Read: read, Build: row.build(m), Copies: m.copies,
	})
	if err != nil {
		return err
	}
	if row.training {
		augmented := make([]bool, min(1, len(m.net.Config.Augment)))
		p.SpreadOver(m.spread, slices.Concat(row.batched, augmented, []bool{true})...)
	}
	m.programs[id] = p
	return nil
}

// closeProgram frees one program, where there is one.
func (m *Model) closeProgram(id programID) {
	m.programs[id].Close()
	m.programs[id] = nil
}

// closePartPrograms frees partProgram for all sizes of batches.
func (m *Model) closePartPrograms() {
	for _, p := range m.partPrograms {
		p.Close()
	}
	clear(m.partPrograms)
	m.programs[partProgram] = nil
}

// inferenceValue is the value of a variable that inference uses: that of the best epoch, where
// Config.RestoreBest keeps one.
func (m *Model) inferenceValue(v *model.Variable) (*tensors.Tensor, error) {
	if t, ok := m.best[v.Path()]; ok && m.useBest {
		return t, nil
	}
	return v.Value()
}

// gatherBatch is the program that makes a batch: images (S, H, W, C), indices (N), positions (B),
// labels (N) or soft labels (N, K), and perhaps weights (N) → (B, H, W, C), (B) or (B, K), and
// perhaps (B).
func gatherBatch(_ *model.Scope, in []*Node) ([]*Node, []method.Update) {
	images, indices, positions := in[0], in[1], InsertAxes(in[2], -1)
	out := []*Node{Gather(images, InsertAxes(Gather(indices, positions), -1))}
	for _, values := range in[3:] {
		out = append(out, Gather(values, positions))
	}
	return out, nil
}
