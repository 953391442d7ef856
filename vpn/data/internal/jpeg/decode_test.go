package jpeg

import (
	"bytes"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noisy returns an image with smooth and rough parts: YCbCr (4:2:0 when encoded) or grey.
func noisy(width, height, components int) image.Image {
	rng := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	fill := func(pix []uint8, stride int) {
		for i := range pix {
			x, y := i%stride, i/stride
			pix[i] = uint8(128 + (x*3+y*2)%64 + rng.IntN(1+(x/16+y/16)%3*40))
		}
	}
	if components == 1 {
		m := image.NewGray(image.Rect(0, 0, width, height))
		fill(m.Pix, m.Stride)
		return m
	}
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio444)
	fill(m.Y, m.YStride)
	fill(m.Cb, m.CStride)
	fill(m.Cr, m.CStride)
	return m
}

func encode(tb testing.TB, m image.Image, quality int) []byte {
	var out bytes.Buffer
	require.NoError(tb, stdjpeg.Encode(&out, m, &stdjpeg.Options{Quality: quality}))
	return out.Bytes()
}

// requireNear compares planes with those of image/jpeg, whose inverse transform rounds differently.
func requireNear(t *testing.T, m image.Image, planes []Plane) {
	near := func(p Plane, pix []uint8, stride int) {
		for y := range p.Height {
			for x := range p.Width {
				if d := int(pix[y*stride+x]) - p.at(x, y); d < -2 || d > 2 {
					require.InDelta(t, pix[y*stride+x], p.at(x, y), 2, "sample (%d, %d)", x, y)
				}
			}
		}
	}
	switch m := m.(type) {
	case *image.Gray:
		require.Len(t, planes, 1)
		near(planes[0], m.Pix, m.Stride)
	case *image.YCbCr:
		require.Len(t, planes, 3)
		near(planes[0], m.Y, m.YStride)
		near(planes[1], m.Cb, m.CStride)
		near(planes[2], m.Cr, m.CStride)
	default:
		require.Fail(t, "unexpected image", "%T", m)
	}
	require.Equal(t, m.Bounds(), image.Rect(0, 0, planes[0].Width, planes[0].Height))
}

func TestDecodeBesideImageJPEG(t *testing.T) {
	var d Decoder
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		data := encode(t, noisy(1+rng.IntN(70), 1+rng.IntN(70), 1+i%2*2), 1+rng.IntN(100))
		planes, err := d.Decode(data, all)
		require.NoError(t, err)
		m, err := stdjpeg.Decode(bytes.NewReader(data))
		require.NoError(t, err)
		requireNear(t, m, planes)
	}
}

// segments returns a file's segments, with markers, and its coded data with the end marker.
func segments(tb testing.TB, data []byte) (s map[byte][]byte, coded []byte) {
	s = map[byte][]byte{}
	for pos := 2; ; {
		next, err := nextSegment(data, pos)
		require.NoError(tb, err)
		s[next.marker] = append(s[next.marker], data[pos:next.end]...)
		if pos = next.end; next.marker == sos {
			return s, data[pos:]
		}
	}
}

// If the components of a colour image are coded one after another, its planes equal three grey
// images.
func TestDecodeSeparateScans(t *testing.T) {
	const w, h = 37, 27
	greys := []image.Image{noisy(w, h, 1), noisy((w+1)/2, (h+1)/2, 1), noisy((w+1)/2, (h+1)/2, 1)}
	first, _ := segments(t, encode(t, greys[0], 80)) // image/jpeg always uses the same tables for one quality
	file := []byte{0xFF, soi}
	file = append(append(file, first[dqt]...), first[dht]...)
	file = append(file, 0xFF, sof0, 0, 17, 8, 0, h, 0, w, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0)
	for i, grey := range greys {
		_, coded := segments(t, encode(t, grey, 80))
		file = append(file, 0xFF, sos, 0, 8, 1, byte(i+1), 0, 0, 63, 0)
		file = append(file, coded[:len(coded)-2]...)
	}
	var d, one Decoder
	planes, err := d.Decode(append(file, 0xFF, eoi), image.Rect(0, 0, w, h))
	require.NoError(t, err)
	part, err := new(Decoder).Decode(append(file, 0xFF, eoi), image.Rect(3, 3, 4, 4)) // each scan stops early
	require.NoError(t, err)
	requireSame(t, planes, part, image.Rect(3, 3, 4, 4))
	for i, grey := range greys {
		want, err := one.Decode(encode(t, grey, 80), all)
		require.NoError(t, err)
		requireSame(t, want, []Plane{planes[i]}, want[0].Rect)
	}
	_, err = d.Decode(append(file[:len(file)-40], 0xFF, eoi), all)
	assert.ErrorIs(t, err, ErrFormat)
}

