package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/tiff"
)

// tiffHeader reads the size and the orientation of the first image in a TIFF file.
func tiffHeader(data []byte) (head header, err error) {
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	broken := fail(ErrFormat, "is a truncated or broken TIFF file")
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return head, broken
	}
	entries, rest := int(order.Uint16(data[at:])), data[at+2:]
	for ; entries > 0 && len(rest) >= 12; entries, rest = entries-1, rest[12:] {
		const width, height, short, long = 256, 257, 3, 4
		value := uint32(order.Uint16(rest[8:]))
		if order.Uint16(rest[2:]) == long {
			value = order.Uint32(rest[8:])
		}
		switch order.Uint16(rest) {
		case width:
			head.w = clampSize(value)
		case height:
			head.h = clampSize(value)
		}
	}
	head.orientation = metadata{exif: data}.orientation()
	return head, checkSize(head.h, head.w)
}

// openTIFF decodes the first image of a TIFF file.
func (d *Decoder) openTIFF(head header, data []byte) (picture, error) {
	img, err := tiff.Decode(bytes.NewReader(data))
	var unsupported tiff.UnsupportedError
	if errors.As(err, &unsupported) {
		return nil, fail(ErrUnsupported, "is a TIFF image of a kind that is not read: %s", stripped(err))
	}
	if err != nil {
		return nil, failed("TIFF", err)
	}
	if img.Bounds() != image.Rect(0, 0, head.w, head.h) {
		return nil, fail(ErrFormat, "is a broken TIFF file: its header says %d×%d, its image %v", head.w, head.h,
			img.Bounds())
	}
	if rgba, ok := img.(*image.RGBA); ok {
		divideAlpha(rgba.Pix)
	}
	if !d.decoded.set(img) {
		return nil, fail(ErrUnsupported, "is a TIFF image of pixels %T, which are not read", img)
	}
	return &d.decoded, nil
}

// divideAlpha divides colours by their alpha, as Pillow does if they were multiplied by it.
func divideAlpha(pix []uint8) {
	for ; len(pix) >= 4; pix = pix[4:] {
		if a := int(pix[3]); a > 0 && a < 255 {
			for k := range 3 {
				pix[k] = uint8(min(255*int(pix[k])/a, 255))
			}
		}
	}
}
