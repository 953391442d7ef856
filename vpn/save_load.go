package vpn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/internal/atomicfile"
	"github.com/govpn/govpn/vpn/internal/safetensors"
	"github.com/govpn/govpn/vpn/method"
)

// A saved model is a safetensors file. Its tensors are the weights ("base.fc1.weight"), the weights
// of the best epoch ("best.base.…") and the optimiser's state ("optimizer.…"). Its metadata are the
// format's version, the configuration, the run (epoch, step and history: the random state follows
// from seed and step), and a SHA-256 over everything else.
const (
	checkpointVersion = "1"
	metadataVersion   = "govpn.version"
)

// tensorName is the PyTorch name of a variable: "/base/fc1/weight" → "base.fc1.weight".
// variablePath is its inverse.
func tensorName(v *model.Variable) string {
	return strings.ReplaceAll(strings.TrimPrefix(v.Path(), "/"), "/", ".")
}

func variablePath(name string) string { return "/" + strings.ReplaceAll(name, ".", "/") }

// Save writes the model to path, for Load. It writes beside path and renames, so that path holds
// the old or the new model, whole. A file that was there keeps its mode, and a symbolic link is
// followed.
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
	return atomicfile.Write(path, f.Write)
}

// Marshal returns what Save writes.
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
	err = f.Write(&b)
	return b.Bytes(), err
}

// content is what a saved model holds.
func (m *Model) content() (*safetensors.File, error) {
	f := &safetensors.File{Tensors: map[string]*tensors.Tensor{}}
	for _, v := range method.Variables(m.store, "base", "generator", "optimizer") {
		f.Tensors[tensorName(v)] = v.MustValue()
	}
	for path, t := range m.best {
		f.Tensors["best."+tensorName(m.store.GetVariable(path))] = t
	}
	config, err := json.Marshal(m.Config())
	if err != nil {
		return nil, err
	}
	run, err := json.Marshal(m.state.run)
	if err != nil {
		return nil, err
	}
	f.Metadata = map[string]string{metadataVersion: checkpointVersion, "govpn.config": string(config), "govpn.run": string(run)}
	f.Metadata["govpn.sha256"], err = checksum(f)
	return f, err
}

// checksum covers the metadata, except the checksum itself, and all tensors with their names.
func checksum(f *safetensors.File) (string, error) {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(f.Metadata)) {
		if key != "govpn.sha256" {
			fmt.Fprintf(h, "%s\x00%s\x00", key, f.Metadata[key])
		}
	}
	err := f.EachBytes(func(name string, b []byte) error {
		fmt.Fprintf(h, "%s\x00%d\x00", name, len(b))
		_, err := h.Write(b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// Load reads a model that Save wrote, on any device. Fit with Resume goes on with its training.
func Load(path string, backend compute.Backend) (*Model, error) {
	f, err := safetensors.Read(path)
	if err != nil {
		return nil, err
	}
	m, err := restore(f, backend)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Unmarshal reads what Marshal returned, as Load reads a file.
func Unmarshal(b []byte, backend compute.Backend) (*Model, error) {
	f, err := safetensors.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return restore(f, backend)
}

func restore(f *safetensors.File, backend compute.Backend) (*Model, error) {
	switch version, ok := f.Metadata[metadataVersion]; {
	case !ok:
		return nil, formatError("the file holds weights but no govpn model: make a model and import them with ImportSafetensors")
	case version != checkpointVersion:
		return nil, fault.Errorf(ErrUnsupported, "vpn: the model has format version %s, this govpn reads %s",
			version, checkpointVersion)
	}
	if sum, err := checksum(f); err != nil || sum != f.Metadata["govpn.sha256"] {
		return nil, formatError("the checksum does not match: the file is damaged")
	}
	cfg, err := configOfFile(f.Metadata)
	if err != nil {
		return nil, formatError("the configuration does not decode: %v", method.DecodeError(err))
	}
	if backend == nil {
		return nil, errNoBackend
	}
	held := 0
	for _, t := range f.Tensors {
		held += t.Shape().Size()
	}
	m, err := newModelOf(cfg, backend, held)
	if errors.Is(err, ErrArgument) { // not the caller's argument: what the file says
		return nil, formatError("the configuration is wrong: %s", strings.TrimPrefix(err.Error(), "vpn: "))
	}
	if err != nil {
		return nil, err
	}
	m.state.run.Sums.LearningRate = Float(math.NaN()) // of a model of an earlier version
	if err := json.Unmarshal([]byte(f.Metadata["govpn.run"]), &m.state.run); err != nil {
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

// takeState moves the optimiser's state and the weights of the best epoch from a file to the model.
// Each must belong to a weight of this model and have its shape; the optimiser's must be state that
// this optimiser keeps of a weight that it trains. There must be best weights of all variables or
// of none.
func (m *Model) takeState(f *safetensors.File) error {
	known := map[string]*model.Variable{} // by the names of the tensors that may hold their state
	for _, v := range method.Variables(m.store, "base", "generator") {
		known["best."+tensorName(v)] = v
	}
	for _, v := range method.Variables(m.store, m.net.Trained()...) {
		if !models.IsBuffer(v.Name()) {
			for _, state := range m.net.OptimizerState() {
				known["optimizer."+state+"."+tensorName(v)] = v
			}
		}
	}
	for name, t := range f.Tensors {
		part, _, _ := strings.Cut(name, ".")
		if part != "optimizer" && part != "best" {
			continue
		}
		delete(f.Tensors, name)
		v := known[name]
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
		m.best[v.Path()] = t
	}
	if n := len(method.Variables(m.store, "base", "generator")); m.best != nil && len(m.best) != n {
		return formatError("the best epoch has %d tensors, want %d", len(m.best), n)
	}
	return nil
}
