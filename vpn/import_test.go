package vpn

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/internal/atomicfile"
	"github.com/govpn/govpn/vpn/internal/safetensors"
	"github.com/govpn/govpn/vpn/method"
)

// tensorsInFile writes a safetensors file with a given header and float32 values, and returns its
// path.
func tensorsInFile(t *testing.T, head string, body ...float32) string {
	b, err := binary.Append(nil, binary.LittleEndian, body)
	require.NoError(t, err)
	return bytesInFile(t, head, b)
}

func bytesInFile(t *testing.T, head string, body []byte) string {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	require.NoError(t, os.WriteFile(path, append(append(b, head...), body...), 0o600))
	return path
}

// A file that was written by hand gives a pixel p in [0, 1] the logits (2p, 1 − p).
func TestImportByHand(t *testing.T) {
	path := tensorsInFile(t, `{"base.linear.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},`+
		`"base.linear.bias":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"__metadata__":{"made":"by hand"}}`,
		2, -1, 0, 1)
	cfg := smallConfig("plain")
	cfg.ImageShape, cfg.Classes = [3]int{1, 1, 1}, 2
	m := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.ImportSafetensors(path, ImportOptions{}))
	p, err := m.Predict(ctx, dataset(t, []uint8{0, 255, 51}, nil, 1, 1, 1), PredictOptions{Output: "logits"})
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{0, 1, 2, 0, 0.4, 0.8}, p.Scores, 1e-6) // p = 0, 1, 0.2
	require.Equal(t, []int32{1, 0, 1}, p.Labels)
}

// Export and import carry a whole model over to one that had other initial weights.
func TestImportEqualsExported(t *testing.T) {
	d, path := stripes(t, 30, 1), filepath.Join(t.TempDir(), "w")
	m := fitted(t, smallConfig("joint"), d, d)
	require.NoError(t, m.ExportSafetensors(path, ExportOptions{}))
	cfg := m.Config()
	cfg.Seed = 9
	other := newModel(t, cfg, m.backend)
	require.NoError(t, other.ImportSafetensors(path, ImportOptions{}))
	options := PredictOptions{Noise: "classwise", Output: "scores", Seed: 3}
	want, err := m.Predict(ctx, d, options)
	require.NoError(t, err)
	got, err := other.Predict(ctx, d, options)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Empty(t, other.History())
	require.NoError(t, other.Fit(ctx, d, nil, FitOptions{Epochs: 1}), "training goes on from imported weights")
	require.NoError(t, other.ImportSafetensors(path, ImportOptions{}), "also after a fit")
	require.NoError(t, other.Fit(ctx, d, nil, FitOptions{Epochs: 1}))
}

// A file of one part replaces that part, whether or not its names begin with the part's name.
func TestImportOnePart(t *testing.T) {
	d := stripes(t, 30, 1)
	m := fitted(t, smallConfig("joint"), d, nil)
	for part, other := range map[string]string{"base": "generator", "generator": "base"} {
		path, bare := filepath.Join(t.TempDir(), part), filepath.Join(t.TempDir(), "bare")
		f := &safetensors.File{Tensors: map[string]*tensors.Tensor{}}
		for _, v := range method.Variables(m.store, part) {
			f.Tensors[tensorName(v)] = v.MustValue()
		}
		require.NoError(t, atomicfile.Write(path, f.Write))
		require.NoError(t, m.ExportSafetensors(bare, ExportOptions{Part: part}))
		for _, path := range []string{path, bare} {
			cfg := m.Config()
			cfg.Seed, cfg.Mode = 9, "frozen"
			two := newModel(t, cfg, m.backend)
			before := state(t, two)
			require.NoError(t, two.ImportSafetensors(path, ImportOptions{}))
			for name, bytes := range state(t, two) {
				if strings.HasPrefix(name, other) {
					require.Equal(t, before[name], bytes, name)
				} else {
					require.Equal(t, state(t, m)[name], bytes, name)
				}
			}
			err := two.Fit(ctx, d, nil, FitOptions{Epochs: 1})
			if part == "base" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "the base has no trained weights")
			}
		}
	}
}

