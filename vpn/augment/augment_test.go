package augment

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

// every holds each augmentation with all of its features in use.
var every = List{
	RandomCrop{Padding: Ints{2}},
	RandomHorizontalFlip{P: 0.5},
	RandomRotation{Degrees: Floats{90}},
	RandomRotation{Degrees: Floats{90}, Interpolation: "bilinear"},
	RandomAffine{
		Degrees:       Floats{10},
		Translate:     Floats{0.2, 0.2},
		Scale:         Floats{0.8, 1.2},
		Shear:         Floats{5},
		Interpolation: "bilinear",
	},
	ColorJitter{Brightness: Floats{0.4}, Contrast: Floats{0.4}, Saturation: Floats{0.4}, Hue: Floats{0.1}},
	GaussianBlur{KernelSize: Ints{3}},
	GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 0.5},
}

// The same state gives the same result, and another state another result. The images of a batch
// differ.
func TestStatesAndImages(t *testing.T) {
	const n, h, w, c = 16, 8, 9, 3
	image := texture(h * w * c)
	same := slices.Concat(slices.Repeat(image, n))
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for i, a := range every {
			name := fmt.Sprintf("%d %s", i, a.Name())
			apply := augmenter(t, backend, List{a}, dtypes.Float32, n, h, w, c)
			one := apply(same, 1)
			require.Equal(t, one, apply(same, 1), name)
			require.NotEqual(t, one, apply(same, 2), name)
			kinds := map[string]bool{}
			for image := range slices.Chunk(one, h*w*c) {
				kinds[fmt.Sprint(image)] = true
				require.GreaterOrEqual(t, slices.Min(image), 0., name)
				require.LessOrEqual(t, slices.Max(image), 1+1e-6, name)
			}
			if a.Name() == "RandomHorizontalFlip" {
				require.Len(t, kinds, 2)
			} else {
				require.Greater(t, len(kinds), n/2, name) // the crop has 25 positions, which may repeat
			}
		}
	})
}

// A part of a batch is augmented as it is within the whole batch.
func TestParts(t *testing.T) {
	const n, part, h, w, c = 6, 2, 7, 9, 3
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		x := tensors.FromFlatDataAndDimensions(texture(n*h*w*c), n, h, w, c)
		got := call(t, backend, func(x, state *Node) []*Node {
			x = ConvertDType(x, dtype)
			var parts []*Node
			for i := 0; i < n; i += part {
				parts = append(parts,
					every.ApplyPart(Slice(x, AxisRange(i, i+part)), state, n, Const(x.Graph(), int32(i))))
			}
			same := func(x *Node) *Node { return ConvertDType(x, dtypes.Float64) }
			return []*Node{same(every.Apply(x, state)), same(Concatenate(parts, 0))}
		}, x, state(t, 1))
		require.InDeltaSlice(t, tensors.MustCopyFlatData[float64](got[0]), tensors.MustCopyFlatData[float64](got[1]),
			1e-6)
	})
}

// Parameters that ask for no change leave every bit as it is.
func TestIdentity(t *testing.T) {
	const n, h, w, c = 3, 7, 10, 3
	x := texture(n * h * w * c)
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		want := golden.Float64s(golden.Tensor(x, dtype, n, h, w, c))
		for _, list := range []List{
			nil,
			{RandomCrop{}},
			{RandomCrop{Size: Ints{h, w}, Padding: Ints{0, 0}}},
			{RandomHorizontalFlip{}},
			{RandomRotation{Degrees: Floats{0}, Fill: Floats{1}}},
			{RandomRotation{Degrees: Floats{0}, Interpolation: "bilinear", Fill: Floats{1}, Center: Floats{1, 2}}},
			{RandomRotation{Degrees: Floats{360, 360}}},
			{RandomAffine{Degrees: Floats{0}}},
			{RandomAffine{Degrees: Floats{0}, Translate: Floats{0, 0}, Scale: Floats{1, 1}, Shear: Floats{0}, Interpolation: "bilinear"}},
			{ColorJitter{}},
			{ColorJitter{Brightness: Floats{0}, Contrast: Floats{1, 1}, Saturation: Floats{0}, Hue: Floats{0}}},
			{GaussianBlur{KernelSize: Ints{1}}},
			{GaussianBlur{KernelSize: Ints{5}, Sigma: Floats{0.01}}},
			{GaussianNoise{Clip: true, Fraction: 1}},
			{GaussianNoise{Sigma: 5, Mean: 1, Clip: true}},
		} {
			require.Equal(t, want, augmenter(t, backend, list, dtype, n, h, w, c)(x, 1), "%#v", list)
		}
	})
}