func TestColours(t *testing.T) {
	for name, want := range map[string]Colours{
		"progressive.jpg": YCbCr, "cmyk.jpg": CMYK, "rgb.jpg": RGB, "grey.jpg": Grey, "420.jpg": YCbCr,
	} {
		var d Decoder
		_, err := d.Decode(fixture(t, name), all)
		require.NoError(t, err, name)
		assert.Equal(t, want, d.Colours, name)
	}
}

// edit returns 420.jpg with one byte changed in the first segment of a kind. at counts from the
// marker.
func edit(tb testing.TB, marker byte, offset int, value byte) []byte {
	data := bytes.Clone(fixture(tb, "420.jpg"))
	i := bytes.Index(data, []byte{0xFF, marker})
	require.Positive(tb, i)
	data[i+offset] = value
	return data
}

func TestDecodeErrors(t *testing.T) {
	good := fixture(t, "420.jpg")
	frame := bytes.Index(good, []byte{0xFF, sof0})
	scan := bytes.Index(good, []byte{0xFF, sos})
	for _, c := range []struct {
		data []byte
		kind error
		want string
	}{
		{nil, io.ErrUnexpectedEOF, "jpeg: malformed: the data end in the start marker: unexpected EOF"},
		{[]byte("GIF89a"), ErrFormat, "jpeg: malformed: the data start with 47 49, want ff d8"},
		{good[:2], io.ErrUnexpectedEOF, "the data end in front of a marker"},
		{good[:scan], io.ErrUnexpectedEOF, "the data end in front of a marker"},
		{append(bytes.Clone(good[:frame]), good[scan:]...), ErrFormat, "a scan comes before a frame header"},
		{append(bytes.Clone(good[:scan]), 0xFF, eoi), ErrFormat, "the end marker comes before all components were seen"},
		{append(bytes.Clone(good[:scan]), good[frame:]...), ErrFormat, "two frame headers"},
		{edit(t, sof0, 4, 12), ErrUnsupported, "jpeg: not supported: 12 bits per sample, only 8"},
		{edit(t, sof0, 1, 0xC9), ErrUnsupported, "frames of type 0xc9, only 0xc0 and 0xc1 (baseline) and 0xc2"},
		{edit(t, sof0, 6, 0), ErrUnsupported, "the height is not in the header"},
		{edit(t, sof0, 8, 0), ErrFormat, "the image has width 0"},
		{edit(t, sof0, 5, 0xFF), io.ErrUnexpectedEOF, "53×65327 pixels are 89826 blocks, more than"},
		{edit(t, sof0, 14, 0x33), ErrUnsupported, "sampling factors 2×2 beside 3×3"},
		{edit(t, sof0, 11, 0x44), ErrFormat, "a scan has 18 blocks in each MCU, want at most 10"},
		{edit(t, sof0, 11, 0x50), ErrFormat, "sampling factors 5×0 and quantisation table 0, want 1 to 4 and 0 to 3"},
		{edit(t, sof0, 13, 1), ErrFormat, "the scan header names component 2"},
		{edit(t, sof0, 12, 3), ErrFormat, "component 1 needs Huffman tables 0 and 0 and quantisation table 3"},
		{edit(t, sof0, 3, 16), ErrFormat, "the frame header has 14 bytes, want 15 for 3 components"},
		{edit(t, dqt, 4, 0x04), ErrFormat, "quantisation table 4 is not one of 0 to 3"},
		{edit(t, dqt, 4, 0x10), ErrFormat, "quantisation table 0 has 64 bytes, want 128"},
		{edit(t, dht, 4, 0x20), ErrFormat, "Huffman table 0 has class 2"},
		{edit(t, dht, 5, 3), ErrFormat, "Huffman table 0 has"},
		{edit(t, dht, 7, 200), ErrFormat, "Huffman table 0 has"},
		{edit(t, dht, 21, 0x10), ErrFormat, "a DC table has symbol 0x10, want at most 0xf"},
		{edit(t, sos, 5, 9), ErrFormat, "the scan header names component 9"},
		{edit(t, sos, 4, 4), ErrFormat, "the scan header has 10 bytes, want 4 and 2 for each of 1 to 3 components"},
		{edit(t, sos, 6, 0x22), ErrFormat, "needs Huffman tables 2 and 2"},
	} {
		_, err := new(Decoder).Decode(c.data, all)
		assert.ErrorIs(t, err, c.kind, c.want)
		assert.ErrorContains(t, err, c.want)
	}
	_, err := new(Decoder).Decode(good, image.Rect(53, 0, 60, 60))
	assert.EqualError(t, err, "jpeg: the region is empty or outside the image of 53×47 pixels")
}