// Import converts floats of any width. 1.5 and −0.25 are 0x3E00 and 0xB400 in F16, 0x3FC0 and
// 0xBE80 in BF16.
func TestImportConverts(t *testing.T) {
	cfg := smallConfig("plain")
	cfg.ImageShape, cfg.Classes = [3]int{1, 1, 1}, 2
	for dtype, bytes := range map[string][]byte{
		"F64":  {0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 0, 0, 0, 0, 0, 0, 0xD0, 0xBF},
		"F16":  {0x00, 0x3E, 0x00, 0xB4},
		"BF16": {0xC0, 0x3F, 0x80, 0xBE},
	} {
		n := len(bytes)
		path := bytesInFile(t, fmt.Sprintf(`{"linear.weight":{"dtype":%q,"shape":[2,1],"data_offsets":[0,%d]},`+
			`"linear.bias":{"dtype":%q,"shape":[2],"data_offsets":[%d,%d]}}`, dtype, n, dtype, n, 2*n), append(bytes, bytes...))
		m := newModel(t, cfg, openDevice(t, "go"))
		require.NoError(t, m.ImportSafetensors(path, ImportOptions{}))
		p, err := m.Predict(ctx, dataset(t, []uint8{255}, nil, 1, 1, 1), PredictOptions{Output: "logits"})
		require.NoError(t, err)
		require.Equal(t, []float32{3, -0.5}, p.Scores, dtype)
	}
}

// With ReplaceHead, import takes all of a network but its head. The file may have other classes, or
// no head.
func TestReplaceHead(t *testing.T) {
	d := stripes(t, 30, 1)
	cfg := smallConfig("plain")
	cfg.Base = "dnn3"
	m := fitted(t, cfg, d, nil)
	whole, body := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "body")
	require.NoError(t, m.ExportSafetensors(whole, ExportOptions{Part: "base"}))
	f, err := safetensors.Read(whole)
	require.NoError(t, err)
	maps.DeleteFunc(f.Tensors, func(name string, _ *tensors.Tensor) bool { return strings.HasPrefix(name, "fc3.") })
	require.NoError(t, atomicfile.Write(body, f.Write))

	cfg = m.Config()
	cfg.Classes, cfg.Seed = 7, 9
	for _, path := range []string{whole, body} {
		two := newModel(t, cfg, m.backend)
		before := state(t, two)
		require.ErrorContains(t, two.ImportSafetensors(path, ImportOptions{}), `replace_head takes all but the head "fc3"`)
		require.Equal(t, before, state(t, two))
		require.NoError(t, two.ImportSafetensors(path, ImportOptions{ReplaceHead: true}))
		after := state(t, two)
		for name, bytes := range state(t, m) {
			if strings.HasPrefix(name, "base.fc3") {
				require.Equal(t, before[name], after[name])
			} else if strings.HasPrefix(name, "base") {
				require.Equal(t, bytes, after[name])
			}
		}
		require.NoError(t, two.Fit(ctx, d, nil, FitOptions{Epochs: 1}))
	}
}

