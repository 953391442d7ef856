package imaging

import (
	"bytes"
	"encoding/binary"
)

// orientation reads the one tag that matters from a block of EXIF, which is a TIFF file without an image. Whatever is wrong with
// the block, the image stands as it is stored: 1. (Pillow looks into XMP too where EXIF has no such tag; govpn does not.)
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	entries, rest := order.Uint16(tiff[at:]), tiff[at+2:]
	for ; entries > 0 && len(rest) >= 12; entries, rest = entries-1, rest[12:] {
		const tag, short, long = 0x112, 3, 4
		if order.Uint16(rest) != tag {
			continue
		}
		value, kind := uint32(order.Uint16(rest[8:])), order.Uint16(rest[2:])
		if kind == long {
			value = order.Uint32(rest[8:])
		}
		if kind != short && kind != long || order.Uint32(rest[4:]) != 1 || value < 1 || value > 8 {
			return 1
		}
		return int(value)
	}
	return 1
}

// jpegHeader reads the segments before the first scan: the frame's size, and EXIF's orientation from APP1.
func jpegHeader(data []byte) (head header, err error) {
	head = header{format: "JPEG", orientation: 1}
	seen := false // EXIF: the first block counts
	for rest := data[2:]; len(rest) >= 4; {
		if rest[0] != 0xff || rest[1] == 0xff || rest[1] == 0 {
			rest = rest[1:] // fill bytes, or junk between segments
			continue
		}
		marker := rest[1]
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 { // stands alone
			rest = rest[2:]
			continue
		}
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if marker == 0xda || marker == 0xd9 || size < 2 || size+2 > len(rest) {
			break
		}
		body := rest[4 : 2+size]
		switch {
		case marker == 0xe1 && !seen && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			head.orientation, seen = orientation(body[6:]), true
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc && len(body) >= 6 && head.w == 0:
			head.h, head.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
			if head.w == 0 || head.h == 0 {
				return head, checkSize(head.h, head.w)
			}
		}
		rest = rest[2+size:]
	}
	if head.w == 0 {
		return head, fail(ErrFormat, "is a truncated JPEG file, or one without a frame")
	}
	return head, nil
}
