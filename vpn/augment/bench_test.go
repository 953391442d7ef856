package augment

import (
	"fmt"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// The cost of a batch. "nothing" is the cost of calling the device.
func BenchmarkAugment(b *testing.B) {
	bilinear := RandomRotation{Degrees: Floats{15}, Interpolation: "bilinear"}
	lists := []struct {
		name string
		list List
	}{
		{"nothing", nil},
		{"RandomCrop", List{RandomCrop{Padding: Ints{4}}}},
		{"RandomCrop reflect", List{RandomCrop{Padding: Ints{4}, PaddingMode: "reflect"}}},
		{"RandomHorizontalFlip", List{RandomHorizontalFlip{P: 0.5}}},
		{"RandomRotation nearest", List{RandomRotation{Degrees: Floats{15}}}},
		{"RandomRotation bilinear", List{bilinear}},
		{"RandomAffine translate", List{RandomAffine{Degrees: Floats{0}, Translate: Floats{0.1, 0.1}}}},
		{"ColorJitter brightness", List{ColorJitter{Brightness: Floats{0.4}}}},
		{
			"ColorJitter all but hue",
			List{ColorJitter{Brightness: Floats{0.4}, Contrast: Floats{0.4}, Saturation: Floats{0.4}}},
		},
		{
			"ColorJitter",
			List{
				ColorJitter{Brightness: Floats{0.4}, Contrast: Floats{0.4}, Saturation: Floats{0.4}, Hue: Floats{0.1}},
			},
		},
		{"GaussianBlur 3", List{GaussianBlur{KernelSize: Ints{3}}}},
		{"GaussianBlur 5", List{GaussianBlur{KernelSize: Ints{5}}}},
		{"GaussianBlur 9", List{GaussianBlur{KernelSize: Ints{9}}}},
		{"GaussianNoise", List{GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 1}}},
		{"GaussianNoise half", List{GaussianNoise{Sigma: 0.1, Clip: true, Fraction: 0.5}}},
	}
	for _, name := range []string{"go", "cpu"} {
		backend, info, err := device.Open(name, device.Options{})
		if err != nil {
			b.Log(info.Why)
			continue
		}
		for _, dims := range [][]int{{256, 32, 32, 3}, {64, 64, 64, 3}} {
			x, err := tensors.FromFlatDataAndDimensions(pixels(dims...), dims...), error(nil)
			require.NoError(b, err)
			state, err := RNGStateFromSeed(1)
			require.NoError(b, err)
			for _, row := range lists {
				b.Run(fmt.Sprintf("%s/%v/%s", name, dims, row.name), func(b *testing.B) {
					exec := MustNewExec(backend,
						func(x, state *Node) *Node { return AddScalar(row.list.Apply(x, state), 0) })
					defer exec.Finalize()
					for b.Loop() {
						out, err := exec.Call(x, state)
						require.NoError(b, err)
						require.NoError(b, out[0].FinalizeAll())
					}
				})
			}
		}
	}
}

func pixels(dims ...int) []float32 {
	size := 1
	for _, d := range dims {
		size *= d
	}
	x := make([]float32, size)
	for i := range x {
		x[i] = float32(i*7919%256) / 255
	}
	return x
}
