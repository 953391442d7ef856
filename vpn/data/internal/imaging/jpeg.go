package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"slices"

	"github.com/govpn/govpn/vpn/data/internal/jpeg"
)

// jpegHeader reads the segments before the first scan as Pillow's JpegImagePlugin does: the frame's
// size, and EXIF and XMP data in APP1. What Pillow refuses there, it refuses, too.
func jpegHeader(data []byte) (head header, err error) {
	var meta metadata
	for pos := 2; ; {
		if pos+1 >= len(data) {
			return head, fail(ErrFormat, "is a truncated JPEG file, or one without an image")
		}
		marker := data[pos+1]
		switch {
		case data[pos] != 0xff, marker == 0xff: // junk between segments, or a fill byte
			pos++
			continue
		case marker == 0, marker == 0xc8, 0xd0 <= marker && marker <= 0xd9, 0xf0 <= marker && marker <= 0xfd:
			pos += 2 // has no parameters, or none that Pillow knows
			continue
		case marker < 0xc0, marker == 0xff:
			return head, fail(ErrFormat, "is a broken JPEG file: it has the unknown marker %#x", marker)
		}
		if pos+4 > len(data) {
			return head, fail(ErrFormat, "is a truncated JPEG file")
		}
		size := max(int(binary.BigEndian.Uint16(data[pos+2:])), 2)
		if pos += 4; size-2 > len(data)-pos {
			return head, fail(ErrFormat, "is a truncated JPEG file")
		}
		body := data[pos : pos+size-2]
		pos += size - 2
		switch {
		case marker == 0xda:
			if head.w == 0 {
				return head, fail(ErrFormat, "is a broken JPEG file: it has a scan before a frame")
			}
			head.orientation = meta.orientation()
			return head, nil
		case marker == 0xe1 && bytes.HasPrefix(body, exifPrefix): // several blocks are parts of one
			meta.exif = append(slices.Clip(meta.exif), body[len(exifPrefix):]...)
		case marker == 0xe1 && bytes.HasPrefix(body, xmpPrefix):
			meta.xmp = body[len(xmpPrefix):]
		case marker <= 0xcf && marker != 0xc4 && marker != 0xcc, marker == 0xde: // frames
			if err := head.readFrame(body); err != nil {
				return head, err
			}
		}
	}
}

// readFrame reads the size in a JPEG file's frame header.
func (h *header) readFrame(body []byte) error {
	if len(body) < 6 || len(body)%3 != 0 {
		return fail(ErrFormat, "is a broken JPEG file: its frame header has %d bytes", len(body))
	}
	switch parts := body[5]; {
	case body[0] != 8:
		return fail(ErrUnsupported, "is a JPEG image of a kind that is not read: %d bits per sample, only 8", body[0])
	case parts != 1 && parts != 3 && parts != 4:
		return fail(ErrUnsupported, "is a JPEG image of a kind that is not read: %d components, only 1, 3 and 4", parts)
	}
	h.h, h.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	return checkSize(h.h, h.w)
}

// openJPEG decodes a JPEG file, or at least the given region of it.
func (d *Decoder) openJPEG(head header, data []byte, region image.Rectangle) (picture, error) {
	planes, err := d.jpeg.Decode(data, region)
	switch {
	case errors.Is(err, jpeg.ErrUnsupported):
		return nil, fail(ErrUnsupported, "is a JPEG image of a kind that is not read: %s", stripped(err))
	case err != nil:
		return nil, failed("JPEG", err)
	case d.jpeg.Width != head.w || d.jpeg.Height != head.h:
		return nil, fail(ErrFormat, "is a broken JPEG file: it has two frames")
	}
	d.planar.planes, d.planar.colours, d.planar.webp = planes, d.jpeg.Colours, false
	return &d.planar, nil
}
