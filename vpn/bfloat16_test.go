package vpn

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/method"
)

// In bfloat16 the label still reaches the generator. Label biases of 0 to 0.01 on white pixels give
// ten maps of σ, though bfloat16 would round the sums to two values. So do tables whose rows differ
// by a thousandth.
func TestBFloat16KeepsLabels(t *testing.T) {
	cfg := smallConfig("joint")
	cfg.ComputeDType, cfg.ImageShape, cfg.Classes = "bfloat16", [3]int{4, 4, 1}, 10
	pixels, labels := make([]uint8, 10*16), make([]int32, 10)
	for i := range pixels {
		pixels[i], labels[i/16] = 255, int32(i/16)
	}
	for _, test := range []struct{ generator, fusion string }{
		{generator: "dnn3", fusion: "bias"}, {generator: "dnn3", fusion: "plane"},
		{generator: "dnn3", fusion: "embedding"}, {generator: "dnn3", fusion: "film"},
		{generator: "resnet18", fusion: "bias"}, {generator: "resnet18", fusion: "film"},
	} {
		cfg.Generator, cfg.LabelFusion = test.generator, test.fusion
		eachDevice(t, func(t *testing.T, backend compute.Backend) {
			if test.generator == "resnet18" && method.Fuses(backend) {
				golden.Long(t)
			}
			m := newModel(t, cfg, backend)
			m.setTrained("base")
			for _, v := range method.Variables(m.store, "generator") { // as large as trained ones
				if v.Name() == "weight" && v.Shape().Rank() > 1 {
					values := golden.Uniform(v.Path(), v.Shape().Size())
					fill(t, m, tensorName(v), func(i int) float32 { return float32(values[i]) / 10 })
				}
			}
			for _, v := range method.Variables(m.store, "generator/label") {
				fill(t, m, tensorName(v), func(i int) float32 { return float32(i/(v.Shape().Size()/10)) / 1000 })
			}
			sigma, _, err := m.Noise(ctx, dataset(t, pixels, labels, 4, 4, 1), NoiseOptions{})
			require.NoError(t, err)
			distinct := map[[16]float32]bool{}
			for i := range labels {
				distinct[[16]float32(sigma[i*16:])] = true
			}
			require.Len(t, distinct, 10, test)
		})
	}
}

// Training in bfloat16 lowers the loss. Weights stay in float32.
func TestBFloat16Training(t *testing.T) {
	for _, network := range []string{"dnn3", "resnet18"} {
		t.Run(network, func(t *testing.T) {
			eachDevice(t, func(t *testing.T, backend compute.Backend) {
				cfg := resNetConfig("joint")
				cfg.Base, cfg.Generator, cfg.ComputeDType, cfg.Epochs = network, network, "bfloat16", 6
				if network == "resnet18" {
					if method.Fuses(backend) {
						golden.Long(t)
					} else if !golden.IsLong() {
						cfg.Generator, cfg.Epochs = "dnn3", 3
					}
				}
				m := newModel(t, cfg, backend)
				train := stripes(t, 48, 1)
				require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
				h := m.History()
				require.Less(t, float64(h[cfg.Epochs-1].Loss), 0.7*float64(h[0].Loss))
				for _, v := range method.Variables(m.store, "base", "generator") {
					require.Contains(t, []string{"Float32", "Int64"}, v.DType().String(), v.Path())
				}
			})
		})
	}
}
