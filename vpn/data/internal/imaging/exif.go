package imaging

import (
	"bytes"
	"encoding/binary"
	"regexp"
)

// metadata is what says how an image must be turned. Pillow reads the orientation from EXIF data
// or, if they have none, from XMP data.
type metadata struct {
	exif, xmp []byte
}

// orientation returns the EXIF orientation, from 1 (upright) to 8, as PIL.ImageOps.exif_transpose
// understands it.
func (m metadata) orientation() int {
	exif := m.exif
	for bytes.HasPrefix(exif, exifPrefix) {
		exif = exif[len(exifPrefix):]
	}
	value, found := exifOrientation(exif)
	if !found && len(m.xmp) > 0 {
		if match := xmpOrientation.FindSubmatch(m.xmp); match != nil {
			value = int(match[1][0] - '0')
		}
	}
	if value < 1 || value > 8 {
		return 1
	}
	return value
}

var (
	exifPrefix     = []byte("Exif\x00\x00")
	xmpPrefix      = []byte("http://ns.adobe.com/xap/1.0/\x00")
	xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)
)

// exifOrientation returns the orientation in a block of EXIF data, which is a TIFF file without an
// image. If anything is wrong with the block, it finds none. A value that is no whole number is 0.
func exifOrientation(tiff []byte) (value int, found bool) {
	if len(tiff) < 8 {
		return 0, false
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00", "II\x00*":
		order = binary.LittleEndian
	case "MM\x00*", "MM*\x00":
		order = binary.BigEndian
	default:
		return 0, false
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0, false
	}
	entries, rest := order.Uint16(tiff[at:]), tiff[at+2:]
	for ; entries > 0 && len(rest) >= 12; entries, rest = entries-1, rest[12:] {
		const tag = 0x112
		kind, count := order.Uint16(rest[2:]), uint64(order.Uint32(rest[4:]))
		size := exifSizes[kind] * count
		switch {
		case size == 0: // of no known type, or empty
			continue
		case size > 4 && uint64(order.Uint32(rest[8:]))+size > uint64(len(tiff)):
			return value, found // Pillow reads no further
		case order.Uint16(rest) != tag:
			continue
		}
		value, found = 0, true // of several entries, the last counts
		if count == 1 {
			value = exifInteger(order, kind, rest[8:12])
		}
	}
	return value, found
}

// exifSizes is how many bytes a value of each TIFF type takes.
var exifSizes = map[uint16]uint64{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
	16: 8}

// exifInteger returns a value of a TIFF type, or 0 if its type is not one of whole numbers.
func exifInteger(order binary.ByteOrder, kind uint16, value []byte) int {
	switch kind {
	case 3: // SHORT
		return int(order.Uint16(value))
	case 4, 13: // LONG, IFD
		return int(order.Uint32(value))
	case 6: // SBYTE
		return int(int8(value[0]))
	case 8: // SSHORT
		return int(int16(order.Uint16(value)))
	case 9: // SLONG
		return int(int32(order.Uint32(value)))
	}
	return 0
}
