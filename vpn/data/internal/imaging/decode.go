package imaging

import (
	"image"
	"math/rand/v2"
	"sync"

	"github.com/govpn/govpn/vpn/data/internal/jpeg"
)

// Decoder converts encoded images to pixels. It keeps scratch memory from one image to the next.
// Its zero value is ready to use, by one goroutine at a time.
type Decoder struct {
	jpeg    jpeg.Decoder
	png     pngDecoder
	planar  planar
	decoded decoded
	raster  raster
	pixels  []uint8 // of raster
	file    []byte  // a file that is made for another decoder
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
	switch head.format.name {
	case "JPEG":
		return d.openJPEG(head, data, region)
	case "PNG":
		return d.openPNG(head, data)
	case "WebP":
		return d.openWebP(head)
	case "BMP":
		return d.openBMP(head, data)
	case "TIFF":
		return d.openTIFF(head, data)
	}
	return d.openPNM(head, data)
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
