package vpn

import (
	"context"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// labelNoiseGraph is one draw of noise for the images' own labels: images (B, H, W, C), labels (B), random state (3) →
// logits (B, K).
func (m *Model) labelNoiseGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	x := m.net.pixels(in[0])
	return []*Node{m.net.onePass(s, x, m.net.std(s, x, in[1]), m.net.drawOne(in[2], x))}, nil
}

// gaussianGraph is one draw of noise of the same σ for every pixel, or value of the hidden layer: images (B, H, W, C), σ (scalar),
// random state (3) → logits (B, K).
func (m *Model) gaussianGraph(s *model.Scope, in []*Node) ([]*Node, []update) {
	x := m.net.pixels(in[0])
	sigma := BroadcastToDims(ConvertDType(in[1], x.DType()), append([]int{x.Shape().Dim(0)}, m.net.noiseDims(x)...)...)
	return []*Node{m.net.onePass(s, x, sigma, m.net.drawOne(in[2], x))}, nil
}

// drawOne is one z per image x (N, H, W, C): (N, 1, H, W, C), or of the hidden layer's shape; so of σ and z below.
func (n *network) drawOne(state, x *Node) *Node {
	return n.draw(state, shapes.Make(x.DType(), append([]int{x.Shape().Dim(0), 1}, n.noiseDims(x)...)...))
}

// onePass is f(x + σ⊙z): x, σ (N, H, W, C), z (N, 1, H, W, C) → (N, K).
func (n *network) onePass(s *model.Scope, x, sigma, z *Node) *Node {
	return n.noisyLogits(s, x, func(x *Node) *Node { return n.noisy(x, sigma, z) })
}

// noisyRows is what Noise "label" or "gaussian" makes of all images of a feed, (N, K), row-major: the logits of one sample, or the
// mean of the probabilities of several.
func (m *Model) noisyRows(ctx context.Context, f *feed, o PredictOptions) ([]float32, error) {
	size := min(m.noneChunk(f.size), m.chunkSize("generator", f.size, chunkImages, 1)) // of both kinds, so that both draw the same
	return m.drawn(ctx, f, o, size, streamNoisy, func(images, labels, state *tensors.Tensor, valid int) ([]float32, error) {
		p, second := m.labelNoise, labels
		if o.Noise == "gaussian" {
			p, second = m.gaussian, tensors.FromScalar(*o.Std)
			defer free(second)
		}
		rows, err := rowsFrom(valid, p, images, second, state)
		if err == nil && o.Samples > 1 {
			softmaxRows(rows, m.net.cfg.Classes)
		}
		return rows, err
	})
}

// A pass is one draw of noise for a chunk of images: so many images and labels, random state → (valid, K), row-major.
type pass func(images, labels, state *tensors.Tensor, valid int) ([]float32, error)

// rowsFrom are the first rows of a program's result.
func rowsFrom(rows int, p *program, inputs ...any) ([]float32, error) {
	out, err := p.call(inputs...)
	if err != nil {
		return nil, err
	}
	return appendRows(nil, out[0], rows), nil
}

// drawn is what a pass makes of all images of a feed, in chunks of size, averaged over the samples: (N, K), row-major.
func (m *Model) drawn(ctx context.Context, f *feed, o PredictOptions, size int, stream uint64, one pass) ([]float32, error) {
	k := m.net.cfg.Classes
	all, err := results("the number of images", f.size, k)
	if err != nil {
		return nil, err
	}
	err = f.chunks(ctx, size, func(images, labels *tensors.Tensor, start, valid int) error {
		sum := make([]float32, valid*k)
		for sample := range o.Samples {
			if err := cancelled(ctx); err != nil {
				return err
			}
			draw := int64(start)*int64(o.Samples) + int64(sample)
			rows, err := one(images, labels, randomState(o.Seed, stream, draw), valid)
			if err != nil {
				return err
			}
			for i, s := range rows {
				sum[i] += s / float32(o.Samples)
			}
		}
		all = append(all, sum...)
		return nil
	})
	return all, err
}
