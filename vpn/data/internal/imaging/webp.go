package imaging

import (
	"bytes"
	"encoding/binary"
	"image"

	"golang.org/x/image/webp"
)

// webpHead is where the pixels of a WebP file lie.
type webpHead struct {
	kind  string // of the chunk with the pixels: "VP8 " or "VP8L"
	body  []byte
	x, y  int // of an animation's first frame in the image
	w, h  int // its size
	frame bool
}

// webpHeader reads the chunks of a WebP file. Of an animation the first frame is read.
func webpHeader(data []byte) (head header, err error) {
	end := uint64(binary.LittleEndian.Uint32(data[4:])) + 8
	if end < 12 || end > uint64(len(data)) {
		return head, fail(ErrFormat, "is a truncated WebP file")
	}
	var meta metadata
	canvas, flags := [2]int{}, byte(0)
	for rest := data[12:end]; len(rest) >= 8; {
		kind, body, next := webpChunk(rest)
		switch {
		case kind == "VP8X" && (len(body) < 10 || canvas[0] > 0):
			return head, fail(ErrFormat, "is a broken WebP file: it has several headers, or one of %d bytes", len(body))
		case kind == "VP8X":
			canvas, flags = [2]int{uint24(body[4:]) + 1, uint24(body[7:]) + 1}, body[0]
		case kind == "ANMF" && head.webp.kind == "" && canvas[0] > 0 && len(body) >= 16:
			p := &head.webp
			p.frame, p.x, p.y = true, 2*uint24(body), 2*uint24(body[3:])
			for inner := body[16:]; len(inner) >= 8 && p.kind == ""; {
				var part []byte
				kind, part, inner = webpChunk(inner)
				p.take(kind, part)
			}
			if p.w != uint24(body[6:])+1 || p.h != uint24(body[9:])+1 || p.x+p.w > canvas[0] || p.y+p.h > canvas[1] {
				return head, fail(ErrFormat, "is a broken WebP file: its first frame is %d×%d at (%d, %d) (height×width, y, x)",
					p.h, p.w, p.y, p.x)
			}
		case head.webp.kind == "" && flags&2 == 0:
			head.webp.take(kind, body)
		}
		switch {
		case kind == "EXIF" && flags&8 != 0 && meta.exif == nil:
			meta.exif = body
		case kind == "XMP " && flags&4 != 0 && meta.xmp == nil:
			meta.xmp = body
		}
		rest = next
	}
	p := &head.webp
	if p.kind == "" {
		return head, fail(ErrFormat, "is a WebP file without an image")
	}
	head.h, head.w, head.orientation = p.h, p.w, meta.orientation()
	if p.frame {
		head.h, head.w = canvas[1], canvas[0]
	}
	if canvas != [2]int{} && canvas != [2]int{head.w, head.h} {
		return head, fail(ErrFormat, "is a broken WebP file: its canvas is %d×%d, its image %d×%d (height×width)",
			canvas[1], canvas[0], head.h, head.w)
	}
	return head, checkSize(p.h, p.w)
}

// webpChunk returns the type and the contents of a chunk of at least 8 bytes, and what follows it.
func webpChunk(data []byte) (kind string, body, next []byte) {
	size := uint64(binary.LittleEndian.Uint32(data[4:]))
	return string(data[:4]), data[8:min(uint64(len(data)), 8+size)], data[min(uint64(len(data)), 8+size+size&1):]
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// take takes a chunk if it holds pixels.
func (p *webpHead) take(kind string, body []byte) {
	switch {
	case kind == "VP8 " && len(body) >= 10:
		p.w, p.h = int(binary.LittleEndian.Uint16(body[6:]))&0x3fff, int(binary.LittleEndian.Uint16(body[8:]))&0x3fff
	case kind == "VP8L" && len(body) >= 5:
		bits := binary.LittleEndian.Uint32(body[1:])
		p.w, p.h = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
	default:
		return
	}
	p.kind, p.body = kind, body
}

// openWebP decodes a WebP file. x/image gets a file of the pixels alone: it reads no animations, and
// alpha is dropped anyway.
func (d *Decoder) openWebP(head header) (picture, error) {
	p := &head.webp
	file := append(grow(&d.file, 0), "RIFF....WEBP"...)
	file = append(file, p.kind...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(p.body)))
	file = append(file, p.body...)
	if len(p.body)%2 == 1 {
		file = append(file, 0)
	}
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	d.file = file
	img, err := webp.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, failed("WebP", err)
	}
	if img.Bounds() != image.Rect(0, 0, p.w, p.h) {
		return nil, fail(ErrFormat, "is a broken WebP file: its header says %d×%d, its image %v", p.w, p.h, img.Bounds())
	}
	var pic picture = &d.decoded
	if ycbcr, ok := img.(*image.YCbCr); ok {
		d.planar.set(ycbcr)
		pic = &d.planar
	} else if !d.decoded.set(img) {
		return nil, fail(ErrUnsupported, "is a WebP image of pixels %T, which are not read", img)
	}
	if !p.frame || p.w == head.w && p.h == head.h {
		return pic, nil
	}
	c := pic.channels()
	pix := grow(&d.pixels, head.h*head.w*c)
	clear(pix) // black around the frame
	for y := range p.h {
		at := ((p.y+y)*head.w + p.x) * c
		pic.row(pix[at:at+p.w*c], y, 0, p.w)
	}
	d.raster = raster{pix: pix, w: head.w, c: c}
	return &d.raster, nil
}