func TestDecodeWrongRestart(t *testing.T) {
	data := bytes.Clone(fixture(t, "420-restart.jpg"))
	i := bytes.Index(data, []byte{0xFF, rst0 + 1})
	want, err := new(Decoder).Decode(data, all)
	require.NoError(t, err)
	data[i+1] = rst0 + 3 // an interval is missing
	_, err = new(Decoder).Decode(data, all)
	assert.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, "marker 0xd3 comes after restart interval 1, want 0xd1")
	data[i+1] = rst0 + 5 // only the number is wrong: libjpeg passes over it
	got, err := new(Decoder).Decode(data, all)
	require.NoError(t, err)
	requireSame(t, want, got, want[0].Rect)
}

// A file that is cut short is an error, whatever the region.
func TestDecodeTruncated(t *testing.T) {
	for _, name := range []string{"420-restart.jpg", "grey.jpg", "progressive.jpg"} {
		data := fixture(t, name)
		var d Decoder
		for n := range data {
			for _, region := range []image.Rectangle{all, image.Rect(0, 0, 1, 1)} {
				_, err := d.Decode(bytes.Clone(data[:n]), region)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s, %d bytes", name, n)
				require.ErrorIs(t, err, ErrFormat)
			}
		}
	}
}

// An image is not decoded with the tables of the image before it. Without Huffman tables it is
// decoded with the standard ones, which Pillow writes.
func TestDecodeForgetsTables(t *testing.T) {
	var d Decoder
	good, optimised := fixture(t, "grey.jpg"), fixture(t, "grey-optimised.jpg")
	want, err := new(Decoder).Decode(good, all)
	require.NoError(t, err)
	_, err = d.Decode(optimised, all)
	require.NoError(t, err)
	_, err = d.Decode(edit(t, dqt, 1, com), all)
	assert.ErrorContains(t, err, "which are not all there")
	without := bytes.ReplaceAll(good, []byte{0xFF, dht}, []byte{0xFF, com})
	require.NotEqual(t, good, without)
	got, err := d.Decode(without, all)
	require.NoError(t, err)
	requireSame(t, want, got, want[0].Rect)
}

// A scan of a progressive file must continue the ones before it.
func TestProgression(t *testing.T) {
	data := fixture(t, "progressive.jpg")
	first := bytes.Index(data, []byte{0xFF, sos})
	n := int(data[first+3]) + 2
	header := func(ss, se, bits byte) []byte {
		changed := bytes.Clone(data)
		copy(changed[first+n-3:], []byte{ss, se, bits})
		return changed
	}
	second := first + n + bytes.Index(data[first+n:], []byte{0xFF, sos})
	for want, file := range map[string][]byte{
		"a scan of 3 components has the coefficients 0 to 5 and the bits 0 to 1":  header(0, 5, 0x01),
		"a scan of 3 components has the coefficients 1 to 5 and the bits 0 to 1":  header(1, 5, 0x01),
		"a scan of 3 components has the coefficients 0 to 0 and the bits 0 to 14": header(0, 0, 0x0e),
		"has the bits 1 to 0 of coefficient 0 of component 1, which do not come":  header(0, 0, 0x10),
		"has other coefficients before its first":                                 append(bytes.Clone(data[:first]), data[second:]...),
		"the end marker comes before all components were seen":                    append(bytes.Clone(data[:first]), 0xFF, eoi),
	} {
		_, err := new(Decoder).Decode(file, all)
		assert.ErrorIs(t, err, ErrFormat)
		assert.ErrorContains(t, err, want)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []image.Point{{64, 64}, {500, 400}} {
		data := encode(b, noisy(size.X, size.Y, 3), 75)
		name := fmt.Sprintf("%dx%d", size.X, size.Y)
		b.Run(name+"/own", func(b *testing.B) {
			var d Decoder
			for b.Loop() {
				_, err := d.Decode(data, all)
				require.NoError(b, err)
			}
		})
		b.Run(name+"/image-jpeg", func(b *testing.B) {
			for b.Loop() {
				_, err := stdjpeg.Decode(bytes.NewReader(data))
				require.NoError(b, err)
			}
		})
	}
}
