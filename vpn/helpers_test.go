package vpn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/device"
	"github.com/govpn/govpn/vpn/internal/safetensors"
)

var ctx = context.Background()

// openDevice returns the backend of a device, and skips the test if the device does not open.
func openDevice(t testing.TB, name string) compute.Backend { return golden.OpenDevice(t, name) }

// openSeveral returns a backend of cpu with several devices, and skips the test if it does not
// open.
func openSeveral(t testing.TB) compute.Backend {
	backend, info, err := device.Open("cpu", device.Options{Several: true})
	if err != nil {
		golden.SkipDevice(t, info)
	}
	require.NoError(t, err)
	return backend
}

// eachDevice runs test on go and, if its plugin is found, on cpu.
func eachDevice(t *testing.T, test func(t *testing.T, backend compute.Backend)) {
	golden.EachBackend(t, test)
}

// stripes returns n easy images of 4×4×1 in three classes, in turn. Row y+1 of an image of class y
// is bright (160 to 255). The other pixels are dark (0 to 95).
func stripes(t testing.TB, n int, seed uint64) *data.Dataset {
	rng, pixels, labels := rand.New(rand.NewPCG(seed, 0)), make([]uint8, n*16), make([]int32, n)
	for i := range labels {
		labels[i] = int32(i % 3)
		for j := range 16 {
			pixels[i*16+j] = uint8(rng.IntN(96))
			if j/4 == i%3+1 {
				pixels[i*16+j] += 160
			}
		}
	}
	return dataset(t, pixels, labels, 4, 4, 1)
}

// dataset returns a data set of uint8 images, and closes it at the test's end.
func dataset(t testing.TB, pixels []uint8, labels []int32, h, w, c int) *data.Dataset {
	d, err := data.FromUint8(pixels, len(pixels)/(h*w*c), h, w, c, data.Options{Labels: labels})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// relabelled returns d with the label y+1 mod classes in place of y.
func relabelled(t testing.TB, d *data.Dataset) *data.Dataset {
	labels := make([]int32, d.Len())
	for i, y := range d.Labels() {
		labels[i] = (y + 1) % int32(d.Classes())
	}
	v, err := d.WithLabels(labels, nil)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// smallConfig returns a configuration that learns stripes within a second.
func smallConfig(mode string) Config {
	c := DefaultConfig()
	c.Base, c.Mode, c.Epochs, c.BatchSize, c.LearningRate, c.Schedule = "sr", mode, 3, 32, 0.02, "constant"
	c.Std, c.BaseLossWeight, c.LabelCoefficient = "bounded", 1, 0.01
	return c
}

// newModel returns a model, and closes it at the test's end.
func newModel(t testing.TB, cfg Config, backend compute.Backend) *Model {
	m, err := New(cfg, backend)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// fitted returns a model on device go after one Fit.
func fitted(t testing.TB, cfg Config, train, valid *data.Dataset) *Model {
	m := newModel(t, cfg, openDevice(t, "go"))
	require.NoError(t, m.Fit(ctx, train, valid, FitOptions{}))
	return m
}

// state returns all that training has made of a model: the SHA-256 of each tensor's bytes, by name.
func state(t testing.TB, m *Model) map[string]string {
	f, err := m.content()
	require.NoError(t, err)
	sums := map[string]string{}
	require.NoError(t, f.EachBytes(func(name string, b []byte) error {
		sums[name] = sumOf(b)
		return nil
	}))
	return sums
}

// sumOf is the checksum of a tensor's bytes.
func sumOf(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// rewritten returns a saved model with one metadata value changed, and a right checksum.
func rewritten(t testing.TB, packed []byte, key string, change func(value string) string) []byte {
	f, err := safetensors.Parse(bytes.NewReader(packed), int64(len(packed)))
	require.NoError(t, err)
	f.Metadata[key] = change(f.Metadata[key])
	f.Metadata["govpn.sha256"], err = checksum(f)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, f.Write(&b))
	return b.Bytes()
}

// untimed returns a history without the columns that differ from run to run. It has −1 for NaN, so
// that rows compare as equal.
func untimed(history []Epoch) []Epoch {
	for i := range history {
		e := &history[i]
		e.Seconds, e.ImagesPerSecond, e.DataWait = 0, 0, 0
		for _, f := range []*Float{
			&e.Loss, &e.Accuracy, &e.ValLoss, &e.ValAccuracy, &e.StdMean, &e.StdMin, &e.StdMax, &e.LearningRate,
		} {
			if math.IsNaN(float64(*f)) {
				*f = -1
			}
		}
	}
	return history
}

// fill sets the variable of a PyTorch name to value(i) at each index i.
func fill(t testing.TB, m *Model, name string, value func(i int) float32) {
	v := m.store.GetVariable(variablePath(name))
	require.NotNil(t, v, name)
	flat := make([]float32, v.Shape().Size())
	for i := range flat {
		flat[i] = value(i)
	}
	require.NoError(t, v.SetValue(tensors.FromFlatDataAndDimensions(flat, v.Shape().Dimensions...)))
}

// moments returns mean and standard deviation of values.
func moments[T ~float32 | ~float64](values []T) (mean, deviation float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += float64(v) / n
	}
	for _, v := range values {
		deviation += (float64(v) - mean) * (float64(v) - mean) / n
	}
	return mean, math.Sqrt(deviation)
}

var inf, nan = math.Inf(1), math.NaN()

// largeStripes returns n images of stripes at twice the size, 8×8×1.
func largeStripes(t testing.TB, n int) *data.Dataset {
	small, pixels := stripes(t, n, 3), make([]uint8, n*64)
	for i := range pixels {
		image, row, column := i/64, i/8%8/2, i%8/2
		pixels[i] = uint8(math.Round(255 * float64(small.Image(image)[4*row+column])))
	}
	return dataset(t, pixels, small.Labels(), 8, 8, 1)
}

func reloaded(t *testing.T, m *Model) *Model {
	packed, err := m.Marshal()
	require.NoError(t, err)
	loaded, err := Unmarshal(packed, m.backend)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, loaded.Close()) })
	return loaded
}
