package vpn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/vpn/data"
)

// A saved model is a safetensors file: the weights ("base.fc1.weight"), those of the best epoch ("best.base.…"), the
// optimiser's state ("optimizer.…"), and as metadata the format's version, the configuration, the run (epoch, step,
// history: the random state follows from seed and step) and a SHA-256 over all of these.
const (
	checkpointVersion = "1"
	metadataVersion   = "govpn.version"
)

// tensorName is the PyTorch name of a variable: "/base/fc1/weight" → "base.fc1.weight".
func tensorName(v *model.Variable) string {
	return strings.ReplaceAll(strings.TrimPrefix(v.Path(), "/"), "/", ".")
}

func variablePath(name string) string { return "/" + strings.ReplaceAll(name, ".", "/") }

// Save writes the model to path, for Load. The file is written beside path and renamed.
func (m *Model) Save(path string) error {
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	return m.save(path)
}

func (m *Model) save(path string) error {
	f, err := m.content()
	if err != nil {
		return err
	}
	return writeFile(path, f.write)
}

// Marshal is Save to memory.
func (m *Model) Marshal() ([]byte, error) {
	done, err := m.use()
	if err != nil {
		return nil, err
	}
	defer done()
	f, err := m.content()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = f.write(&b)
	return b.Bytes(), err
}

func (m *Model) content() (*tensorFile, error) {
	f := &tensorFile{tensors: map[string]*tensors.Tensor{}}
	for _, v := range variables(m.store, "base", "generator", "optimizer") {
		f.tensors[tensorName(v)] = v.MustValue()
	}
	for path, t := range m.best {
		f.tensors["best."+tensorName(m.store.GetVariable(path))] = t
	}
	config, err := json.Marshal(m.Config())
	if err != nil {
		return nil, err
	}
	run, err := json.Marshal(m.state.run)
	if err != nil {
		return nil, err
	}
	f.metadata = map[string]string{metadataVersion: checkpointVersion, "govpn.config": string(config), "govpn.run": string(run)}
	f.metadata["govpn.sha256"], err = f.checksum()
	return f, err
}

// checksum covers the metadata (but itself) and all tensors with their names.
func (f *tensorFile) checksum() (string, error) {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(f.metadata)) {
		if key != "govpn.sha256" {
			fmt.Fprintf(h, "%s\x00%s\x00", key, f.metadata[key])
		}
	}
	err := f.eachBytes(func(name string, b []byte) error {
		fmt.Fprintf(h, "%s\x00%d\x00", name, len(b))
		_, err := h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// Load reads a model that Save wrote, on any device. Fit with Resume goes on with its training.
func Load(path string, backend compute.Backend) (*Model, error) {
	f, err := readTensorFile(path)
	if err != nil {
		return nil, err
	}
	m, err := restore(f, backend)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Unmarshal is Load from what Marshal returned.
func Unmarshal(b []byte, backend compute.Backend) (*Model, error) {
	f, err := parseTensorFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return restore(f, backend)
}

func restore(f *tensorFile, backend compute.Backend) (*Model, error) {
	switch version, ok := f.metadata[metadataVersion]; {
	case !ok:
		return nil, formatError("the file holds weights but no govpn model: make a model and import them with ImportSafetensors")
	case version != checkpointVersion:
		return nil, data.Errorf(ErrUnsupported, "vpn: the model has format version %s, this govpn reads %s", version, checkpointVersion)
	}
	if sum, err := f.checksum(); err != nil || sum != f.metadata["govpn.sha256"] {
		return nil, formatError("the checksum does not match: the file is damaged")
	}
	cfg, err := configOfFile(f.metadata)
	if err != nil {
		return nil, formatError("the configuration does not decode: %v", err)
	}
	held := 0
	for _, t := range f.tensors {
		held += t.Shape().Size()
	}
	m, err := newModelOf(cfg, backend, held)
	if err != nil {
		return nil, err
	}
	m.state.run.Sums.LearningRate = Float(math.NaN()) // of a model of an earlier version
	if err := json.Unmarshal([]byte(f.metadata["govpn.run"]), &m.state.run); err != nil {
		return nil, formatError("the run does not decode: %v", err)
	}
	if err := m.state.run.check(); err != nil {
		return nil, err
	}
	if err := m.takeState(f); err != nil {
		return nil, err
	}
	m.useBest = m.best != nil
	values, err := m.match(f, "", "base", "generator")
	if err != nil {
		return nil, err
	}
	m.setTrained("base", "generator")
	return m, m.setWeights(values)
}

// takeState takes the optimiser's state and the weights of the best epoch out of a file: each is of a weight of this model, and
// shaped like it; there are best weights of all or of none.
func (m *Model) takeState(f *tensorFile) error {
	for name, t := range f.tensors {
		part, of, _ := strings.Cut(name, ".")
		if part == "optimizer" {
			_, of, _ = strings.Cut(of, ".")
		} else if part != "best" {
			continue
		}
		delete(f.tensors, name)
		path := variablePath(of)
		v := m.store.GetVariable(path)
		if v == nil || !v.Shape().Equal(t.Shape()) {
			return formatError("tensor %q is %s, which fits no weight of the model", name, t.Shape())
		}
		if part == "optimizer" {
			m.store.VariableWithValue(variablePath(name), t)
			continue
		}
		if m.best == nil {
			m.best = map[string]*tensors.Tensor{}
		}
		m.best[path] = t
	}
	if n := len(variables(m.store, "base", "generator")); m.best != nil && len(m.best) != n {
		return formatError("the best epoch has %d tensors, want %d", len(m.best), n)
	}
	return nil
}
