package jpeg

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// all is a region that covers any image.
var all = image.Rect(0, 0, 1<<16, 1<<16)

func fixture(tb testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(tb, err)
	return data
}

// goldenNames returns the fixtures for which libjpeg's planes are stored.
func goldenNames(tb testing.TB) (names []string) {
	paths, err := filepath.Glob("testdata/*.ycbcr")
	require.NoError(tb, err)
	require.Len(tb, paths, 13)
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".ycbcr"))
	}
	return names
}

// at returns a sample. Outside the plane it is that of the nearest sample inside.
func (p Plane) at(x, y int) int {
	x, y = min(max(x, 0), p.Width-1)-p.Rect.Min.X, min(max(y, 0), p.Height-1)-p.Rect.Min.Y
	return int(p.Pix[y*p.Stride+x])
}

// upsampled returns a pixel's sample after libjpeg's default ("fancy") upsampling: 3/4 of the
// nearest sample and 1/4 of the next one in each direction, with the roundings that jdsample.c
// documents. Planes at most two samples wide are not smoothed horizontally.
func (p Plane) upsampled(x, y int) int {
	sx, sy := x/p.HSub, y/p.VSub
	nx, ny := sx+x%2*2-1, sy+y%2*2-1
	smooth := p.Width > 2
	switch {
	case p.HSub == 2 && !smooth:
		return p.at(sx, sy)
	case p.HSub == 2 && p.VSub == 2:
		column := func(sx int) int { return 3*p.at(sx, sy) + p.at(sx, ny) }
		return (3*column(sx) + column(nx) + 8 - x%2) >> 4
	case p.HSub == 2:
		return (3*p.at(sx, sy) + p.at(nx, sy) + 1 + x%2) >> 2
	case p.VSub == 2:
		return (3*p.at(sx, sy) + p.at(sx, ny) + 1 + y%2) >> 2
	}
	return p.at(sx, sy)
}

// Every sample equals libjpeg's bit for bit. testdata/golden.py stores libjpeg's.
func TestDecodeGolden(t *testing.T) {
	var d Decoder
	for _, name := range goldenNames(t) {
		t.Run(name, func(t *testing.T) {
			data, want := fixture(t, name+".jpg"), fixture(t, name+".ycbcr")
			h, err := ReadHeader(data)
			require.NoError(t, err)
			planes, err := d.Decode(data, all)
			require.NoError(t, err)
			require.Len(t, planes, h.Components)
			var got []byte
			for y := range h.Height {
				for x := range h.Width {
					for _, p := range planes {
						got = append(got, byte(p.upsampled(x, y)))
					}
				}
			}
			assert.True(t, bytes.Equal(want, got), "the samples differ from libjpeg's")
		})
	}
}

func TestReadHeader(t *testing.T) {
	for name, want := range map[string]Header{
		"grey.jpg": {29, 19, 1}, "420.jpg": {53, 47, 3}, "440.jpg": {21, 75, 3}, "progressive.jpg": {16, 16, 3}, "cmyk.jpg": {16, 16, 4},
	} {
		got, err := ReadHeader(fixture(t, name))
		assert.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
}

// A region's planes hold the same samples as the whole image's planes, and all samples that
// upsampling needs.
func TestDecodeRegion(t *testing.T) {
	var d, whole Decoder
	for _, name := range goldenNames(t) {
		data := fixture(t, name+".jpg")
		full, err := whole.Decode(data, all)
		require.NoError(t, err)
		w, h := full[0].Width, full[0].Height
		for _, r := range []image.Rectangle{
			image.Rect(0, 0, 1, 1), image.Rect(w-1, h-1, w, h), image.Rect(w/3, h/3, w/3+9, h/3+5), image.Rect(7, 8, 9, 16),
			image.Rect(16, 15, 17, 17), image.Rect(0, h/2, w, h/2+1), image.Rect(-5, -5, w+5, 3),
		} {
			if r = r.Intersect(image.Rect(0, 0, w, h)); !r.Empty() {
				part, err := d.Decode(data, r)
				require.NoError(t, err)
				requireSame(t, full, part, r)
			}
		}
	}
}

// requireSame compares a region's planes with the whole image's.
func requireSame(t *testing.T, full, part []Plane, r image.Rectangle) {
	require.Len(t, part, len(full))
	for i, p := range part {
		f := full[i]
		dx, dy := p.HSub-1, p.VSub-1 // smoothing needs one more sample on each side
		need := image.Rect(r.Min.X/p.HSub-dx, r.Min.Y/p.VSub-dy, ceilDiv(r.Max.X, p.HSub)+dx,
			ceilDiv(r.Max.Y, p.VSub)+dy).Intersect(
			f.Rect,
		)
		require.True(t, need.In(p.Rect), "region %v of plane %d needs %v, got %v", r, i, need, p.Rect)
		for y := p.Rect.Min.Y; y < p.Rect.Max.Y; y++ {
			for x := p.Rect.Min.X; x < p.Rect.Max.X; x++ {
				if f.at(x, y) != p.at(x, y) {
					require.Equal(t, f.at(x, y), p.at(x, y), "plane %d, sample (%d, %d)", i, x, y)
				}
			}
		}
	}
}

// Decoding a small region takes little memory, however large the image is.
func TestDecodeRegionMemory(t *testing.T) {
	var d Decoder
	_, err := d.Decode(fixture(t, "420.jpg"), image.Rect(20, 20, 22, 22))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(d.pix), 9*64)
}

func TestDecodeAllocatesOnce(t *testing.T) {
	var d Decoder
	data := fixture(t, "420-restart.jpg")
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		_, err := d.Decode(data, all)
		require.NoError(t, err)
	}))
}
