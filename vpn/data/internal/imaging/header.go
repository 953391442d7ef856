package imaging

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// header is what the header of an encoded image says.
type header struct {
	format      string // "JPEG", "PNG", "WebP", "BMP"
	h, w        int    // as stored
	orientation int    // EXIF's, 1 to 8
}

// upright returns the image's size after its EXIF orientation is applied.
func (h header) upright() (height, width int) {
	if h.orientation > 4 {
		return h.w, h.h
	}
	return h.h, h.w
}

// Measure returns the size of an encoded image, after its EXIF orientation is applied. It reads the
// header only, and checks the size against the limits.
func Measure(encoded []byte) (h, w int, err error) {
	head, err := readHeader(encoded)
	if err != nil {
		return 0, 0, err
	}
	h, w = head.upright()
	return h, w, nil
}

func readHeader(data []byte) (head header, err error) {
	defer panicked(&err)
	var least int // the fewest bytes that an image of this size can have
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		head, err = jpegHeader(data)
		// One component has the full width and at least a quarter of the full height. Each of its
		// 8×8 blocks takes at least one bit.
		least = head.h * head.w / (4 * 64 * 8)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		head, least, err = pngHeader(data)
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		head, err = webpHeader(data) // one byte can stand for any number of pixels
	case bytes.HasPrefix(data, []byte("BM")):
		head, least, err = bmpHeader(data)
	default:
		return head, fail(ErrFormat, "is %s, want JPEG, PNG, WebP or BMP", foreign(data))
	}
	if err == nil {
		err = checkSize(head.h, head.w)
	}
	if err == nil && least > len(data) {
		err = fail(ErrFormat,
			"is truncated, or its size lies: %d×%d (height×width) takes at least %d bytes as %s, got %d", head.h,
			head.w, least, head.format, len(data))
	}
	return head, err
}

// foreign names a format that is not read, as its first bytes show.
func foreign(data []byte) string {
	if len(data) == 0 {
		return "empty"
	}
	if len(data) >= 12 && string(data[4:8]) == "ftyp" {
		if brand := string(data[8:12]); brand == "avif" || brand == "avis" {
			return "an AVIF image"
		} else if strings.HasPrefix(brand, "hei") || strings.HasPrefix(brand, "hev") || brand == "mif1" {
			return "a HEIF image"
		}
		return "an MP4 file or one of its kin"
	}
	for _, known := range []struct{ start, name string }{
		{start: "II*\x00", name: "a TIFF image"},
		{start: "MM\x00*", name: "a TIFF image"},
		{start: "GIF8", name: "a GIF image"},
		{start: "%PDF", name: "a PDF document"},
		{start: "\x00\x00\x00\x0cJXL ", name: "a JPEG XL image"},
		{start: "\xff\x0a", name: "a JPEG XL image"},
		{start: "\x00\x00\x00\x0cjP", name: "a JPEG 2000 image"},
		{start: "\xff\x4f\xff\x51", name: "a JPEG 2000 image"},
		{start: "\x00\x00\x01\x00", name: "an icon"},
		{start: "\x1f\x8b", name: "a gzip file"},
		{start: "PK\x03\x04", name: "a zip file"},
		{start: "8BPS", name: "a Photoshop document"},
		{start: "RIFF", name: "a RIFF file other than WebP"},
		{start: "<", name: "markup (HTML or SVG)"},
		{start: "P", name: "perhaps a PNM image"},
	} {
		if bytes.HasPrefix(data, []byte(known.start)) {
			return known.name
		}
	}
	return "of no known kind"
}

