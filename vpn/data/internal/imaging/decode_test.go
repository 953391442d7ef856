package imaging

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fixtures(t testing.TB) (names []string) {
	entries, err := os.ReadDir("testdata/files")
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// try measures and decodes an image: once to the size in its header, once with a crop.
func try(d *Decoder, data []byte) error {
	h, w, err := Measure(data)
	if err == nil {
		small := Transform{Resize: []int{5}, CenterCrop: []int{4}}
		err = d.Decode(make([]uint8, 4*4), 4, 4, 1, data, &small, nil)
		if whole := d.Decode(make([]uint8, h*w*3), h, w, 3, data, &Transform{}, nil); err == nil {
			err = whole
		}
	}
	return err
}

func TestTruncated(t *testing.T) {
	var d Decoder
	for _, name := range fixtures(t) {
		data := fixture(t, name)
		for n := 0; n < len(data); n += 1 + len(data)/300 {
			if err := try(&d, data[:n]); err == nil {
				// What follows the pixels of a PNG file may be missing.
				assert.Greater(t, n, len(data)*17/20, "%s, %d of %d bytes", name, n, len(data))
			} else {
				assert.ErrorIs(t, err, ErrFormat, "%s, %d of %d bytes", name, n, len(data))
			}
		}
	}
	assert.EqualError(t, try(&d, fixture(t, "420.jpg")[:700]), "is a truncated JPEG file")
	assert.EqualError(t, try(&d, fixture(t, "rgb.png")[:700]), "is a truncated PNG file")
}

func TestForeign(t *testing.T) {
	for start, name := range map[string]string{
		"": "empty", "II+\x00....": "a BigTIFF image", "P7\n....": "a PAM image", "GIF89a": "a GIF image", "%PDF-1.7": "a PDF document", "<svg": "markup (HTML or SVG)",
		"\x00\x00\x00\x1cftypavif": "an AVIF image", "\x00\x00\x00\x1cftypheic": "a HEIF image",
		"RIFF\x04\x00\x00\x00WAVE": "a RIFF file other than WebP",
		"hello":                    "of no known kind", "\x00": "of no known kind",
	} {
		_, _, err := Measure([]byte(start))
		assert.ErrorIs(t, err, ErrFormat)
		assert.EqualError(t, err, "is "+name+", want JPEG, PNG, WebP, BMP, TIFF or PNM")
	}
}

// patch returns a copy of a fixture with some bytes overwritten.
func patch(t *testing.T, name string, at int, with ...byte) []byte {
	data := bytes.Clone(fixture(t, name))
	copy(data[at:], with)
	return data
}

// tiffOf returns a TIFF file of an image with this size, but without pixels.
func tiffOf(w, h uint32) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("II*\x00"), 8)
	b = binary.LittleEndian.AppendUint16(b, 2)
	for tag, v := range []uint32{w, h} {
		b = binary.LittleEndian.AppendUint16(b, 256+uint16(tag))
		b = binary.LittleEndian.AppendUint16(b, 4)
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, 0, 0, 0, 0)
}

