package imaging

import "encoding/binary"

// orientation returns the EXIF orientation in a block of EXIF data, which is a TIFF file without an
// image. If anything is wrong with the block, it returns 1: upright. If the tag is missing, Pillow
// also looks into XMP data; govpn does not.
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
