package vpn

import (
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/models"
)

// ExportOptions say what ExportSafetensors writes.
type ExportOptions struct {
	// Part is "" for base and generator, with names like base.fc1.weight; or "base" or "generator" for that part alone,
	// with names like fc1.weight. A base is then what torchvision and timm load with strict=True: its auxiliary batch
	// norms, which they do not have, are left out.
	Part string `json:"part"`
}

// The metadata of exported files: what transformers asks for, and the part where names have no prefix.
const metadataFormat, metadataPart = "format", "govpn.part"

// auxiliary marks the names of auxiliary batch norms, as timm's SplitBatchNorm names them.
const auxiliary = "." + models.AuxiliaryScope + ".0"

// ExportSafetensors writes the weights that inference uses, under PyTorch's names and in its layouts: (out, in).
func (m *Model) ExportSafetensors(path string, o ExportOptions) error {
	parts, prefix := []string{"base", "generator"}, ""
	switch o.Part {
	case "base", "generator":
		parts, prefix = []string{o.Part}, o.Part+"."
	case "":
	default:
		return argumentError("Part is %q, want \"base\", \"generator\", or \"\" for both", o.Part)
	}
	done, err := m.use()
	if err != nil {
		return err
	}
	defer done()
	f := &tensorFile{tensors: map[string]*tensors.Tensor{}, metadata: map[string]string{metadataFormat: "pt"}}
	if o.Part != "" {
		f.metadata[metadataPart] = o.Part
	}
	for _, v := range variables(m.store, parts...) {
		name := tensorName(v)
		if o.Part == "base" && strings.Contains(name, auxiliary) {
			continue
		}
		if f.tensors[strings.TrimPrefix(name, prefix)], err = m.inferenceValue(v); err != nil {
			return err
		}
	}
	if len(f.tensors) == 0 {
		return argumentError("Part is %q, which a model of mode %s does not have", o.Part, m.net.cfg.Mode)
	}
	return writeFile(path, f.write)
}
