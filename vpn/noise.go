package vpn

import (
	"context"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// NoiseOptions say what Noise computes.
type NoiseOptions struct {
	Output  string `json:"output"`  // "std", or "": σ; "sample": σ⊙z; "gradient": of the loss, to compare σ with
	Samples int    `json:"samples"` // of "sample": how many per image, at most MaxSamples; 0 is 1
	Seed    int64  `json:"seed"`    // of "sample"; 0: Config.Seed
}

// gradientPasses is how many passes without gradient one with gradient counts for in the memory of
// a chunk.
const gradientPasses = 4

// Noise returns what the generator makes of the images and labels of d, row-major. Output "std" is
// σ (N, H, W, C), and "sample" is the noise itself (Samples, N, H, W, C). The unit is the pixel
// range [0, 1], or normalised pixels with Normalize.Where "input". With Config.NoiseLayer shape and
// unit are that layer's.
//
// Output "gradient" works in every mode. It is ∂(−log softmax(f(x))_y)/∂x without noise,
// (N, H, W, C), in nats per unit of σ.
func (m *Model) Noise(ctx context.Context, d *data.Dataset, o NoiseOptions) (values []float32, dims []int, err error) {
	cfg := m.Config()
	switch {
	case !slices.Contains([]string{"", "std", "sample", "gradient"}, o.Output):
		return nil, nil, argumentError("Output is %q, want std, sample or gradient", o.Output)
	case o.Samples < 0 || o.Samples > MaxSamples:
		return nil, nil, argumentError("Samples is %d, want 1 to %d", o.Samples, MaxSamples)
	case !cfg.HasGenerator() && o.Output != "gradient":
		return nil, nil, argumentError("the model was made with Mode %q, which has no generator; want joint or frozen",
			cfg.Mode)
	}
	if o.Seed == 0 {
		o.Seed = cfg.Seed
	}
	f, ctx, done, err := m.inference(ctx, d, true)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	p, size := m.programs[noiseProgram], m.chunkSize("generator", f.size, chunkImages, 1)
	one, err := m.noiseDims()
	if err != nil {
		return nil, nil, err
	}
	if o.Output == "gradient" {
		p, size, one = m.programs[gradientProgram], m.chunkSize("base", f.size, chunkImages, gradientPasses), cfg.ImageShape[:]
	}
	dims = append([]int{f.size}, one...)
	draws := 1
	if o.Output == "sample" {
		draws = max(1, o.Samples)
		dims = append([]int{draws}, dims...)
	}
	if values, err = results("Samples or the number of images", dims...); err != nil {
		return nil, nil, err
	}
	for draw := range draws {
		err = f.chunks(ctx, size, func(images, labels *tensors.Tensor, start, valid int) error {
			inputs := []any{images, labels}
			if o.Output == "sample" {
				inputs = append(inputs, randomState(o.Seed, streamSample, int64(draw)*int64(f.size)+int64(start)))
			}
			out, err := p.Call(inputs...)
			if err == nil {
				values = engine.AppendRows(values, out[0], valid)
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return values, dims, nil
}

// noiseDims returns the dimensions of σ for one image of a model whose sizes are known.
func (m *Model) noiseDims() (dims []int, err error) {
	err = engine.Try(func() error {
		dims = m.net.ImageNoiseDims(m.backend)
		return nil
	})
	return dims, err
}
