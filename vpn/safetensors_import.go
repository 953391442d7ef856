package vpn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/models"
)

// ImportOptions say what ImportSafetensors takes.
type ImportOptions struct {
	// ReplaceHead ignores the base's classification head (its last linear layer) in the file, which may be of other
	// classes or missing; the model keeps its own, which is newly initialised until a fit trains it.
	ReplaceHead bool `json:"replace_head"`
}

// ImportSafetensors replaces the weights by those of a file: one that ExportSafetensors wrote, or a state dictionary of
// the base as torchvision or timm publish it, whose names have no prefix. A file of the base or the generator alone
// replaces that part. In a part, missing, surplus and misshapen tensors are errors, all listed, and nothing is changed.
// Missing may be the counters num_batches_tracked, which become 0, and all auxiliary batch norms together, which start
// with the values of the main ones. Floats of any width are converted to the model's. The model's sizes must be known
// (Config.ImageShape and Classes, or a fit).
func (m *Model) ImportSafetensors(path string, o ImportOptions) error {
	f, err := readTensorFile(path)
	if err != nil {
		return err
	}
	if f.metadata[metadataVersion] != "" {
		return formatError("%s is a saved model, want weights alone: Load it, and write them with ExportSafetensors", path)
	}
	_, end, err := m.startTraining(context.Background())
	if err != nil {
		return err
	}
	defer end()
	if !m.shaped() {
		return argumentError("the model does not know its sizes: set ImageShape and Classes before importing weights")
	}
	prefix, parts := f.parts()
	if err := m.complete(f, o.ReplaceHead, parts); err != nil {
		return err
	}
	values, err := m.match(f, prefix, parts...)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := m.restart(); err != nil { // a part that the file lacks stays as inference used it
		return err
	}
	if err := m.setWeights(values); err != nil {
		return err
	}
	m.setTrained(parts...)
	return nil
}

// has says whether a tensor has such a name.
func (f *tensorFile) has(such func(name string) bool) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(f.tensors)), such)
}

// parts says which parts a file holds. Names without a part get the one that ExportSafetensors noted, else the base's:
// that is the prefix, "" where they had theirs.
func (f *tensorFile) parts() (prefix string, parts []string) {
	for _, part := range []string{"base", "generator"} {
		if f.has(func(name string) bool { return strings.HasPrefix(name, part+".") }) {
			parts = append(parts, part)
		}
	}
	if parts != nil {
		return "", parts
	}
	parts = []string{"base"}
	if f.metadata[metadataPart] == "generator" {
		parts = []string{"generator"}
	}
	prefix = parts[0] + "."
	named := map[string]*tensors.Tensor{}
	for name, t := range f.tensors {
		named[prefix+name] = t
	}
	f.tensors = named
	return prefix, parts
}

// complete adds to a file what it may lack. With replaceHead it gives it the model's own head in place of its own.
func (m *Model) complete(f *tensorFile, replaceHead bool, parts []string) (err error) {
	head := "base." + models.Head(m.net.cfg.Base) + "."
	if replaceHead {
		maps.DeleteFunc(f.tensors, func(name string, _ *tensors.Tensor) bool { return strings.HasPrefix(name, head) })
	}
	hasAuxiliary := f.has(func(name string) bool { return strings.Contains(name, auxiliary) })
	for _, v := range variables(m.store, parts...) {
		name := tensorName(v)
		if f.tensors[name] != nil {
			continue
		}
		if main := f.tensors[strings.Replace(name, auxiliary, "", 1)]; main != nil && !hasAuxiliary {
			f.tensors[name], err = main.LocalClone() // every variable owns its tensor
		} else if strings.HasSuffix(name, ".num_batches_tracked") {
			f.tensors[name] = zerosLike(v)
		} else if replaceHead && strings.HasPrefix(name, head) {
			f.tensors[name], err = m.inferenceValue(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// match gives every variable of the given parts, by path, its value from a file that fits them exactly. Of one that does
// not, it lists all that is wrong, with the names that the file has: without prefix.
func (m *Model) match(f *tensorFile, prefix string, parts ...string) (map[string]*tensors.Tensor, error) {
	values, problems, remedies := map[string]*tensors.Tensor{}, map[string]string{}, map[string]bool{}
	surplus := maps.Clone(f.tensors)
	for _, v := range variables(m.store, parts...) {
		name, want := tensorName(v), v.Shape()
		t := f.tensors[name]
		delete(surplus, name)
		switch {
		case t == nil:
			problems[name] = fmt.Sprintf("is missing, want %v", want.Dimensions)
			remedies[m.remedy(name, nil, want.Dimensions)] = true
		case !slices.Equal(t.Shape().Dimensions, want.Dimensions):
			problems[name] = fmt.Sprintf("is %v, want %v", t.Shape().Dimensions, want.Dimensions)
			remedies[m.remedy(name, t.Shape().Dimensions, want.Dimensions)] = true
		default:
			if values[v.Path()], problems[name] = converted(t, want.DType); problems[name] != "" {
				remedies[""] = true
			}
		}
	}
	for name, t := range surplus {
		problems[name] = fmt.Sprintf("%v is not a weight of this model", t.Shape().Dimensions)
		remedies[m.remedy(name, t.Shape().Dimensions, nil)] = true
	}
	return values, misfit(prefix, problems, remedies)
}

// misfit is the error of a file with problems by name; a remedy "" is that of a problem that has none.
func misfit(prefix string, problems map[string]string, remedies map[string]bool) error {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		if problems[name] != "" {
			list = append(list, strings.TrimPrefix(name, prefix)+" "+problems[name])
		}
	}
	if len(list) == 0 {
		return nil
	}
	if !remedies[""] { // else the remedies of the others would not be enough
		list = append(list, slices.Sorted(maps.Keys(remedies))...)
	}
	return formatError("the tensors do not fit the model: %s", strings.Join(list, "; "))
}

// remedy is what helps where a tensor is missing (got is nil), surplus (want is nil) or misshapen; "" for nothing known.
func (m *Model) remedy(name string, got, want []int) string {
	family, _, _ := strings.Cut(m.net.cfg.Base, "_")
	head := models.Head(m.net.cfg.Base)
	switch {
	case strings.HasPrefix(name, "base."+head+"."):
		return fmt.Sprintf("replace_head takes all but the head %q, which stays newly initialised", head)
	case name == "base.conv1.weight" && len(got) == 4 && len(want) == 4 && got[2] != want[2]:
		return fmt.Sprintf("the base \"%s_%dx%d\" has the file's stem", family, got[2], got[3])
	case name == "base.pos_embed" && got != nil && want != nil:
		return "pos_embed belongs to one image_shape and patch size: want those of the file"
	case strings.Contains(name, auxiliary) && want == nil:
		return `noisy_batch_norm "separate" has auxiliary norms`
	case strings.HasPrefix(name, "generator.") && !m.hasGenerator():
		return fmt.Sprintf("mode %q has no generator: want a file of the base alone", m.net.cfg.Mode)
	}
	return ""
}

// setWeights replaces variables by path.
func (m *Model) setWeights(values map[string]*tensors.Tensor) error {
	for path, t := range values {
		v := m.store.GetVariable(path)
		old := v.MustValue()
		if old == t {
			continue
		}
		if err := v.SetValuePreservingOld(t); err != nil {
			return err
		}
		free(old)
	}
	return nil
}
