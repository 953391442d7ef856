package imaging

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func TestValidate(t *testing.T) {
	for _, row := range []struct {
		transform Transform
		message   string
	}{
		{Transform{}, ""},
		{Transform{Resize: []int{256}, CenterCrop: []int{224, 200}, Channels: 1}, ""},
		{Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{224}}}, ""},
		{Transform{Resize: []int{}}, "resize is [], want 1 or 2 sizes from 1 to 32767"},
		{Transform{Resize: []int{1, 2, 3}}, "resize is [1 2 3], want 1 or 2 sizes from 1 to 32767"},
		{Transform{CenterCrop: []int{0}}, "center_crop is [0], want 1 or 2 sizes from 1 to 32767"},
		{Transform{CenterCrop: []int{40000}}, "center_crop is [40000], want 1 or 2 sizes from 1 to 32767"},
		{Transform{RandomResizedCrop: &RandomResizedCrop{}},
			"random_resized_crop.size is missing, want 1 or 2 sizes from 1 to 32767"},
		{Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{-1}}},
			"random_resized_crop.size is [-1], want 1 or 2 sizes from 1 to 32767"},
		{Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{8}, Scale: []float64{0.5, 0.7, 1}}},
			"random_resized_crop.scale is [0.5 0.7 1], want two rising numbers above 0 and at most 1"},
		{Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{8}, Scale: []float64{0.5, 2}}},
			"random_resized_crop.scale is [0.5 2], want two rising numbers above 0 and at most 1"},
		{Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{8}, Ratio: []float64{math.NaN(), 1}}},
			"random_resized_crop.ratio is [NaN 1], want two rising numbers above 0 and at most 32767"},
		{Transform{Channels: 4}, "channels is 4, want 1 or 3 (0: as the images are)"},
	} {
		if err := row.transform.Validate(); row.message == "" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, row.message)
		}
	}
}

// The sizes are from torchvision 0.29's _compute_resized_output_size.
func TestSize(t *testing.T) {
	for _, row := range []struct{ h, w, size, oh, ow int }{
		{400, 500, 256, 256, 320}, {500, 375, 256, 341, 256}, {333, 500, 224, 224, 336}, {7, 9, 5, 5, 6},
		{64, 64, 32, 32, 32}, {1, 300, 7, 7, 2100}, {683, 1024, 255, 255, 382},
	} {
		transform := Transform{Resize: []int{row.size}}
		h, w, err := transform.Size(row.h, row.w)
		require.NoError(t, err)
		assert.Equal(t, [2]int{row.oh, row.ow}, [2]int{h, w}, row)
		_, _, fixed := transform.Fixed()
		assert.False(t, fixed)
	}
	h, w, ok := (&Transform{Resize: []int{9}, CenterCrop: []int{5, 6}}).Fixed()
	assert.Equal(t, []any{5, 6, true}, []any{h, w, ok})
	h, w, ok = (&Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{7}}, CenterCrop: []int{9}}).Fixed()
	assert.Equal(t, []any{7, 7, true}, []any{h, w, ok})
	h, w, ok = (&Transform{Resize: []int{3, 4}}).Fixed()
	assert.Equal(t, []any{3, 4, true}, []any{h, w, ok})

	_, _, err := (&Transform{Resize: []int{300}}).Size(1, 300)
	assert.ErrorIs(t, err, ErrLimit)
	assert.EqualError(t, err, "is 300×90000 (height×width), want at most 67108864 pixels and no side over 65535")
	_, err = (&Transform{Resize: []int{1, 32767}}).plan(65535, 1, nil)
	assert.ErrorIs(t, err, ErrLimit, "2 Gi pixels between the passes")
}