// Errors tell saved models and weights in other formats from damaged files.
func TestImportOtherFormats(t *testing.T) {
	m, path := tinyModel(t), filepath.Join(t.TempDir(), "weights.x")
	zipped := func(member string) []byte {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		_, err := w.Create(member)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return b.Bytes()
	}
	saved, err := m.Marshal()
	require.NoError(t, err)
	target := strings.TrimSuffix(path, ".x") + ".safetensors"
	for _, test := range []struct {
		content []byte
		want    []string
	}{
		{zipped("weights/data.pkl"), []string{
			"a PyTorch file, want safetensors", `torch.load("` + path + `", `, `"` + target + `")`,
		}},
		{[]byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."), []string{"a PyTorch file"}}, // torch.save before PyTorch 1.6
		{zipped("fc.weight.npy"), []string{"an npz file of numpy", `numpy.load("` + path + `")`, `"` + target + `")`}},
		{zipped("word/document.xml"), []string{"not a safetensors file"}},
		{saved, []string{"a saved model, want weights alone"}},
	} {
		require.NoError(t, os.WriteFile(path, test.content, 0o600))
		err := m.ImportSafetensors(path, ImportOptions{})
		require.ErrorIs(t, err, ErrFormat)
		for _, text := range append(test.want, path) {
			require.ErrorContains(t, err, text)
		}
	}
}

// An import that does not fit lists every misfit and changes nothing.
func TestImportMisfits(t *testing.T) {
	d := stripes(t, 30, 1)
	m := fitted(t, smallConfig("plain"), d, nil)
	before := state(t, m)
	beyond := make([]float32, 102)
	beyond[101] = 1e38 // as the upper half of a float64, 1.6e305
	for _, test := range []struct {
		path string
		kind error
		want []string
	}{
		{tensorsInFile(t, `{"base.linear.weight":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]},`+
			`"base.fc1.bias":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}`, 1, 2, 3, 4), ErrFormat,
			[]string{"base.fc1.bias [1] is not a weight of this model; base.linear.bias is missing, want [3]; " +
				"base.linear.weight is [1 3], want [3 16]"}},
		{tensorsInFile(t, `{"linear.weight":{"dtype":"F32","shape":[1,16],"data_offsets":[0,64]}}`,
			make([]float32, 16)...), ErrFormat,
			[]string{"linear.bias is missing, want [3]; linear.weight is [1 16], want [3 16]; " +
				`replace_head takes all but the head "linear"`}},
		{tensorsInFile(t, `{"fc1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1), ErrFormat,
			[]string{": fc1.weight [1] is not a weight of this model; linear.bias is missing, want [3]; " +
				"linear.weight is missing, want [3 16]"}},
		{tensorsInFile(t, `{"generator.fc1.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1), ErrFormat,
			[]string{`mode "plain" has no generator`}},
		{tensorsInFile(t, `{"linear.weight":{"dtype":"I64","shape":[3,16],"data_offsets":[0,384]},`+
			`"linear.bias":{"dtype":"F64","shape":[3],"data_offsets":[384,408]}}`, beyond...), ErrFormat,
			[]string{"linear.bias has values beyond the range of F32; linear.weight has dtype I64, want F32"}},
		{tensorsInFile(t, `{"base.linear.bias":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`, 1), ErrUnsupported,
			[]string{"base.linear.bias", "F8_E4M3", "want F64, F32, F16, BF16, I64 or I32"}},
		{tensorsInFile(t, `{"base.linear.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 1), ErrFormat,
			[]string{"base.linear.bias", "[2]"}},
		{tensorsInFile(t, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},`+
			`"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1),
			ErrFormat, []string{"want [4 8]"}}, // an overlap
		{tensorsInFile(t, `{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 1), ErrFormat, []string{"shape [-1]"}},
		{tensorsInFile(t, `{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}`, 1), ErrFormat,
			[]string{"does not fit"}},
		{tensorsInFile(t, `{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`), ErrFormat, []string{"does not fit"}},
		{tensorsInFile(t, `{"a":7}`), ErrFormat, []string{`tensor "a" does not decode`}},
		{tensorsInFile(t, `{"__metadata__":{"a":7}}`), ErrFormat, []string{"the metadata does not decode"}},
		{filepath.Join(t.TempDir(), "missing"), ErrIO, []string{"missing"}},
	} {
		err := m.ImportSafetensors(test.path, ImportOptions{})
		require.ErrorIs(t, err, test.kind, test.want)
		for _, text := range test.want {
			require.ErrorContains(t, err, text)
		}
		require.Equal(t, before, state(t, m))
	}
	bias := tensorsInFile(t, `{"linear.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1)
	unshaped := newModel(t, smallConfig("plain"), m.backend)
	require.ErrorContains(t, unshaped.ImportSafetensors(bias, ImportOptions{}), "set ImageShape and Classes")
}

// A file for a base with batch norms may lack their counters. Auxiliary norms then start as the
// main ones. An export of the base has the main norms alone, as torchvision expects.
func TestImportBatchNorm(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.Base, cfg.ImageShape, cfg.Classes, cfg.NoisyBatchNorm = "resnet18", [3]int{4, 4, 1}, 2, "separate"
	m, path := newModel(t, cfg, openDevice(t, "go")), filepath.Join(t.TempDir(), "w")
	fill(t, m, "base.bn1.running_var", func(i int) float32 { return float32(i + 1) })
	f := &safetensors.File{Tensors: map[string]*tensors.Tensor{}}
	for _, v := range method.Variables(m.store, "base") {
		if name := tensorName(v); !strings.Contains(name, auxiliary) && v.Name() != "num_batches_tracked" {
			f.Tensors[strings.TrimPrefix(name, "base.")] = v.MustValue()
		}
	}
	require.Len(t, f.Tensors, 102) // 62 parameters and 2·20 statistics
	require.NoError(t, atomicfile.Write(path, f.Write))
	cfg.Seed = 9
	two := newModel(t, cfg, m.backend)
	require.NoError(t, two.ImportSafetensors(path, ImportOptions{}))
	got := reloaded(t, two).store
	for name, want := range f.Tensors {
		require.Equal(t, want.Value(), got.GetVariable(variablePath("base."+name)).MustValue().Value(), name)
	}
	variance := got.GetVariable("/base/bn1/aux_bn/0/running_var").MustValue()
	require.Equal(t, f.Tensors["bn1.running_var"].Value(), variance.Value())
	require.Equal(t, int64(0), got.GetVariable("/base/bn1/aux_bn/0/num_batches_tracked").MustValue().Value())

	whole := filepath.Join(t.TempDir(), "whole")
	require.NoError(t, two.ExportSafetensors(path, ExportOptions{Part: "base"}))
	require.NoError(t, two.ExportSafetensors(whole, ExportOptions{}))
	entries, _ := header(t, path)
	require.Len(t, entries, 122, "as torchvision.models.resnet18().state_dict()")
	require.Equal(t, "I64", entries["bn1.num_batches_tracked"].DType)
	require.Empty(t, entries["bn1.num_batches_tracked"].Shape)
	cfg.NoisyBatchNorm, cfg.Mode = "shared", "plain"
	err := newModel(t, cfg, m.backend).ImportSafetensors(whole, ImportOptions{})
	require.ErrorContains(t, err, "base.bn1.aux_bn.0.bias [64] is not a weight of this model")
	require.ErrorContains(t, err, `; mode "plain" has no generator: want a file of the base alone; `+
		`noisy_batch_norm "separate" has auxiliary norms`)
}

// The error names a remedy if that remedy is enough.
func TestImportRemedies(t *testing.T) {
	cfg := smallConfig("plain")
	cfg.Base, cfg.ImageShape, cfg.Classes = "resnet18", [3]int{4, 4, 1}, 2
	small := newModel(t, cfg, openDevice(t, "go"))
	f := &safetensors.File{Tensors: map[string]*tensors.Tensor{}}
	for _, v := range method.Variables(small.store, "base") {
		f.Tensors[tensorName(v)] = v.MustValue()
	}
	path := filepath.Join(t.TempDir(), "w")
	require.NoError(t, atomicfile.Write(path, f.Write))
	for _, test := range []struct {
		base    string
		classes int
		want    string
	}{
		{
			base: "resnet18_7x7", classes: 2,
			want: `base.conv1.weight is [64 1 3 3], want [64 1 7 7]; the base "resnet18_3x3" has the file's stem`,
		},
		{
			base: "resnet18", classes: 3,
			want: `base.fc.bias is [2], want [3]; base.fc.weight is [2 512], want [3 512]; ` +
				`replace_head takes all but the head "fc"`,
		},
	} {
		cfg.Base, cfg.Classes = test.base, test.classes
		require.ErrorContains(t, newModel(t, cfg, small.backend).ImportSafetensors(path, ImportOptions{}), test.want)
	}
}
