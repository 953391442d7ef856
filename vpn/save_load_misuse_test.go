package vpn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// tinyModel returns a model of 9 weights. Its file has about 3 kB.
func tinyModel(t *testing.T) *Model {
	cfg := smallConfig("plain")
	cfg.Optimizer, cfg.Epochs = "sgd", 1
	d := dataset(t, []uint8{0, 255, 128, 64, 9, 1}, []int32{0, 1, 2}, 1, 2, 1)
	return fitted(t, cfg, d, d)
}

// Load refuses every damage: any flipped bit, any missing end, a surplus byte.
func TestDamagedFiles(t *testing.T) {
	m := tinyModel(t)
	packed, err := m.Marshal()
	require.NoError(t, err)
	require.Less(t, len(packed), 5000)
	refused := func(b []byte, what string, at int) {
		_, err := Unmarshal(b, m.backend)
		require.Error(t, err, "%s at byte %d", what, at)
		require.True(t, errors.Is(err, ErrFormat) || errors.Is(err, ErrUnsupported), "%s at byte %d: %v", what, at, err)
	}
	for i := range packed {
		flipped := bytes.Clone(packed)
		flipped[i] ^= 1
		refused(flipped, "a flipped bit", i)
		refused(packed[:i], "the end", i)
	}
	refused(append(bytes.Clone(packed), 0), "a surplus byte", len(packed))
}

func TestForeignFiles(t *testing.T) {
	m, dir := tinyModel(t), t.TempDir()
	packed, err := m.Marshal()
	require.NoError(t, err)
	weights := filepath.Join(dir, "weights.safetensors")
	require.NoError(t, m.ExportSafetensors(weights, ExportOptions{}))
	exported, err := os.ReadFile(weights)
	require.NoError(t, err)
	changed := func(key, value string) []byte {
		return rewritten(t, packed, key, func(string) string { return value })
	}
	for _, test := range []struct {
		name    string
		content []byte
		kind    error
		message string
	}{
		{name: "empty", content: nil, kind: ErrFormat, message: "the file has 0 bytes"},
		{
			name: "text", content: []byte("PK\x03\x04 this is some other kind of file"),
			kind: ErrFormat, message: "not a safetensors file",
		},
		{
			name: "header is not JSON", content: []byte("\x04\x00\x00\x00\x00\x00\x00\x00nope"),
			kind: ErrFormat, message: "the header is not JSON",
		},
		{name: "weights alone", content: exported, kind: ErrFormat, message: "import them with ImportSafetensors"},
		{
			name: "later version", content: changed("govpn.version", "2"),
			kind: ErrUnsupported, message: "format version 2, this govpn reads 1",
		},
		{
			name: "bad configuration", content: changed("govpn.config", "[]"),
			kind: ErrFormat, message: "the configuration does not decode",
		},
		{
			name: "invalid configuration", content: changed("govpn.config", `{"base":"vgg"}`),
			kind: ErrFormat, message: `the configuration is wrong: Base is "vgg"`,
		},
		{
			name:    "configuration of no network",
			content: changed("govpn.config", `{"base":"vit_tiny_patch4","image_shape":[5,5,1],"classes":2}`),
			kind:    ErrFormat, message: "the configuration is wrong: models: base vit_tiny_patch4 is given images of 5×5",
		},
		{
			name:    "configuration of a giant",
			content: changed("govpn.config", `{"base":"sr","image_shape":[32767,32767,1],"classes":5000}`),
			kind:    ErrFormat,
			message: "the configuration is wrong: ImageShape is [32767 32767 1] with Classes 5000, want at most 2⁴² values",
		},
		{
			name: "run beyond all", content: changed("govpn.run", `{"epoch":9223372036854775807}`),
			kind: ErrFormat, message: "the run is epoch 9223372036854775807",
		},
		{
			name: "run of few batches", content: changed("govpn.run", `{"epoch":1,"batch":1,"sums":{"batches":2}}`),
			kind: ErrFormat, message: "the run is epoch 1",
		},
		{name: "bad run", content: changed("govpn.run", "7"), kind: ErrFormat, message: "the run does not decode"},
	} {
		path := filepath.Join(dir, test.name)
		require.NoError(t, os.WriteFile(path, test.content, 0o600))
		_, err := Load(path, m.backend)
		require.ErrorIs(t, err, test.kind, test.name)
		require.ErrorContains(t, err, test.message)
		require.ErrorContains(t, err, path, "which file")
	}
	_, err = Load(filepath.Join(dir, "missing"), m.backend)
	require.ErrorIs(t, err, ErrIO)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(dir, m.backend)
	require.ErrorIs(t, err, ErrIO)
	_, err = Unmarshal(packed, nil)
	require.ErrorIs(t, err, ErrArgument)
}