// Halves are rounded to even, as in Python.
func TestOffset(t *testing.T) {
	for _, row := range []struct{ have, size, want int }{
		{5, 4, 0}, {7, 4, 2}, {9, 4, 2}, {11, 4, 4}, {4, 4, 0}, {4, 5, 0}, {4, 7, -1}, {4, 8, -2},
	} {
		assert.Equal(t, row.want, offset(row.have, row.size), row)
	}
}

// The means are from 20,000 draws of torchvision 0.29's RandomResizedCrop.get_params with its
// defaults.
func TestRandomResizedCropDraws(t *testing.T) {
	for _, row := range []struct {
		h, w                      int
		area, logRatio, top, left float64
	}{{400, 500, 0.4520, 0.0279, 0.1427, 0.2016}, {375, 500, 0.4339, 0.0322, 0.1405, 0.2180}, {100, 300, 0.2247, 0.0427, 0.1082, 0.3624}} {
		const n = 20000
		rng, crop := seeded(3), RandomResizedCrop{Size: []int{8}}
		var area, logRatio, top, left float64
		for range n {
			box := crop.draw(row.h, row.w, rng)
			ratio, part := float64(box.Dx())/float64(box.Dy()), float64(box.Dx()*box.Dy())/float64(row.h*row.w)
			require.True(t, box.Min.X >= 0 && box.Min.Y >= 0 && box.Max.X <= row.w && box.Max.Y <= row.h, box)
			require.InDelta(t, 0.54, part, 0.465, "0.08 to 1, and what rounding to pixels adds")
			require.InDelta(t, 0, math.Log(ratio), math.Log(4./3)+0.02)
			area, logRatio = area+part/n, logRatio+math.Log(ratio)/n
			top, left = top+float64(box.Min.Y)/float64(row.h)/n, left+float64(box.Min.X)/float64(row.w)/n
		}
		assert.InDelta(t, row.area, area, 0.006)
		assert.InDelta(t, row.logRatio, logRatio, 0.005)
		assert.InDelta(t, row.top, top, 0.004)
		assert.InDelta(t, row.left, left, 0.004)
	}
	crop := RandomResizedCrop{Size: []int{8}, Scale: []float64{0.5, 1}} // no such crop exists; torchvision's answer
	assert.Equal(t, "(493,0)-(506,10)", crop.draw(10, 1000, seeded(1)).String())
	assert.Equal(t, "(0,493)-(10,506)", crop.draw(1000, 10, seeded(1)).String())
}

func TestRandomResizedCropIsSeeded(t *testing.T) {
	transform := Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{9, 8}}}
	var d Decoder
	crop := func(seed uint64) []uint8 {
		out := make([]uint8, 9*8*3)
		require.NoError(t, d.Decode(out, 9, 8, 3, fixture(t, "rgb.png"), &transform, seeded(seed)))
		return out
	}
	assert.Equal(t, crop(1), crop(1))
	assert.NotEqual(t, crop(1), crop(2))
	err := d.Decode(make([]uint8, 9*8*3), 9, 8, 3, fixture(t, "rgb.png"), &transform, nil)
	assert.EqualError(t, err, "random_resized_crop needs a random generator, got none")
}

// A random crop after a centre crop takes its pixels from that crop.
func TestStages(t *testing.T) {
	var d Decoder
	first := Transform{Resize: []int{20}, CenterCrop: []int{18}}
	random := Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{7}}}
	both := Transform{Resize: first.Resize, CenterCrop: first.CenterCrop, RandomResizedCrop: random.RandomResizedCrop}
	stage, want, got := make([]uint8, 18*18*3), make([]uint8, 7*7*3), make([]uint8, 7*7*3)
	data := fixture(t, "rgb.png")
	require.NoError(t, d.Decode(stage, 18, 18, 3, data, &first, nil))
	require.NoError(t, d.Raw(want, 7, 7, 3, stage, 18, 18, 3, &random, seeded(5)))
	require.NoError(t, d.Decode(got, 7, 7, 3, data, &both, seeded(5)))
	assert.Equal(t, want, got)
}
