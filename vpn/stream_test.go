package vpn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/method"
)

// streamed writes a set of one-channel images to IDX files and returns them as a stream.
func streamed(t testing.TB, d *data.Dataset) *data.Dataset {
	dir := t.TempDir()
	h, w, _ := d.Shape()
	write := func(name string, dims []uint32, values []byte) string {
		var b bytes.Buffer
		b.Write([]byte{0, 0, 8, byte(len(dims))})
		require.NoError(t, binary.Write(&b, binary.BigEndian, dims))
		b.Write(values)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
		return path
	}
	n := uint32(d.Len())
	pixels, _ := d.Pixels()
	labels := make([]byte, n)
	for i, y := range d.Labels() {
		labels[i] = byte(y)
	}
	s, err := data.Open(ctx, data.OpenOptions{
		Format: "idx", Stream: true,
		Images: write("images", []uint32{n, uint32(h), uint32(w)}, pixels), Labels: write("labels", []uint32{n}, labels),
	})
	require.NoError(t, err)
	require.True(t, s.Streamed())
	t.Cleanup(s.Close)
	return s
}

// Training, validation, prediction and noise of a stream equal those of the same images in memory,
// bit for bit.
func TestStreamEqualsMemory(t *testing.T) {
	train, valid := stripes(t, 70, 1), stripes(t, 30, 2)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		inMemory, fromDisk := newModel(t, smallConfig("joint"), backend), newModel(t, smallConfig("joint"), backend)
		require.NoError(t, inMemory.Fit(ctx, train, valid, FitOptions{}))
		trainStream, validStream := streamed(t, train), streamed(t, valid)
		require.NoError(t, fromDisk.Fit(ctx, trainStream, validStream, FitOptions{}))
		require.Equal(t, state(t, inMemory), state(t, fromDisk))
		require.Equal(t, untimed(inMemory.History()), untimed(fromDisk.History()))

		for _, o := range []PredictOptions{
			{Output: "logits"}, {Noise: "classwise", Output: "scores"},
			{Noise: "label", Output: "logits"}, {Noise: "gaussian", Std: new(0.1), Samples: 2, Output: "proba"},
		} {
			if o.Noise != "label" && method.Fuses(backend) && !golden.IsLong() {
				continue // each compiles two programs
			}
			want, err := inMemory.Predict(ctx, valid, o)
			require.NoError(t, err)
			got, err := fromDisk.Predict(ctx, validStream, o)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		want, _, err := inMemory.Noise(ctx, valid, NoiseOptions{Output: "sample", Samples: 2})
		require.NoError(t, err)
		got, _, err := fromDisk.Noise(ctx, validStream, NoiseOptions{Output: "sample", Samples: 2})
		require.NoError(t, err)
		require.Equal(t, want, got)
		wantE, err := inMemory.Evaluate(ctx, valid, EvalOptions{})
		require.NoError(t, err)
		gotE, err := fromDisk.Evaluate(ctx, validStream, EvalOptions{})
		require.NoError(t, err)
		require.Equal(t, wantE, gotE)
	})
}

// Training of a stream that was stopped in mid-epoch, saved and resumed equals uninterrupted
// training bit for bit.
func TestStreamResumesInMidEpoch(t *testing.T) {
	train := streamed(t, stripes(t, 200, 1)) // 6 batches of 32, and one of 8
	whole := fitted(t, smallConfig("joint"), train, nil)

	m, stops := newModel(t, smallConfig("joint"), openDevice(t, "go")), 0
	for err := ErrCancelled; err != nil; stops++ {
		err = m.Fit(ctx, train, nil, FitOptions{Resume: true, Progress: slowly(func(p Progress) bool {
			return p.Phase == "training" && p.Step%7 == 6
		})})
		require.True(t, err == nil || errors.Is(err, ErrCancelled), err)
		m = reloaded(t, m)
	}
	require.Equal(t, 4, stops)
	require.Equal(t, state(t, whole), state(t, m))
	require.Equal(t, untimed(whole.History()), untimed(m.History()))
}

// The history has the time that training waited for images.
func TestDataWait(t *testing.T) {
	for _, train := range []*data.Dataset{stripes(t, 64, 1), streamed(t, stripes(t, 64, 1))} {
		for _, e := range fitted(t, smallConfig("plain"), train, nil).History() {
			require.Greater(t, float64(e.DataWait), 0.)
			require.Less(t, float64(e.DataWait), 1.)
		}
	}
}

// If a file is cut off while it is streamed, training stops with an error. The model keeps what it
// has learned.
func TestStreamFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "images")
	header := []byte{0, 0, 8, 3, 0, 0, 0, 64, 0, 0, 0, 2, 0, 0, 0, 2}
	require.NoError(t, os.WriteFile(path, append(header, make([]byte, 64*4)...), 0o600))
	unlabelled, err := data.Open(ctx, data.OpenOptions{Format: "idx", Images: path, Stream: true})
	require.NoError(t, err)
	defer unlabelled.Close()
	train, err := unlabelled.WithLabels(make([]int32, 64), []string{"a", "b"})
	require.NoError(t, err)
	defer train.Close()
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	truncated := false
	err = m.Fit(ctx, train, nil, FitOptions{Progress: func(p Progress) bool {
		if p.Phase == "epoch" && !truncated {
			truncated = true
			require.NoError(t, os.Truncate(path, 100))
		}
		return false
	}})
	require.Error(t, err)
	require.Contains(t, err.Error(), path)
	require.Equal(t, 1, m.Describe().Epochs)
	_, err = m.Predict(ctx, stripes2x2(t), PredictOptions{})
	require.NoError(t, err)
}

func stripes2x2(t testing.TB) *data.Dataset {
	return dataset(t, make([]uint8, 8), []int32{0, 1}, 2, 2, 1)
}
