package vpn

import (
	"encoding/json"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/atomicfile"
	"github.com/govpn/govpn/vpn/internal/safetensors"
	"github.com/govpn/govpn/vpn/method"
)

// ExportOptions say what ExportSafetensors writes.
type ExportOptions struct {
	// Part is "" for base and generator, with names like base.fc1.weight. "base" or "generator" is
	// that part alone, with names like fc1.weight. torchvision and timm load a base alone with
	// strict=True: it leaves out the auxiliary batch norms, which they do not have.
	Part string `json:"part"`
	// Flatten is the order in which sr, dnn3 and generator dnn3 find the values of a colour image, or
	// of a hidden layer's maps: "hwc", as in a model, or "chw", as PyTorch programs flatten images
	// (N, C, H, W). "" is "chw" for one part and "hwc" for both, which is what readers expect of such
	// names. The file's metadata tell the order, and ImportSafetensors reads either.
	Flatten string `json:"flatten"`
}

// The metadata of exported files, besides metadataFlatten and data.MetadataNames. "format" is what
// transformers asks for. "govpn.part" names the part if the names of the tensors have no prefix.
const metadataFormat, metadataPart = "format", "govpn.part"

// auxiliary is in the names of auxiliary batch norms, as timm's SplitBatchNorm names them.
const auxiliary = "." + models.AuxiliaryScope + ".0"

// ExportSafetensors writes the weights that inference uses, under PyTorch's names and in its layout
// (out, in), and the model's class names in the file's metadata. The inputs of dense layers that
// read images are in the order of ExportOptions.Flatten.
func (m *Model) ExportSafetensors(path string, o ExportOptions) error {
	parts, prefix := []string{"base", "generator"}, ""
	switch o.Part {
	case "base", "generator":
		parts, prefix = []string{o.Part}, o.Part+"."
	case "":
	default:
		return argumentError("Part is %q, want \"base\", \"generator\", or \"\" for both", o.Part)
	}
	if err := checkFlatten(o.Flatten); err != nil {
		return err
	}
	if o.Flatten == "" {
		o.Flatten = hwc
		if o.Part != "" {
			o.Flatten = chw
		}
	}
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	f := &safetensors.File{
		Tensors:  map[string]*tensors.Tensor{},
		Metadata: map[string]string{metadataFormat: "pt", metadataFlatten: o.Flatten},
	}
	if o.Part != "" {
		f.Metadata[metadataPart] = o.Part
	}
	if names := namesOf(&m.net.Config); len(names) > 0 {
		list, err := json.Marshal(names)
		if err != nil {
			return err
		}
		f.Metadata[data.MetadataNames] = string(list)
	}
	for _, v := range method.Variables(m.store, parts...) {
		name := tensorName(v)
		if o.Part == "base" && strings.Contains(name, auxiliary) {
			continue
		}
		if f.Tensors[strings.TrimPrefix(name, prefix)], err = m.inferenceValue(v); err != nil {
			return err
		}
	}
	if len(f.Tensors) == 0 {
		return argumentError("Part is %q, which a model of mode %s does not have", o.Part, m.net.Config.Mode)
	}
	if o.Flatten == chw {
		if err := m.reorder(f, prefix, chw); err != nil {
			return err
		}
	}
	return atomicfile.Write(path, f.Write)
}
