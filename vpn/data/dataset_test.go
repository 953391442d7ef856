package data

import (
	"math"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// count returns 0, 1, .., n-1. Such pixels show where they come from.
func count(n int) []uint8 {
	out := make([]uint8, n)
	for i := range out {
		out[i] = uint8(i)
	}
	return out
}

// four returns 4 labelled images of shape (1, 2, 1): [0 1] [2 3] [4 5] [6 7].
func four(t *testing.T) *Dataset {
	d, err := FromUint8(count(8), 4, 1, 2, 1, Options{Labels: []int32{2, 0, 1, 0}, ClassNames: []string{"a", "b", "c"}})
	require.NoError(t, err)
	return d
}

func backend(t *testing.T) compute.Backend {
	b, err := gobackend.New("")
	require.NoError(t, err)
	return b
}

func TestDescribe(t *testing.T) {
	d := four(t)
	defer d.Close()
	h, w, c := d.Shape()
	assert.Equal(t, []int{4, 1, 2, 1}, []int{d.Len(), h, w, c})
	assert.Equal(t, dtypes.Uint8, d.DType())
	assert.Equal(t, 3, d.Classes())
	assert.Equal(t, []float32{4.0 / 255, 5.0 / 255}, d.Image(2))
	assert.Equal(t, Info{Images: 4, Height: 1, Width: 2, Channels: 1, DType: "uint8", Labelled: true, Classes: 3,
		ClassNames: []string{"a", "b", "c"}, MemoryBytes: 8, Skipped: []string{}, Warnings: []string{}}, d.Info())
}

func TestViewsShareThePixels(t *testing.T) {
	d := four(t)
	defer d.Close()
	s, err := d.Subset([]int32{3, 0, 0})
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, []int32{0, 2, 2}, s.Labels())
	assert.Equal(t, 3, s.Classes(), "a subset keeps the classes, also those without an image")
	assert.Same(t, &d.store.u8[0], &s.store.u8[0])

	ss, err := s.Subset([]int32{1, 0}) // a view of a view: in the storage, the indices are 0 and 3
	require.NoError(t, err)
	defer ss.Close()
	assert.Equal(t, []int32{0, 3}, ss.Indices())
	assert.Equal(t, s.Image(0), ss.Image(1))

	other, err := ss.WithLabels([]int32{7, 1}, nil)
	require.NoError(t, err)
	defer other.Close()
	assert.Equal(t, 8, other.Classes())
	assert.Equal(t, []int32{2, 0}, ss.Labels(), "the view itself is unchanged")
}

// The last view to close releases the pixels, once.
func TestClose(t *testing.T) {
	released := 0
	d, err := FromUint8(count(8), 4, 1, 2, 1, Options{Release: func() { released++ }})
	require.NoError(t, err)
	view, err := d.Share()
	require.NoError(t, err)
	d.Close()
	d.Close()
	assert.Equal(t, 0, released)
	assert.NotNil(t, view.Image(0))
	view.Close()
	view.Close()
	assert.Equal(t, 1, released)

	for name, use := range map[string]func() error{
		"OnDevice":   func() error { _, err := d.OnDevice(backend(t)); return err },
		"Subset":     func() error { _, err := d.Subset([]int32{0}); return err },
		"WithLabels": func() error { _, err := d.WithLabels(nil, nil); return err },
		"Share":      func() error { _, err := d.Share(); return err },
		"Split":      func() error { _, _, err := Split(d, 2, 0); return err },
	} {
		assert.EqualError(t, use(), "data: the data set is closed", name)
	}
	assert.Nil(t, d.Image(0))
	assert.Equal(t, 4, d.Info().Images)
}

func TestOnDeviceOnce(t *testing.T) {
	b := backend(t)
	pixels := []float32{0, 0.25, 0.5, 1}
	d, err := FromFloat32(pixels, 2, 1, 1, 2, Options{})
	require.NoError(t, err)
	defer d.Close()
	assert.Same(t, &pixels[0], &d.store.f32[0], "nothing is copied before the transfer")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			view, err := d.Share()
			assert.NoError(t, err)
			defer view.Close()
			images, err := view.OnDevice(b)
			assert.NoError(t, err)
			assert.Equal(t, [][][][]float32{{{{0, 0.25}}}, {{{0.5, 1}}}}, images.Value())
		})
	}
	wait.Wait()
	assert.EqualValues(t, 16, d.Info().BytesCopied, "4 values of 4 bytes, once")
	assert.Equal(t, "sent to the device (Go Backend)", d.Info().Why)
}