// Headers whose sizes lie are refused before memory is allocated for them.
func TestHostileHeaders(t *testing.T) {
	frame := bytes.Index(fixture(t, "420.jpg"), []byte{0xff, 0xc0}) + 5
	bomb := patch(t, "rgb.png", 16, 0, 0, 0x1f, 0x40, 0, 0, 0x1f, 0x40)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	for name, row := range map[string]struct {
		data    []byte
		kind    error
		message string
	}{
		"png limit":   {patch(t, "rgb.png", 16, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff), ErrLimit, "want at most 67108864 pixels"},
		"png bomb":    {bomb, ErrFormat, "its size lies: 8000×8000 (height×width) takes at least 186054 bytes as PNG, got"},
		"png empty":   {patch(t, "rgb.png", 16, 0, 0, 0, 0), ErrFormat, "is 23×0 (height×width), want at least 1×1"},
		"jpeg limit":  {patch(t, "420.jpg", frame, 0xff, 0xff, 0xff, 0xff), ErrLimit, "is 65535×65535"},
		"jpeg lie":    {patch(t, "420.jpg", frame, 0x1f, 0x40, 0x1f, 0x40), ErrFormat, "takes at least 31250 bytes as JPEG"},
		"jpeg empty":  {patch(t, "420.jpg", frame, 0, 0), ErrFormat, "is 0×37"},
		"bmp lie":     {patch(t, "rgb.bmp", 18, 0x40, 0x1f, 0, 0, 0x40, 0x1f), ErrFormat, "takes at least 192000054 bytes as BMP"},
		"bmp limit":   {patch(t, "rgb.bmp", 18, 0xff, 0xff, 0xff, 0x7f), ErrLimit, "no side over 65535"},
		"bmp minus":   {patch(t, "rgb.bmp", 18, 0xff, 0xff, 0xff, 0xff), ErrLimit, "no side over 65535"},
		"webp limit":  {patch(t, "lossless.webp", 21, 0xff, 0xff, 0xff, 0x0f), ErrLimit, "is 16384×16384"},
		"webp canvas": {patch(t, "lossy_rgba.webp", 24, 0xff, 0x3f), ErrFormat, "its canvas is 23×16384, its image 23×37"},
		"webp moving": {patch(t, "lossy_rgba.webp", 20, 2), ErrFormat, "is a WebP file without an image"},
		"tiff limit":  {tiffOf(1<<20, 1), ErrLimit, "no side over 65535"},
		"tiff lie":    {tiffOf(8000, 8000), ErrFormat, "is a broken TIFF file"},
		"pgm limit":   {[]byte("P5 99999 99999 255\n"), ErrLimit, "no side over 65535"},
		"ppm lie":     {[]byte("P6 8000 8000 255\n"), ErrFormat, "takes at least 192000017 bytes as PNM"},
		"ppm text":    {[]byte("P3 8000 8000 255\n1 2 3"), ErrFormat, "takes at least 192000000 bytes as PNM"},
		"ppm depth":   {[]byte("P6 1 1 65536\n123"), ErrFormat, "its largest value is 65536"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := new(Decoder).Decode(make([]uint8, 4*4*3), 4, 4, 3, row.data, &Transform{CenterCrop: []int{4}}, nil)
		runtime.ReadMemStats(&after)
		assert.ErrorIs(t, err, row.kind, name)
		assert.ErrorContains(t, err, row.message, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<10), name)
	}
}

func TestUnsupported(t *testing.T) {
	twelve := bytes.Clone(fixture(t, "420.jpg"))
	frame := bytes.Index(twelve, []byte{0xff, 0xc0})
	twelve[frame+4] = 12
	arithmetic := bytes.Clone(fixture(t, "420.jpg"))
	arithmetic[frame+1] = 0xc9
	for want, data := range map[string][]byte{
		"is a JPEG image of a kind that is not read: 12 bits per sample, only 8":                                                twelve,
		"is a JPEG image of a kind that is not read: frames of type 0xc9, only 0xc0 and 0xc1 (baseline) and 0xc2 (progressive)": arithmetic,
		"is a BMP image of 8 bits and compression 4, which is not read":                                                         patch(t, "l.bmp", 30, 4),
		"is a BMP image with a header of 16 bytes, which is not read":                                                           patch(t, "l.bmp", 14, 16),
	} {
		err := try(new(Decoder), data)
		assert.ErrorIs(t, err, ErrUnsupported)
		assert.EqualError(t, err, want)
	}
}

func TestOtherSize(t *testing.T) {
	var d Decoder
	err := d.Decode(make([]uint8, 64*64*3), 64, 64, 3, fixture(t, "rgb.png"), &Transform{}, nil)
	assert.ErrorIs(t, err, ErrSize)
	assert.EqualError(t, err, "is 23×37 (height×width), want 64×64")
	h, w, err := Measure(fixture(t, "exif5.png"))
	require.NoError(t, err)
	assert.Equal(t, [2]int{37, 23}, [2]int{h, w}, "a quarter turn swaps the sides")
}

func TestRaw(t *testing.T) {
	var d Decoder
	pixels := []uint8{10, 20, 30, 40, 50, 60} // 1×2
	out := make([]uint8, 6)
	require.NoError(t, d.Raw(out, 1, 2, 3, pixels, 1, 2, 3, &Transform{}, nil))
	assert.Equal(t, pixels, out)
	require.NoError(t, d.Raw(out[:2], 1, 2, 1, pixels, 1, 2, 3, &Transform{}, nil))
	assert.Equal(t, []uint8{18, 48}, out[:2]) // 0.299 R + 0.587 G + 0.114 B
	require.NoError(t, d.Raw(out, 1, 2, 3, []uint8{7, 9}, 1, 2, 1, &Transform{}, nil))
	assert.Equal(t, []uint8{7, 7, 7, 9, 9, 9}, out)
	require.NoError(t, d.Raw(out, 3, 2, 1, []uint8{7, 9}, 1, 2, 1, &Transform{CenterCrop: []int{3, 2}}, nil))
	assert.Equal(t, []uint8{0, 0, 7, 9, 0, 0}, out)

	assert.EqualError(t, d.Raw(out, 1, 2, 3, pixels[:5], 1, 2, 3, &Transform{}, nil), "has 5 bytes, want 1×2×3")
	assert.ErrorIs(t, d.Raw(out, 1, 2, 3, pixels, 1, 2, 4, &Transform{}, nil), ErrUnsupported)
}

