package imaging

import (
	"bytes"
	"errors"
	"image"
	stdjpeg "image/jpeg"
	"image/png"
	"math/rand/v2"
	"sync"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"

	"github.com/govpn/govpn/vpn/data/internal/jpeg"
)

// Decoder converts encoded images to pixels. It keeps scratch memory from one image to the next.
// Its zero value is ready to use, by one goroutine at a time.
type Decoder struct {
	jpeg    jpeg.Decoder
	planar  planar
	decoded decoded
	raster  raster
	x, y    table
	mid     []uint8    // rows between the two passes of a resize
	lines   [2][]uint8 // single rows
	sums    []uint32
	turned  []uint8 // upright pixels of an image with an EXIF orientation
	stage   []uint8 // pixels between a centre crop and a random crop
}

// An image of more than hugePixels is decoded alone: one at a time in the process. Its scratch
// memory is not kept.
const hugePixels = 16 << 20

var huge sync.Mutex

// maxScans is the most scans that a progressive JPEG file may have. Each scan may pass over the
// whole image. Encoders write about ten.
const maxScans = 128

// Decode decodes an image, applies t, and writes the pixels to out: h·w·c values in the order (H,
// W, C), where c is 1 or 3. It returns an [ErrSize] if the result has another size. rng draws the
// random crop.
func (d *Decoder) Decode(out []uint8, h, w, c int, encoded []byte, t *Transform, rng *rand.Rand) error {
	head, err := readHeader(encoded)
	if err != nil {
		return err
	}
	ih, iw := head.upright()
	if first, second, ok := t.stages(); ok {
		return d.inStages(out, h, w, c, ih, iw, first, second, rng, func(stage []uint8, sh, sw int) error {
			return d.Decode(stage, sh, sw, c, encoded, first, nil)
		})
	}
	p, err := t.plan(ih, iw, rng)
	if err == nil {
		err = p.fits(out, h, w, c)
	}
	if err != nil {
		return err
	}
	if ih*iw > hugePixels {
		huge.Lock()
		defer func() {
			*d = Decoder{}
			huge.Unlock()
		}()
	}
	region := image.Rect(0, 0, head.w, head.h)
	if head.orientation == 1 {
		region = d.region(&p)
	}
	pic, err := d.open(head, encoded, region)
	if err != nil {
		return err
	}
	if head.orientation != 1 {
		pic = d.turn(pic, head)
	}
	d.render(out, c, pic, &p)
	return nil
}

// Raw is like [Decoder.Decode] for an image that needs no decoding: ph·pw·pc values in the order
// (H, W, C), where pc is 1 or 3.
func (d *Decoder) Raw(out []uint8, h, w, c int, pixels []uint8, ph, pw, pc int, t *Transform, rng *rand.Rand) error {
	if err := checkSize(ph, pw); err != nil {
		return err
	}
	if pc != 1 && pc != 3 {
		return fail(ErrUnsupported, "has %d channels, want 1 or 3", pc)
	}
	if len(pixels) != ph*pw*pc {
		return fail(ErrFormat, "has %d bytes, want %d×%d×%d", len(pixels), ph, pw, pc)
	}
	if first, second, ok := t.stages(); ok {
		return d.inStages(out, h, w, c, ph, pw, first, second, rng, func(stage []uint8, sh, sw int) error {
			return d.Raw(stage, sh, sw, c, pixels, ph, pw, pc, first, nil)
		})
	}
	p, err := t.plan(ph, pw, rng)
	if err == nil {
		err = p.fits(out, h, w, c)
	}
	if err != nil {
		return err
	}
	d.raster = raster{pix: pixels, w: pw, c: pc}
	d.render(out, c, &d.raster, &p)
	d.raster.pix = nil
	return nil
}

// inStages applies first with decode, into scratch memory, and then second to the result.
func (d *Decoder) inStages(out []uint8, h, w, c, ih, iw int, first, second *Transform, rng *rand.Rand,
	decode func(stage []uint8, h, w int) error,
) error {
	sh, sw, err := first.Size(ih, iw)
	if err != nil {
		return err
	}
	stage := d.stage
	grow(&stage, sh*sw*c)
	if err := decode(stage, sh, sw); err != nil {
		return err
	}
	if d.stage = stage; sh*sw > hugePixels {
		d.stage = nil
	}
	return d.Raw(out, h, w, c, stage, sh, sw, c, second, rng)
}

// panicked turns a panic into an error: decoders panic on some hostile files.
func panicked(err *error) {
	if p := recover(); p != nil {
		*err = fail(ErrFormat, "is a broken image: its decoder panics: %v", p)
	}
}

// open decodes an image, or at least the given region of it.
func (d *Decoder) open(head header, data []byte, region image.Rectangle) (pic picture, err error) {
	defer panicked(&err)
	if head.format == "JPEG" {
		planes, err := d.jpeg.Decode(data, region)
		switch {
		case err == nil && d.jpeg.Width == head.w && d.jpeg.Height == head.h:
			d.planar.planes, d.planar.webp = planes, false
			return &d.planar, nil
		case err == nil:
			return nil, fail(ErrFormat, "is a broken JPEG file: it has two frames")
		case !errors.Is(err, jpeg.ErrUnsupported):
			return nil, failed("JPEG", err)
		}
	}
	img, err := foreignDecode(head.format, data)
	if err != nil {
		return nil, err
	}
	if img.Bounds() != image.Rect(0, 0, head.w, head.h) {
		return nil, fail(ErrFormat, "is a broken %s file: its header says %d×%d, its image %v", head.format, head.w,
			head.h, img.Bounds())
	}
	switch img := img.(type) {
	case *image.YCbCr:
		d.planar.set(img, head.format == "WebP")
		return &d.planar, nil
	case *image.NYCbCrA:
		d.planar.set(&img.YCbCr, true)
		return &d.planar, nil
	}
	if !d.decoded.set(img) {
		return nil, fail(ErrUnsupported, "is a %s image of pixels %T, which are not read", head.format, img)
	}
	return &d.decoded, nil
}

// foreignDecode calls the decoders of Go and x/image.
func foreignDecode(format string, data []byte) (img image.Image, err error) {
	reader := bytes.NewReader(data)
	switch format {
	case "JPEG":
		if n := bytes.Count(data, []byte{0xff, 0xda}); n > maxScans {
			return nil, fail(ErrLimit, "has %d scans, want at most %d", n, maxScans)
		}
		img, err = stdjpeg.Decode(reader)
	case "PNG":
		img, err = png.Decode(reader)
	case "WebP":
		img, err = webp.Decode(reader)
	case "BMP":
		img, err = bmp.Decode(reader)
	}
	var jpegKind stdjpeg.UnsupportedError
	var pngKind png.UnsupportedError
	if errors.As(err, &jpegKind) || errors.As(err, &pngKind) || errors.Is(err, bmp.ErrUnsupported) {
		return nil, fail(ErrUnsupported, "is a %s image of a kind that is not read: %v", format, err)
	}
	if err != nil {
		return nil, failed(format, err)
	}
	return img, nil
}

// turn returns an upright picture.
func (d *Decoder) turn(p picture, head header) picture {
	c := p.channels()
	line := grow(&d.lines[0], head.w*c)
	grow(&d.turned, head.h*head.w*c)
	turn(d.turned, p, head.h, head.w, head.orientation, line)
	_, w := head.upright()
	d.raster = raster{pix: d.turned, w: w, c: c}
	return &d.raster
}
