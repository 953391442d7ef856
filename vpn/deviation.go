package vpn

import (
	"context"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/vpn/data"
)

// NoiseOptions are those of Noise.
type NoiseOptions struct {
	Output  string `json:"output"`  // "std" (also ""): σ; "sample": σ⊙z; "gradient": that of the loss, to compare σ with
	Samples int    `json:"samples"` // of "sample": how many per image; 0 is 1
	Seed    int64  `json:"seed"`    // of "sample"; 0: Config.Seed
}

// noiseGraph is images (B, H, W, C), labels (B) → σ (B, H, W, C), or of the hidden layer's shape; with a random state (3) → σ⊙z.
func (m *Model) noiseGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	sigma := m.net.std(s, m.net.pixels(in[0]), in[1])
	if len(in) < 3 {
		return []*Node{sigma}, nil
	}
	z := m.net.draw(in[2], sigma.Shape())
	return []*Node{Mul(sigma, z)}, nil
}

// Noise is what the generator makes of the images and labels of d: σ of shape (N, H, W, C), or samples of the noise,
// (Samples, N, H, W, C), row-major, in units of the pixel range [0, 1] (of the normalised pixels where
// Normalize.Where is "input"). With Config.NoiseLayer, the hidden layer's shape and units are in the place of (H, W, C) and pixels.
// Output "gradient", of a model of any mode, is ∂(−log softmax(f(x))_y)/∂x without noise, (N, H, W, C), in nats per unit of σ.
func (m *Model) Noise(ctx context.Context, d *data.Dataset, o NoiseOptions) (values []float32, dims []int, err error) {
	cfg := m.Config()
	switch {
	case !slices.Contains([]string{"", "std", "sample", "gradient"}, o.Output):
		return nil, nil, argumentError("Output is %q, want std, sample or gradient", o.Output)
	case o.Samples < 0:
		return nil, nil, argumentError("Samples is %d, want at least 1", o.Samples)
	case !cfg.hasGenerator() && o.Output != "gradient":
		return nil, nil, argumentError("the model was made with Mode %q, which has no generator; want joint or frozen", cfg.Mode)
	}
	if o.Seed == 0 {
		o.Seed = cfg.Seed
	}
	f, ctx, done, err := m.inference(ctx, d, true)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	p, size := m.deviation, m.chunkSize("generator", f.size, chunkImages, 1)
	one, err := m.noiseDims()
	if err != nil {
		return nil, nil, err
	}
	if o.Output == "gradient" {
		p, size, one = m.gradient, m.chunkSize("base", f.size, chunkImages, gradientPasses), cfg.ImageShape[:]
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
			out, err := p.call(inputs...)
			if err == nil {
				values = appendRows(values, out[0], valid)
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return values, dims, nil
}