// Raw resizes decoded pixels as Decode resizes them.
func TestRawResize(t *testing.T) {
	var d Decoder
	pixels, want, got := make([]uint8, 23*37*3), make([]uint8, 9*9*3), make([]uint8, 9*9*3)
	data, transform := fixture(t, "rgb.png"), Transform{Resize: []int{12}, CenterCrop: []int{9}}
	require.NoError(t, d.Decode(pixels, 23, 37, 3, data, &Transform{}, nil))
	require.NoError(t, d.Decode(want, 9, 9, 3, data, &transform, nil))
	require.NoError(t, d.Raw(got, 9, 9, 3, pixels, 23, 37, 3, &transform, nil))
	assert.Equal(t, want, got)
}

func TestOrientationTag(t *testing.T) {
	entry := func(tag, kind uint16, count uint32, value uint16) []byte {
		b := binary.LittleEndian.AppendUint32([]byte("II*\x00"), 8)
		for _, v := range []uint16{1, tag, kind, uint16(count), uint16(count >> 16), value, 0} {
			b = binary.LittleEndian.AppendUint16(b, v)
		}
		return b
	}
	orientationIn := func(exif []byte) int { return metadata{exif: exif}.orientation() }
	good := entry(0x112, 3, 1, 6)
	assert.Equal(t, 6, orientationIn(good))
	assert.Equal(t, 6, orientationIn(entry(0x112, 4, 1, 6)), "a long number")
	assert.Equal(t, 3,
		orientationIn([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00")))
	for i := range good {
		assert.Equal(t, 1, orientationIn(good[:i]), "%d bytes of %d", i, len(good))
	}
	for name, block := range map[string][]byte{
		"value 0": entry(0x112, 3, 1, 0), "value 9": entry(0x112, 3, 1, 9), "two": entry(0x112, 3, 2, 6), "byte": entry(0x112, 1, 1, 6),
		"other tag": entry(0x113, 3, 1, 6), "no TIFF": []byte(strings.Repeat("x", 40)), "far away": []byte("II*\x00\xff\xff\xff\xff........"),
	} {
		assert.Equal(t, 1, orientationIn(block), name)
	}
}

// A large image is decoded, and its scratch memory is not kept.
func TestHuge(t *testing.T) {
	img := image.NewPaletted(image.Rect(0, 0, 5000, 4000), color.Palette{color.White, color.Black})
	var file bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&file, img))
	var d Decoder
	out := make([]uint8, 4*4*3)
	require.NoError(t, d.Decode(out, 4, 4, 3, file.Bytes(), &Transform{Resize: []int{4}, CenterCrop: []int{4}}, nil))
	assert.Equal(t, bytes.Repeat([]byte{255}, 48), out)
	assert.Nil(t, d.decoded.img)
	assert.Zero(t, cap(d.mid))
}

// After the first image of a kind, decoding a JPEG file allocates nothing.
func TestNoAllocation(t *testing.T) {
	var d Decoder
	data, out := fixture(t, "photo.jpg"), make([]uint8, 224*224*3)
	transform := Transform{Resize: []int{256}, CenterCrop: []int{224}}
	assert.Zero(t, testing.AllocsPerRun(5, func() { _ = d.Decode(out, 224, 224, 3, data, &transform, nil) }))
}

func FuzzDecode(f *testing.F) {
	for _, name := range fixtures(f) {
		if data := fixture(f, name); len(data) < 5000 {
			f.Add(data)
		}
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, w, err := Measure(data); err == nil && h*w > 1<<20 {
			return // large sizes are tested above; here many images should be tried
		}
		_ = try(&d, data)
	})
}

// If a decoder panics, the error is about the file.
func TestDecoderPanics(t *testing.T) {
	err := func() (err error) {
		defer panicked(&err)
		panic("index out of range")
	}()
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorContains(t, err, "its decoder panics: index out of range")
}