// Lent memory is never copied on its own backend. Its contents are read again at each use.
func TestLentMemory(t *testing.T) {
	home, away := backend(t), backend(t)
	lent, err := tensors.FromShapeForBackend(home, 0, shapes.Make(dtypes.Float32, 2, 1, 2, 1))
	require.NoError(t, err)
	d, err := FromTensor(lent, Options{Labels: []int32{0, 1}, Release: lent.MustFinalizeAll})
	require.NoError(t, err)
	images, err := d.OnDevice(home)
	require.NoError(t, err)
	assert.Same(t, lent, images)
	assert.Zero(t, d.Info().BytesCopied)

	tensors.MustMutableFlatData(lent, func(flat []float32) { flat[3] = 0.5 })
	images, err = d.OnDevice(away)
	require.NoError(t, err)
	assert.Equal(t, [][][][]float32{{{{0}, {0}}}, {{{0}, {0.5}}}}, images.Value())
	assert.Equal(t, []float32{0, 0.5}, d.Image(1))
	assert.EqualValues(t, 16, d.Info().BytesCopied)

	tensors.MustMutableFlatData(lent, func(flat []float32) { flat[3] = 2 })
	_, err = d.OnDevice(home)
	assert.EqualError(t, err, "data: images[1, 0, 1, 0] is 2, want a value in [0, 1]: divide by 255 or pass uint8")
	d.Close()
	assert.False(t, lent.Ok())
}

func TestMisuse(t *testing.T) {
	d := four(t)
	defer d.Close()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	float := func(last float32) error {
		_, err := FromFloat32([]float32{0, 1, 0.5, 0, 0, last}, 1, 1, 2, 3, Options{})
		return err
	}
	uint8s := func(n, h, w, c int, o Options) error {
		_, err := FromUint8(count(8), n, h, w, c, o)
		return err
	}
	tensor := func(images *tensors.Tensor) error { _, err := FromTensor(images, Options{}); return err }
	subset := func(indices ...int32) error { _, err := d.Subset(indices); return err }
	split := func(first int) error { _, _, err := Split(d, first, 0); return err }
	relabel := func(labels []int32, names ...string) error { _, err := d.WithLabels(labels, names); return err }
	onDevice := func() error { _, err := d.OnDevice(nil); return err }
	for want, err := range map[string]error{
		"images[0, 0, 1, 2] is NaN, want a value in [0, 1]: remove or replace such values":     float(nan),
		"images[0, 0, 1, 2] is +Inf, want a value in [0, 1]: remove or replace such values":    float(inf),
		"images[0, 0, 1, 2] is -0.5, want a value in [0, 1]: divide by 255 or pass uint8":      float(-0.5),
		"images[0, 0, 1, 2] is 255, want a value in [0, 1]: divide by 255 or pass uint8":       float(255),
		"images is empty, want at least 1 image":                                               uint8s(0, 1, 2, 1, Options{}),
		"height is -1, want at least 1":                                                        uint8s(4, -1, 2, 1, Options{}),
		"images hold 8 values, want 4 for shape (4, 1, 1, 1)":                                  uint8s(4, 1, 1, 1, Options{}),
		"images of shape (2147483647, 2147483647, 4, 1) are too large":                         uint8s(math.MaxInt32, math.MaxInt32, 4, 1, Options{}),
		"labels has 3 values, want 4: one per image":                                           uint8s(4, 1, 2, 1, Options{Labels: []int32{0, 1, 0}}),
		"labels[1] is -1, want 0..65535: the class number, from 0":                             relabel([]int32{0, -1, 0, 0}),
		"labels[2] is 65536, want 0..65535: the class number, from 0":                          relabel([]int32{0, 1, 65536, 0}),
		"labels[3] is 2, want 0..1: class_names has 2 names":                                   relabel([]int32{0, 1, 0, 2}, "cat", "dog"),
		`class_names[2] is "cat", as class_names[0] is: want a name of its own for each class`: relabel(nil, "cat", "dog", "cat"),
		"class_names has 65537 names, want at most 65536":                                      relabel(nil, make([]string, MaxClasses+1)...),
		"images is nil or finalized, want a tensor of shape (N, H, W, C)":                      tensor(nil),
		"images is (Float64)[1, 1, 1, 1], want (Uint8) or (Float32) of shape [N, H, W, C]":     tensor(tensors.FromValue([][][][]float64{{{{0}}}})),
		"images is (Uint8)[2], want (Uint8) or (Float32) of shape [N, H, W, C]":                tensor(tensors.FromValue([]uint8{1, 2})),
		"indices is empty, want at least 1 image":                                              subset(),
		"indices[1] is 4, want 0..3":                                                           subset(0, 4),
		"indices[0] is -1, want 0..3":                                                          subset(-1),
		"first is 0, want 1..3: both parts of 4 images need at least 1":                        split(0),
		"first is 4, want 1..3: both parts of 4 images need at least 1":                        split(4),
		"backend is nil": onDevice(),
	} {
		assert.EqualError(t, err, "data: "+want)
		assert.ErrorIs(t, err, ErrArgument)
	}
	assert.Equal(t, 4, d.Len(), "the data set is still usable")
}