// A file holds state that the optimiser keeps of weights that it trains, and nothing else: what a
// model takes in, it would write again.
func TestForeignState(t *testing.T) {
	m := tinyModel(t) // with SGD
	for name, of := range map[string]string{
		"optimizer.gradient_sum.base.linear.bias":         "base.linear.bias", // Adam's
		"optimizer.momentum_buffer.base/linear.bias":      "base.linear.bias", // a second one
		"optimizer.momentum_buffer.generator.fc1.bias":    "base.linear.bias",
		"optimizer.momentum_buffer.base.linear.weight":    "base.linear.bias", // of another shape
		"optimizer.base.linear.bias":                      "base.linear.bias",
		"optimizer":                                       "base.linear.bias",
		"best.optimizer.momentum_buffer.base.linear.bias": "base.linear.bias",
		"best/base.linear.bias":                           "base.linear.bias",
	} {
		f, err := m.content()
		require.NoError(t, err)
		f.Tensors[name] = f.Tensors[of]
		f.Metadata["govpn.sha256"], err = checksum(f)
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, f.Write(&b))
		_, err = Unmarshal(b.Bytes(), m.backend)
		require.ErrorIs(t, err, ErrFormat, name)
		require.ErrorContains(t, err, strings.TrimPrefix(name, "base."))
	}
}

// A file that would block, never end or take more memory than there is, is refused before it is
// read.
func TestFilesThatCannotBeRead(t *testing.T) {
	m, dir := tinyModel(t), t.TempDir()
	pipe, hole, huge := filepath.Join(dir, "pipe"), filepath.Join(dir, "hole"), filepath.Join(dir, "huge")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(hole, nil, 0o600))
	require.NoError(t, os.Truncate(hole, 1<<40))
	header := fmt.Sprintf(`{"w":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}`, 1<<38, 1<<40)
	start := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	require.NoError(t, os.WriteFile(huge, start, 0o600))
	require.NoError(t, os.Truncate(huge, 8+int64(len(header))+1<<40))
	for _, test := range []struct {
		path, message string
		kind          error
	}{
		{path: pipe, message: "not a regular file", kind: ErrIO},
		{path: "/dev/zero", message: "not a regular file", kind: ErrIO},
		{path: dir, message: "not a regular file", kind: ErrIO},
		{path: hole, message: "the header is not JSON", kind: ErrFormat},
		{path: huge, message: "the tensors take 1024.0 GiB", kind: ErrMemory},
	} {
		_, err := Load(test.path, m.backend)
		for _, err := range []error{err, m.ImportSafetensors(test.path, ImportOptions{})} {
			require.ErrorIs(t, err, test.kind, test.path)
			require.ErrorContains(t, err, test.message)
			require.ErrorContains(t, err, test.path)
		}
	}
}

// A path without a name is a mistake of the caller. Nothing is written.
func TestEmptyPaths(t *testing.T) {
	m := tinyModel(t)
	t.Chdir(t.TempDir())
	_, err := Load("", m.backend)
	for _, err := range []error{
		err, m.Save(""), m.ExportSafetensors("", ExportOptions{}), m.ImportSafetensors("", ImportOptions{}),
	} {
		require.ErrorIs(t, err, ErrArgument)
		require.EqualError(t, err, `vpn: path is "", want the name of a file`)
	}
	left, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestUnwritablePaths(t *testing.T) {
	m, dir := tinyModel(t), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "folder", "file"), 0o700))
	paths := []string{filepath.Join(dir, "missing", "m"), filepath.Join(dir, "folder")}
	if os.Geteuid() != 0 { // root may write anywhere
		locked := filepath.Join(dir, "locked")
		require.NoError(t, os.Mkdir(locked, 0o500))
		paths = append(paths, filepath.Join(locked, "m"))
	}
	d := stripes(t, 6, 1)
	other := newModel(t, smallConfig("plain"), m.backend)
	for _, path := range paths {
		for _, err := range []error{
			m.Save(path), m.ExportSafetensors(path, ExportOptions{}),
			other.Fit(ctx, d, nil, FitOptions{Checkpoint: path}),
		} {
			require.ErrorIs(t, err, ErrIO)
			require.ErrorContains(t, err, path)
		}
	}
	_, err := other.Predict(ctx, d, PredictOptions{})
	require.NoError(t, err, "a checkpoint that cannot be written does not harm the model")
}

func TestNothingToSave(t *testing.T) {
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	_, err := m.Marshal()
	for _, err := range []error{err, m.Save(t.TempDir() + "/m"), m.ExportSafetensors(t.TempDir()+"/m", ExportOptions{})} {
		require.ErrorIs(t, err, ErrArgument)
		require.ErrorContains(t, err, "no weights")
	}
}
