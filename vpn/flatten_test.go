package vpn

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/atomicfile"
	"github.com/govpn/govpn/vpn/internal/safetensors"
)

// writtenWeights writes a file of weights and returns its path.
func writtenWeights(t *testing.T, weights map[string]*tensors.Tensor, metadata map[string]string) string {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	f := &safetensors.File{Tensors: weights, Metadata: metadata}
	require.NoError(t, atomicfile.Write(path, f.Write))
	return path
}

// The order is what the option says, or what the file notes, or else what its names tell. The image has two
// pixels, (0.001, 0.01) and (0.1, 1). Its logit is 1.234 if the weights are read in their own order.
func TestFlattenOfFiles(t *testing.T) {
	cfg := smallConfig("plain")
	cfg.ImageShape, cfg.Classes = [3]int{1, 2, 2}, 1
	image, err := data.FromFloat32([]float32{0.001, 0.01, 0.1, 1}, 1, 1, 2, 2, data.Options{})
	require.NoError(t, err)
	defer image.Close()
	for _, test := range []struct {
		prefix   string
		metadata map[string]string
		option   string
		want     string
	}{
		{want: chw},
		{prefix: "base.", want: hwc},
		{metadata: map[string]string{"govpn.part": "base", "format": "pt"}, want: hwc}, // of 0.1.0
		{metadata: map[string]string{"govpn.part": "base", "govpn.flatten": "chw"}, want: chw},
		{metadata: map[string]string{"govpn.flatten": "hwc"}, want: hwc},
		{prefix: "base.", metadata: map[string]string{"govpn.flatten": "chw"}, want: chw},
		{option: hwc, want: hwc},
		{prefix: "base.", option: chw, want: chw},
		{metadata: map[string]string{"govpn.flatten": "hwc"}, option: chw, want: chw},
	} {
		weight := []float32{4, 3, 2, 1} // for pixel 0, channels 0 and 1, then pixel 1
		if test.want == chw {
			weight = []float32{4, 2, 3, 1} // for channel 0, pixels 0 and 1, then channel 1
		}
		path := writtenWeights(t, map[string]*tensors.Tensor{
			test.prefix + "linear.weight": tensors.FromFlatDataAndDimensions(weight, 1, 4),
			test.prefix + "linear.bias":   tensors.FromFlatDataAndDimensions([]float32{0}, 1),
		}, test.metadata)
		m := newModel(t, cfg, openDevice(t, "go"))
		require.NoError(t, m.ImportSafetensors(path, ImportOptions{Flatten: test.option}))
		p, err := m.Predict(ctx, image, PredictOptions{Output: "logits"})
		require.NoError(t, err)
		require.InDelta(t, 1.234, p.Scores[0], 1e-6, "%+v", test)
	}
	path := writtenWeights(t, map[string]*tensors.Tensor{
		"linear.weight": tensors.FromFlatDataAndDimensions([]float32{1, 2, 3, 4}, 1, 4),
		"linear.bias":   tensors.FromFlatDataAndDimensions([]float32{0}, 1),
	}, map[string]string{"govpn.flatten": "whc"})
	m := newModel(t, cfg, openDevice(t, "go"))
	err = m.ImportSafetensors(path, ImportOptions{})
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, path+`: vpn: the metadata "govpn.flatten" is "whc", want "hwc" or "chw"`)
	for _, err := range []error{
		m.ImportSafetensors(path, ImportOptions{Flatten: "whc"}), m.ExportSafetensors(path, ExportOptions{Flatten: "whc"}),
	} {
		require.ErrorIs(t, err, ErrArgument)
		require.ErrorContains(t, err, `Flatten is "whc", want "hwc", "chw", or ""`)
	}
}

