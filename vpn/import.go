package vpn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/internal/safetensors"
	"github.com/govpn/govpn/vpn/method"
)

// ImportOptions say what ImportSafetensors takes.
type ImportOptions struct {
	// ReplaceHead ignores the base's classification head, its last linear layer, in the file. There
	// it may be missing or made for other classes. The model keeps its own head, which is newly
	// initialised until a fit trains it.
	ReplaceHead bool `json:"replace_head"`
	// Flatten is the order of the file's weights, as in ExportOptions. "" is the order that the
	// metadata of exported files tell. Without them it is "chw" if the names have no prefix, because
	// the file is PyTorch's, and "hwc" otherwise. Files of govpn 0.1.0 do not tell it, and are "hwc";
	// those of one part are known by their metadata.
	Flatten string `json:"flatten"`
}

// ImportSafetensors replaces the weights by those of a file. The file is one that ExportSafetensors
// wrote, or a state dictionary of the base as torchvision or timm publish it, whose names have no
// prefix. A file of the base or the generator alone replaces that part.
//
// Within a part, missing, surplus and misshapen tensors are errors. The error lists all of them,
// and nothing is changed. Two things may be missing: the counters num_batches_tracked, which become
// 0, and all auxiliary batch norms together, which start with the values of the main ones. Floats
// of any width are converted to the model's dtype.
//
// A model without class names takes those that ExportSafetensors has left in the file, unless
// ReplaceHead is set. A model that has the same names in another order is an error, because its
// numbers of the classes are not the file's.
//
// The model must know its sizes, from Config.ImageShape and Classes or from a fit.
// ImportOptions.Flatten is about weights of dense layers that read colour images.
func (m *Model) ImportSafetensors(path string, o ImportOptions) error {
	if err := checkFlatten(o.Flatten); err != nil {
		return err
	}
	f, err := safetensors.Read(path)
	if err != nil {
		return err
	}
	if f.Metadata[metadataVersion] != "" {
		return formatError("%s is a saved model, want weights alone: Load it, and write them with ExportSafetensors",
			path)
	}
	_, end, err := m.startTraining(context.Background())
	if err != nil {
		return err
	}
	defer end()
	if !m.shaped() {
		return argumentError("the model does not know its sizes: set ImageShape and Classes before importing weights")
	}
	prefix, parts := partsOf(f)
	if o.Flatten == "" {
		if o.Flatten, err = flattenOf(f, prefix != ""); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if o.Flatten == chw {
		if err := m.reorder(f, "", hwc); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := m.complete(f, o.ReplaceHead, parts); err != nil {
		return err
	}
	values, err := m.match(f, prefix, parts...)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	names := m.Config().ClassNames
	if !o.ReplaceHead { // else they are the names of the classes of another head
		if names, err = m.namesIn(f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := m.restart(); err != nil { // a part that the file lacks stays as inference used it
		return err
	}
	if err := m.setWeights(values); err != nil {
		return err
	}
	m.setTrained(parts...)
	m.setNames(names)
	return nil
}

// hasName says whether a tensor of a file has a name that matches.
func hasName(f *safetensors.File, matches func(name string) bool) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(f.Tensors)), matches)
}

// partsOf says which parts of a model a file holds. If the names in the file name no part, it
// prefixes them with the part that ExportSafetensors noted, or else with the base's. prefix is what
// it has put before the names.
func partsOf(f *safetensors.File) (prefix string, parts []string) {
	for _, part := range []string{"base", "generator"} {
		if hasName(f, func(name string) bool { return strings.HasPrefix(name, part+".") }) {
			parts = append(parts, part)
		}
	}
	if parts != nil {
		return "", parts
	}
	parts = []string{"base"}
	if f.Metadata[metadataPart] == "generator" {
		parts = []string{"generator"}
	}
	prefix = parts[0] + "."
	named := map[string]*tensors.Tensor{}
	for name, t := range f.Tensors {
		named[prefix+name] = t
	}
	f.Tensors = named
	return prefix, parts
}

// complete adds to a file the tensors that it may lack. With replaceHead it replaces the file's
// head by the model's.
func (m *Model) complete(f *safetensors.File, replaceHead bool, parts []string) (err error) {
	head := "base." + models.Head(m.net.Config.Base) + "."
	if replaceHead {
		maps.DeleteFunc(f.Tensors, func(name string, _ *tensors.Tensor) bool { return strings.HasPrefix(name, head) })
	}
	hasAuxiliary := hasName(f, func(name string) bool { return strings.Contains(name, auxiliary) })
	for _, v := range method.Variables(m.store, parts...) {
		name := tensorName(v)
		if f.Tensors[name] != nil {
			continue
		}
		if main := f.Tensors[strings.Replace(name, auxiliary, "", 1)]; main != nil && !hasAuxiliary {
			f.Tensors[name], err = main.LocalClone() // every variable owns its tensor
		} else if strings.HasSuffix(name, ".num_batches_tracked") {
			f.Tensors[name] = tensors.FromShape(v.Shape())
		} else if replaceHead && strings.HasPrefix(name, head) {
			f.Tensors[name], err = m.inferenceValue(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// match returns the value in the file of every variable of the given parts, by path. The file must
// fit exactly. Otherwise the error lists all that is wrong, under the names that the file uses:
// without prefix.
func (m *Model) match(f *safetensors.File, prefix string, parts ...string) (map[string]*tensors.Tensor, error) {
	values, problems, remedies := map[string]*tensors.Tensor{}, map[string]string{}, map[string]bool{}
	surplus := maps.Clone(f.Tensors)
	for _, v := range method.Variables(m.store, parts...) {
		name, want := tensorName(v), v.Shape()
		t := f.Tensors[name]
		delete(surplus, name)
		switch {
		case t == nil:
			problems[name] = fmt.Sprintf("is missing, want %v", want.Dimensions)
			remedies[m.remedy(name, nil, want.Dimensions)] = true
		case !slices.Equal(t.Shape().Dimensions, want.Dimensions):
			problems[name] = fmt.Sprintf("is %v, want %v", t.Shape().Dimensions, want.Dimensions)
			remedies[m.remedy(name, t.Shape().Dimensions, want.Dimensions)] = true
		default:
			if values[v.Path()], problems[name] = safetensors.Convert(t, want.DType); problems[name] != "" {
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

// misfit is the error for a file with these problems, by tensor. remedies holds "" if a problem has
// none.
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

// remedy says what helps if a tensor is missing (got is nil), surplus (want is nil) or misshapen.
// It is "" if nothing is known.
func (m *Model) remedy(name string, got, want []int) string {
	family, _, _ := strings.Cut(m.net.Config.Base, "_")
	head := models.Head(m.net.Config.Base)
	switch {
	case strings.HasPrefix(name, "base."+head+"."):
		return fmt.Sprintf("replace_head takes all but the head %q, which stays newly initialised", head)
	case name == "base.conv1.weight" && len(got) == 4 && len(want) == 4 && got[2] != want[2]:
		return fmt.Sprintf("the base \"%s_%dx%d\" has the file's stem", family, got[2], got[3])
	case name == "base.pos_embed" && got != nil && want != nil:
		return "pos_embed belongs to one image_shape and patch size: want those of the file"
	case strings.Contains(name, auxiliary) && want == nil:
		return `noisy_batch_norm "separate" has auxiliary norms`
	case strings.HasPrefix(name, "generator.") && !m.net.Config.HasGenerator():
		return fmt.Sprintf("mode %q has no generator: want a file of the base alone", m.net.Config.Mode)
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
		engine.Free(old)
	}
	return nil
}
