package jpeg

import (
	"bytes"
	"image"
	stdjpeg "image/jpeg"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDecode decodes whole images and parts of them, with a used decoder and with a new one. It
// compares the results with each other and with image/jpeg.
func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.jpg")
	require.NoError(f, err)
	for _, path := range paths {
		f.Add(fixture(f, filepath.Base(path)), uint16(3), uint16(5), uint16(9))
	}
	var used Decoder
	f.Fuzz(func(t *testing.T, data []byte, x, y, size uint16) {
		h, err := ReadHeader(data)
		if err == nil && h.Width*h.Height > 1<<18 {
			t.Skip("slow")
		}
		var d, p Decoder
		region := image.Rect(int(x), int(y), int(x)+int(size), int(y)+int(size))
		part, partErr := p.Decode(data, region)
		full, err := d.Decode(data, all)
		again, againErr := used.Decode(data, all)
		require.Equal(t, err, againErr)
		if err != nil {
			return
		}
		bounds := image.Rect(0, 0, h.Width, h.Height)
		requireSame(t, full, again, bounds)
		if region = region.Intersect(bounds); !region.Empty() {
			require.NoError(t, partErr)
			requireSame(t, full, part, region)
		}
		m, err := stdjpeg.Decode(bytes.NewReader(data))
		comparable := d.Colours == Grey || d.Colours == YCbCr
		switch m.(type) {
		case *image.RGBA, *image.CMYK: // libjpeg gives precedence to Adobe's colour transform
			comparable = false
		}
		if err == nil && comparable && checkable(&d, data) {
			requireNear(t, m, full)
		}
	})
}

// checkable reports whether image/jpeg must agree on a file. The file must have one scan without
// restarts, since image/jpeg searches for lost markers. Its coefficients must be as small as those
// of pixels, since image/jpeg's inverse transform overflows early.
func checkable(d *Decoder, data []byte) bool {
	if d.progressive || d.restart > 0 || bytes.Count(data, []byte{0xFF, sos}) != 1 {
		return false
	}
	var r bitReader
	s := &d.scan
	r.load(data, bytes.Index(data, []byte{0xFF, sos})+8+2*len(s.comps))
	for _, c := range s.comps {
		c.pred = 0
	}
	for range s.size.X * s.size.Y {
		for _, c := range s.comps {
			h, v := s.factors(c)
			for range h * v {
				var b [64]int32
				r.block(&b, &d.huff[0][c.dc], &d.huff[1][c.ac], &d.quant[c.quant].steps, &c.pred)
				sum := 0
				for _, value := range b {
					sum += max(int(value), -int(value))
				}
				if sum > 1<<13 {
					return false
				}
			}
		}
	}
	return true
}