// jpegHeader reads the segments before the first scan: the frame's size, and EXIF data in APP1.
func jpegHeader(data []byte) (head header, err error) {
	head = header{format: "JPEG"}
	var meta metadata
	for rest := data[2:]; len(rest) >= 4; {
		if rest[0] != 0xff || rest[1] == 0xff || rest[1] == 0 {
			rest = rest[1:] // fill bytes, or junk between segments
			continue
		}
		marker := rest[1]
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 { // has no length
			rest = rest[2:]
			continue
		}
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if marker == 0xda || marker == 0xd9 || size < 2 || size+2 > len(rest) {
			break
		}
		body := rest[4 : 2+size]
		switch {
		case marker == 0xe1 && bytes.HasPrefix(body, exifPrefix): // several blocks are parts of one
			meta.exif = append(slices.Clip(meta.exif), body[len(exifPrefix):]...)
		case marker == 0xe1 && bytes.HasPrefix(body, xmpPrefix):
			meta.xmp = body[len(xmpPrefix):]
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc &&
			len(body) >= 6 && head.w == 0:
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
	head.orientation = meta.orientation()
	return head, nil
}

func pngHeader(data []byte) (head header, least int, err error) {
	head = header{format: "PNG", orientation: 1}
	if len(data) < 33 {
		return head, 0, fail(ErrFormat, "is a truncated PNG file")
	}
	if string(data[8:16]) != "\x00\x00\x00\x0dIHDR" {
		return head, 0, fail(ErrFormat, "is a broken PNG file: it does not start with its header")
	}
	head.w, head.h = clampSize(binary.BigEndian.Uint32(data[16:])), clampSize(binary.BigEndian.Uint32(data[20:]))
	samples := map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[data[25]]
	row := 1 + (head.w*samples*int(data[24])+7)/8
	least = head.h * row / 1032 // deflate packs at most 258 bytes into two bits
	for rest := data[8:]; len(rest) >= 12; {
		size, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		if uint64(size)+12 > uint64(len(rest)) {
			break
		}
		switch kind {
		case "IEND":
			return head, least, nil
		case "eXIf":
			head.orientation = metadata{exif: rest[8 : 8+size]}.orientation()
		}
		rest = rest[size+12:]
	}
	if checkSize(head.h, head.w) != nil || least > len(data) { // the caller has a better message
		return head, least, nil
	}
	return head, least, fail(ErrFormat, "is a truncated PNG file")
}

// clampSize keeps products of two sizes within an int. A size that it changes is too large anyway.
func clampSize(size uint32) int { return int(min(size, maxSide+1)) }

func bmpHeader(data []byte) (head header, least int, err error) {
	head = header{format: "BMP", orientation: 1}
	if len(data) < 30 {
		return head, 0, fail(ErrFormat, "is a truncated BMP file")
	}
	if binary.LittleEndian.Uint32(data[14:]) < 40 {
		return head, 0, fail(ErrUnsupported, "is a BMP image of OS/2, want one with a header of Windows 3 or later")
	}
	w, h := int64(int32(binary.LittleEndian.Uint32(data[18:]))), int64(int32(binary.LittleEndian.Uint32(data[22:])))
	if h < 0 { // negative: rows run from top to bottom
		h = -h
	}
	head.w, head.h = int(max(min(w, maxSide+1), 0)), int(min(h, maxSide+1))
	bits := int(binary.LittleEndian.Uint16(data[28:]))
	return head, head.h * ((head.w*bits + 31) / 32 * 4), nil
}

func webpHeader(data []byte) (head header, err error) {
	head = header{format: "WebP", orientation: 1}
	end := uint64(binary.LittleEndian.Uint32(data[4:])) + 8
	if end < 12 || end > uint64(len(data)) {
		return head, fail(ErrFormat, "is a truncated WebP file")
	}
	canvas := [2]int{}
	var meta metadata
	flags := byte(0)
	for rest := data[12:end]; len(rest) >= 8; {
		kind, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:min(uint64(len(rest)), 8+size)]
		bits := func(at int) uint32 { return binary.LittleEndian.Uint32(body[at:]) }
		switch {
		case kind == "VP8X" && (len(body) != 10 || canvas[0] > 0):
			return head, fail(ErrFormat, "is a broken WebP file: it has several headers, or one of %d bytes", len(body))
		case kind == "VP8X":
			canvas = [2]int{int(bits(4)&0xffffff) + 1, int(bits(6)>>8) + 1}
			if flags = body[0]; flags&2 != 0 {
				return head, fail(ErrUnsupported, "is an animated WebP image")
			}
		case kind == "VP8 " && head.w == 0 && len(body) >= 10:
			head.w, head.h = int(bits(6)&0x3fff), int(bits(6)>>16&0x3fff)
		case kind == "VP8L" && head.w == 0 && len(body) >= 5:
			head.w, head.h = int(bits(1)&0x3fff)+1, int(bits(1)>>14&0x3fff)+1
		case kind == "EXIF" && flags&8 != 0 && meta.exif == nil:
			meta.exif = body
		case kind == "XMP " && flags&4 != 0 && meta.xmp == nil:
			meta.xmp = body
		}
		rest = rest[min(uint64(len(rest)), 8+size+size&1):]
	}
	if head.w == 0 {
		return head, fail(ErrFormat, "is a WebP file without an image")
	}
	head.orientation = meta.orientation()
	if canvas != [2]int{} && canvas != [2]int{head.w, head.h} {
		return head, fail(ErrFormat, "is a broken WebP file: its canvas is %d×%d, its image %d×%d (height×width)",
			canvas[1], canvas[0], head.h, head.w)
	}
	return head, nil
}
