package imaging

import (
	"bytes"
	"strings"
)

// header is what the header of an encoded image says.
type header struct {
	format      *format
	h, w        int // as stored
	orientation int // EXIF's, 1 to 8
	png         pngHead
	bmp         bmpHead
	pnm         pnmHead
	webp        webpHead
	inverted    bool // a TIFF file whose pixels x/image inverts
}

// format is a format of encoded images.
type format struct {
	name string
	is   func(data []byte) bool // tells it by the first bytes
	// read reads the header. least is the fewest bytes that an image of this size can have.
	read func(data []byte) (head header, least int, err error)
}

var formats = []*format{
	{"JPEG", prefixed("\xff\xd8\xff"), func(data []byte) (header, int, error) {
		head, err := jpegHeader(data)
		// One component has the full width and at least a quarter of the full height. Each of its
		// 8×8 blocks takes at least one bit.
		return head, head.h * head.w / (4 * 64 * 8), err
	}},
	{"PNG", prefixed("\x89PNG\r\n\x1a\n"), pngHeader},
	{"WebP", isWebP, func(data []byte) (header, int, error) {
		head, err := webpHeader(data)
		return head, 0, err // one byte can stand for any number of pixels
	}},
	{"BMP", prefixed("BM"), bmpHeader},
	{"TIFF", isTIFF, func(data []byte) (header, int, error) {
		head, err := tiffHeader(data)
		return head, 0, err
	}},
	{"PNM", isPNM, pnmHeader},
}

func prefixed(start string) func(data []byte) bool {
	return func(data []byte) bool { return bytes.HasPrefix(data, []byte(start)) }
}

func isWebP(data []byte) bool {
	return len(data) >= 16 && string(data[:4]) == "RIFF" && string(data[8:15]) == "WEBPVP8" &&
		strings.IndexByte(" XL", data[15]) >= 0
}

func isTIFF(data []byte) bool {
	return len(data) >= 8 && (string(data[:4]) == "II*\x00" || string(data[:4]) == "MM\x00*")
}

// upright returns the image's size after its EXIF orientation is applied.
func (h header) upright() (height, width int) {
	if h.orientation > 4 {
		return h.w, h.h
	}
	return h.h, h.w
}

// Measure returns the size of an encoded image, after its EXIF orientation is applied. It reads the
// header only.
func Measure(data []byte) (h, w int, err error) {
	head, err := readHeader(data)
	if err != nil {
		return 0, 0, err
	}
	h, w = head.upright()
	return h, w, nil
}

func readHeader(data []byte) (head header, err error) {
	defer panicked(&err)
	for _, f := range formats {
		if !f.is(data) {
			continue
		}
		head, least, err := f.read(data)
		if head.format = f; head.orientation == 0 {
			head.orientation = 1
		}
		if err == nil {
			err = checkSize(head.h, head.w)
		}
		if err == nil && least > len(data) {
			err = fail(ErrFormat,
				"is truncated, or its size lies: %d×%d (height×width) takes at least %d bytes as %s, got %d", head.h,
				head.w, least, f.name, len(data))
		}
		return head, err
	}
	return head, fail(ErrFormat, "is %s, want JPEG, PNG, WebP, BMP, TIFF or PNM", foreign(data))
}

// clampSize keeps products of two sizes within an int. A size that it changes is too large anyway.
func clampSize(size uint32) int { return int(min(size, maxSide+1)) }

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
		{start: "II+\x00", name: "a BigTIFF image"},
		{start: "MM\x00+", name: "a BigTIFF image"},
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
		{start: "P7", name: "a PAM image"},
		{start: "Pf", name: "a PFM image"},
		{start: "PF", name: "a PFM image"},
	} {
		if bytes.HasPrefix(data, []byte(known.start)) {
			return known.name
		}
	}
	return "of no known kind"
}