// Whatever order an export has, an import makes the same model of it, bit for bit. This ranges over
// all that has values of images or maps. A part alone is in PyTorch's order.
func TestExportsInEitherOrder(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"sr":             func(*Config) {},
		"dnn3":           func(c *Config) { c.Base, c.Mode = "dnn3", "plain" },
		"plane":          func(c *Config) { c.LabelFusion = "plane" },
		"embedding":      func(c *Config) { c.LabelFusion = "embedding" },
		"film":           func(c *Config) { c.LabelFusion = "film" },
		"one pixel":      func(c *Config) { c.LabelFusion, c.ImageShape = "embedding", [3]int{1, 1, 3} },
		"grey":           func(c *Config) { c.ImageShape = [3]int{2, 3, 1} },
		"maps":           func(c *Config) { c.Base, c.NoiseLayer, c.ImageShape = "resnet18", 4, [3]int{16, 16, 1} },
		"vector":         func(c *Config) { c.Base, c.NoiseLayer = "dnn3", 1 },
		"tokens":         func(c *Config) { c.Base, c.NoiseLayer, c.ImageShape = "vit", 1, [3]int{8, 4, 2} },
		"with embedding": func(c *Config) { c.Generator, c.LabelFusion = "resnet18", "embedding" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := smallConfig("joint")
			cfg.ImageShape, cfg.Classes = [3]int{2, 3, 3}, 2
			change(&cfg)
			m, dir := newModel(t, cfg, openDevice(t, "go")), t.TempDir()
			m.setTrained("base", "generator")
			want, changed := state(t, m), map[string]bool{}
			cfg.Seed = 9
			options := []ExportOptions{{Flatten: chw}, {}, {Part: "base"}, {Part: "generator"}, {Part: "base", Flatten: hwc}}
			if name == "maps" || name == "tokens" { // millions of weights
				options = options[:1]
			}
			for _, o := range options {
				if o.Part == "generator" && !cfg.HasGenerator() {
					continue
				}
				path := filepath.Join(dir, "w")
				require.NoError(t, m.ExportSafetensors(path, o))
				two := newModel(t, cfg, m.backend)
				require.NoError(t, two.ImportSafetensors(path, ImportOptions{}))
				two.setTrained("base", "generator")
				for variable, sum := range state(t, two) {
					if strings.HasPrefix(variable, o.Part) {
						require.Equal(t, want[variable], sum, "%s of %+v", variable, o)
					}
				}
				f, err := safetensors.Read(path)
				require.NoError(t, err)
				if o.Part == "" && o.Flatten == chw {
					require.NoError(t, f.EachBytes(func(name string, b []byte) error {
						changed[name] = sumOf(b) != want[name]
						return nil
					}))
				}
				order := map[bool]string{true: chw, false: hwc}[o.Flatten == chw || o.Flatten == "" && o.Part != ""]
				require.Equal(t, order, f.Metadata["govpn.flatten"])
			}
			var names []string
			for variable, other := range changed {
				if other {
					names = append(names, variable)
				}
			}
			require.ElementsMatch(t, map[string][]string{
				"sr":             {"base.linear.weight", "generator.fc1.weight", "generator.fc3.weight"}, // the bias is 0
				"dnn3":           {"base.fc1.weight"},
				"plane":          {"base.linear.weight", "generator.fc1.weight", "generator.fc3.weight"},
				"embedding":      {"base.linear.weight", "generator.fc1.weight", "generator.fc3.weight", "generator.label.weight"},
				"film":           {"base.linear.weight", "generator.fc1.weight", "generator.fc3.weight"},
				"maps":           {"generator.fc3.weight"},
				"vector":         {"base.fc1.weight", "generator.fc1.weight"},
				"tokens":         {"generator.fc1.weight"},
				"with embedding": {"base.linear.weight", "generator.label.weight"},
			}[name], names)
		})
	}
}

// Weights of PyTorch programs that flatten (N, C, H, W) compute here what they compute there.
func TestGoldenFlatten(t *testing.T) {
	text, err := os.ReadFile("testdata/flatten.json")
	require.NoError(t, err)
	var want struct {
		Images []int                  `json:"images"`
		Labels []int32                `json:"labels"`
		Logits map[string][][]float64 `json:"logits"`
		Std    map[string][]float64   `json:"std"`
	}
	require.NoError(t, json.Unmarshal(text, &want))
	const n, h, w, c = 3, 3, 2, 3
	channelsLast := func(i int) int { // position in (N, H, W, C) of value i of (N, C, H, W)
		return i/(c*h*w)*(c*h*w) + i%(h*w)*c + i/(h*w)%c
	}
	pixels := make([]uint8, n*h*w*c)
	for i, v := range want.Images {
		pixels[channelsLast(i)] = uint8(v)
	}
	d := dataset(t, pixels, want.Labels, h, w, c)
	formulas := func(m *Model, part, prefix string) map[string]*tensors.Tensor {
		weights := map[string]*tensors.Tensor{}
		for name := range state(t, m) {
			if bare, ok := strings.CutPrefix(name, part); ok {
				dims := m.store.GetVariable(variablePath(name)).Shape().Dimensions
				if name == "generator.label.weight" {
					dims = []int{dims[0], dims[3], dims[1], dims[2]}
				}
				weights[prefix+bare] = golden.Tensor(golden.Formula(prefix+bare, dims), dtypes.Float32, dims...)
			}
		}
		return weights
	}
	cfg := smallConfig("joint")
	cfg.ImageShape, cfg.Classes, cfg.Std, cfg.LabelCoefficient = [3]int{h, w, c}, 4, "abs", 1
	for base, logits := range want.Logits {
		cfg.Base, cfg.Mode = base, "plain"
		m := newModel(t, cfg, openDevice(t, "go"))
		m.setTrained("base")
		require.NoError(t, m.ImportSafetensors(writtenWeights(t, formulas(m, "base.", ""), nil), ImportOptions{}))
		p, err := m.Predict(ctx, d, PredictOptions{Output: "logits"})
		require.NoError(t, err)
		for i, v := range p.Scores {
			require.InDelta(t, logits[i/4][i%4], v, 1e-4, base)
		}
	}
	cfg.Base, cfg.Mode = "sr", "joint"
	for fusion, std := range want.Std {
		cfg.LabelFusion = fusion
		m := newModel(t, cfg, openDevice(t, "go"))
		m.setTrained("base", "generator")
		path := writtenWeights(t, formulas(m, "generator.", "generator."), nil)
		require.NoError(t, m.ImportSafetensors(path, ImportOptions{Flatten: chw}))
		sigma, _, err := m.Noise(ctx, d, NoiseOptions{})
		require.NoError(t, err)
		for i, v := range std {
			require.InDelta(t, v, sigma[channelsLast(i)], 1e-4, fusion)
		}
	}
	// Without the order, the embedding's shape does not fit.
	weight := tensors.FromFlatDataAndDimensions(make([]float32, 72), 4, 3, 2, 3)
	path := writtenWeights(t, map[string]*tensors.Tensor{"generator.label.weight": weight}, nil)
	cfg.LabelFusion = "embedding"
	err = newModel(t, cfg, openDevice(t, "go")).ImportSafetensors(path, ImportOptions{Flatten: chw})
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err,
		`tensor "generator.label.weight" is [4 3 2 3], want [4 3 3 2] in the order "chw" of the file`)
}
