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
	config, err := tiff.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return head, tiffError(err)
	}
	head.h, head.w = config.Height, config.Width
	head.orientation = metadata{exif: data}.orientation()
	head.inverted = blackFax(data)
	return head, nil
}

func tiffError(err error) error {
	var unsupported tiff.UnsupportedError
	if errors.As(err, &unsupported) {
		return fail(ErrUnsupported, "is a TIFF image of a kind that is not read: %s", stripped(err))
	}
	return failed("TIFF", err)
}

// blackFax reports whether pixels are coded as fax data (CCITT) and 0 is black. libtiff takes white
// in fax data to be 0, x/image to be white.
func blackFax(data []byte) bool {
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return false
	}
	fax, blackIsZero := false, false
	entries, rest := int(order.Uint16(data[at:])), data[at+2:]
	for ; entries > 0 && len(rest) >= 12; entries, rest = entries-1, rest[12:] {
		const compression, photometric = 259, 262
		switch value := order.Uint16(rest[8:]); order.Uint16(rest) {
		case compression:
			fax = value >= 2 && value <= 4
		case photometric:
			blackIsZero = value == 1
		}
	}
	return fax && blackIsZero
}

// openTIFF decodes the first image of a TIFF file.
func (d *Decoder) openTIFF(head header, data []byte) (picture, error) {
	img, err := tiff.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, tiffError(err)
	}
	if img.Bounds() != image.Rect(0, 0, head.w, head.h) {
		return nil, fail(ErrFormat, "is a broken TIFF file: its header says %d×%d, its image %v", head.w, head.h,
			img.Bounds())
	}
	switch img := img.(type) {
	case *image.RGBA:
		divideAlpha(img.Pix)
	case *image.Gray:
		if head.inverted {
			for i, v := range img.Pix {
				img.Pix[i] = ^v
			}
		}
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
