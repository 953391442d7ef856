package vpn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/internal/safetensors"
)

// refused fails unless err is nil or of a kind that a bad file may cause.
func refused(t *testing.T, err error) {
	for _, kind := range []error{ErrFormat, ErrUnsupported, ErrArgument, ErrMemory} {
		if errors.Is(err, kind) {
			require.NotErrorIs(t, err, ErrInternal)
			return
		}
	}
	require.NoError(t, err)
}

// allocating fails if f allocates more than the given number of bytes.
func allocating(t *testing.T, most int, f func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(most), "bytes allocated")
}

// checkLoaded fails unless a loaded model saves, predicts and trains as other models do.
func checkLoaded(t *testing.T, m *Model) {
	defer func() { require.NoError(t, m.Close()) }()
	again, err := m.Marshal()
	require.NoError(t, err)
	same, err := Unmarshal(again, m.backend)
	require.NoError(t, err)
	require.Equal(t, state(t, m), state(t, same))
	require.NoError(t, same.Close())
	s := m.net.Config.ImageShape
	if s[0]*s[1]*s[2] > 64 || m.net.Config.Classes > 64 || m.net.Config.NoiseSamples > 8 || len(m.net.Config.Augment) > 0 {
		return // would take long
	}
	labels := make([]int32, 2)
	d := dataset(t, make([]uint8, 2*s[0]*s[1]*s[2]), labels, s[0], s[1], s[2])
	p, err := m.Predict(ctx, d, PredictOptions{})
	require.NoError(t, err)
	require.Len(t, p.Labels, 2)
	_, err = m.TrainBatch(ctx, d)
	refused(t, err)
}

// FuzzModelFile loads model files that have a given configuration and run, perhaps with one tensor
// added or replaced, and a right checksum. The result is a model that works, or an error.
func FuzzModelFile(f *testing.F) {
	cfg := smallConfig("joint")
	cfg.Epochs, cfg.Generator = 1, "dnn3"
	d := dataset(f, []uint8{0, 255, 128, 64, 9, 1}, []int32{0, 1, 2}, 1, 2, 1)
	m := fitted(f, cfg, d, d)
	backend := m.backend
	whole, err := m.content()
	require.NoError(f, err)
	config, run := whole.Metadata["govpn.config"], whole.Metadata["govpn.run"]
	for _, name := range []string{
		"", "base.fc.weight", "best.base.fc.weight", "optimizer.gradient_sum.base.fc.weight", "optimizer.",
		"best.x", "x",
	} {
		f.Add(config, run, name, []byte{0, 3, 2})
	}
	f.Add(config, `{"epoch": 1, "batch": 1, "step": 1, "best_epoch": 1}`, "", []byte(nil))
	f.Add(config, `{"epoch": -1}`, "", []byte(nil))
	f.Add(`{"base": "sr", "mode": "plain", "image_shape": [1, 2, 1], "classes": 3000000}`, run, "", []byte(nil))
	f.Fuzz(func(t *testing.T, config, run, name string, shape []byte) {
		file := &safetensors.File{Metadata: maps.Clone(whole.Metadata), Tensors: maps.Clone(whole.Tensors)}
		file.Metadata["govpn.config"], file.Metadata["govpn.run"] = config, run
		if name != "" && len(shape) > 0 {
			file.Tensors[name] = fuzzedTensor(shape)
		}
		sum, err := checksum(file)
		require.NoError(t, err)
		file.Metadata["govpn.sha256"] = sum
		var b bytes.Buffer
		require.NoError(t, file.Write(&b))
		var m *Model
		allocating(t, 4<<20+20*b.Len(), func() { m, err = Unmarshal(b.Bytes(), backend) })
		if err != nil {
			refused(t, err)
			return
		}
		checkLoaded(t, m)
	})
}

// fuzzedTensor returns a tensor of zeros. The first byte gives its type, the others its dimensions.
func fuzzedTensor(shape []byte) *tensors.Tensor {
	types := []dtypes.DType{dtypes.Float32, dtypes.Float64, dtypes.Float16, dtypes.BFloat16, dtypes.Int64, dtypes.Int32}
	var dims []int
	for _, b := range shape[1:min(len(shape), 5)] {
		dims = append(dims, 1+int(b-1)%8)
	}
	return tensors.FromShape(shapes.Make(types[int(shape[0])%len(types)], dims...))
}

// FuzzSafetensors imports a file of any header and any bytes. Either the model works, or the import
// is refused and the model stays as it was.
func FuzzSafetensors(f *testing.F) {
	m := newModel(f, smallConfig("plain"), openDevice(f, "go"))
	d := dataset(f, []uint8{0, 255, 128, 64, 9, 1}, []int32{0, 1, 2}, 1, 2, 1)
	require.NoError(f, m.Fit(ctx, d, nil, FitOptions{}))
	for _, part := range []string{"", "base"} {
		path := filepath.Join(f.TempDir(), "weights")
		require.NoError(f, m.ExportSafetensors(path, ExportOptions{Part: part}))
		b, err := os.ReadFile(path)
		require.NoError(f, err)
		size := binary.LittleEndian.Uint64(b)
		f.Add(string(b[8:8+size]), b[8+size:], int64(size), false)
		f.Add(string(b[8:8+size]), b[8+size:], int64(size), true)
	}
	f.Add(`{"fc.weight":{"dtype":"F64","shape":[3,2],"data_offsets":[0,48]},`+
		`"fc.bias":{"dtype":"F16","shape":[3],"data_offsets":[48,54]}}`,
		make([]byte, 54), int64(-1), false)
	f.Add(`{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, []byte(nil), int64(-1), true)
	f.Add(`{"x":{"dtype":"F32","shape":[],"data_offsets":[-4,0]}}`, []byte(nil), int64(1)<<62, true)
	f.Fuzz(func(t *testing.T, header string, body []byte, size int64, head bool) {
		if size < 0 { // stands for the right size
			size = int64(len(header))
		}
		b := append(append(binary.LittleEndian.AppendUint64(nil, uint64(size)), header...), body...)
		path := filepath.Join(t.TempDir(), "x")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		before := state(t, m)
		var err error
		allocating(t, 1<<20+50*len(b), func() { err = m.ImportSafetensors(path, ImportOptions{ReplaceHead: head}) })
		if err != nil {
			refused(t, err)
			require.ErrorContains(t, err, path)
			require.Equal(t, before, state(t, m))
			return
		}
		_, err = m.Predict(ctx, d, PredictOptions{})
		require.NoError(t, err)
	})
}