// A list applies its augmentations in order. Each draws its own random numbers.
func TestChain(t *testing.T) {
	turn, flip := RandomRotation{Degrees: Floats{90, 90}}, RandomHorizontalFlip{P: 1}
	image := []float64{
		.1, .2,
		.3, .4,
	}
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		for _, c := range []struct {
			list List
			want []float64
		}{
			{List{turn}, []float64{.2, .4, .1, .3}}, // counter-clockwise
			{List{flip}, []float64{.2, .1, .4, .3}},
			{List{turn, flip}, []float64{.4, .2, .3, .1}},
			{List{flip, turn}, []float64{.1, .3, .2, .4}},
			{List{RandomAffine{Degrees: Floats{90, 90}}}, []float64{.3, .1, .4, .2}}, // clockwise
		} {
			require.InDeltaSlice(t, c.want, augmenter(t, backend, c.list, dtype, 1, 2, 2, 1)(image, 1), 1e-7, "%#v",
				c.list)
		}
		const size = 10000
		chain := func(list List) []float64 {
			return augmenter(t, backend, list, dtype, 1, 100, 100, 1)(constant(0, size), 1)
		}
		noise := GaussianNoise{Sigma: 0.1, Fraction: 1}
		var square float64 // of the sum of two noises: 2σ² if independent, 4σ² if they were the same
		for _, v := range chain(List{noise, noise}) {
			square += v * v / size
		}
		require.InDelta(t, 0.02, square, 5*0.02*math.Sqrt(2./size))

		var selected, sizes []float64 // the second noise is the same whether or not the first selects a pixel
		for _, v := range chain(List{GaussianNoise{Mean: 2, Fraction: 0.5}, noise}) {
			selected = append(selected, math.Round(v/2))
			sizes = append(sizes, math.Abs(v-2*math.Round(v/2)))
		}
		requireIndependent(t, selected, sizes)
	})
}

// One-channel images have neither saturation nor hue. All other augmentations take any number of
// channels.
func TestChannels(t *testing.T) {
	const n, h, w = 2, 5, 6
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		grey := texture(n * h * w)
		jitter := ColorJitter{Saturation: Floats{0.9}, Hue: Floats{0.5}}
		want := golden.Float64s(golden.Tensor(grey, dtypes.Float32, n*h*w))
		require.Equal(t, want, augmenter(t, backend, List{jitter}, dtypes.Float32, n, h, w, 1)(grey, 1))
		for _, a := range every {
			if a.Name() != "ColorJitter" {
				augmenter(t, backend, List{a}, dtypes.Float32, n, h, w, 5)(texture(n*h*w*5), 1)
			}
		}
	})
}

func TestApplyRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		list List
		x    any
	}{
		"images are (Uint8)[1, 1, 2, 1], want float32 or float64 of shape (N, H, W, C)": {every, [][][][]uint8{{{{1}, {2}}}}},
		"images are (Float32)[2, 2], want float32 or float64 of shape (N, H, W, C)":     {every, [][]float32{{1, 2}, {3, 4}}},
		"ColorJitter changes images of 1 or 3 channels, not of 2":                       {List{ColorJitter{}}, [][][][]float32{{{{1, 2}}}}},
		"RandomHorizontalFlip.p is 2, want a probability, 0 to 1":                       {List{RandomHorizontalFlip{P: 2}}, [][][][]float32{{{{1}}}}},
	} {
		eachDevice(t, func(t *testing.T, backend compute.Backend) {
			exec := MustNewExec(backend, func(x, state *Node) *Node { return c.list.Apply(x, state) })
			defer exec.Finalize()
			x, err := tensors.FromAnyValue(c.x)
			require.NoError(t, err)
			_, err = exec.Call(x, state(t, 1))
			var wrong ArgumentError
			require.ErrorAs(t, err, &wrong)
			require.EqualError(t, wrong, "augment: "+want)
		})
	}
}
