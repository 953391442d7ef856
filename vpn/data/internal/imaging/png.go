package imaging

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"
)

// pngHead is what a PNG file says about its pixels.
type pngHead struct {
	depth, colour byte
	interlaced    bool
	palette       []byte // RGB
	data          int    // where the first IDAT chunk begins
}

// The types of colour.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

// samples is how many samples a pixel of each type of colour has.
var pngSamples = map[byte]int{pngGrey: 1, pngRGB: 3, pngPalette: 1, pngGreyAlpha: 2, pngRGBA: 4}

// depths are the bits per sample that each type of colour allows.
var pngDepths = map[byte]string{
	pngGrey: "\x01\x02\x04\x08\x10", pngRGB: "\x08\x10", pngPalette: "\x01\x02\x04\x08", pngGreyAlpha: "\x08\x10",
	pngRGBA: "\x08\x10",
}

// rowBytes returns how many bytes a row of w pixels takes, without its filter.
func (p *pngHead) rowBytes(w int) int { return (w*pngSamples[p.colour]*int(p.depth) + 7) / 8 }

// pngReader walks over the chunks of a PNG file as Pillow's PngImagePlugin does.
type pngReader struct {
	head  header
	meta  metadata
	raw   []byte // EXIF data as ImageMagick writes them into text; used if there is no chunk of them
	exif  bool
	frame uint32 // the number of the next fcTL chunk
	anim  bool   // an acTL chunk was read
}

// pngHeader reads all chunks except the pixels. Pillow refuses a file for a wrong checksum or a
// damaged chunk in front of the pixels. After the pixels it ignores checksums, and everything may be
// missing.
func pngHeader(data []byte) (head header, least int, err error) {
	r := pngReader{}
	pos := 8
	for {
		kind, body, ok := pngChunk(data, pos)
		if !ok {
			return head, 0, fail(ErrFormat, "is a truncated or broken PNG file: it has no pixels")
		}
		if kind == "IDAT" || kind == "IEND" {
			break
		}
		size := int(binary.BigEndian.Uint32(data[pos:]))
		if len(body) < size || len(data)-pos < size+12 {
			return head, 0, fail(ErrFormat, "is a truncated PNG file")
		}
		if err := r.chunk(kind, body); err != nil {
			return head, 0, err
		}
		if crc32.ChecksumIEEE(data[pos+4:pos+8+size]) != binary.BigEndian.Uint32(data[pos+8+size:]) {
			return head, 0, fail(ErrFormat, "is a broken PNG file: chunk %s has a wrong checksum", kind)
		}
		pos += size + 12
	}
	p := &r.head.png
	if r.head.w == 0 || !bytes.Contains([]byte(pngDepths[p.colour]), []byte{p.depth}) {
		return head, 0, fail(ErrFormat, "is a broken PNG file: it has no header, or one of no known kind of pixels")
	}
	if p.colour == pngPalette && len(p.palette)/3 > 256 {
		return head, 0, fail(ErrFormat, "is a broken PNG file: its palette has %d colours", len(p.palette)/3)
	}
	p.data = pos
	least = r.head.h * (1 + p.rowBytes(r.head.w)) / 1032 // deflate packs at most 258 bytes into two bits
	for first := true; ; first = false {
		kind, body, ok := pngChunk(data, pos)
		if !ok || kind == "IEND" || kind == "fcTL" && r.anim {
			break
		}
		size := int(binary.BigEndian.Uint32(data[pos:]))
		if len(body) < size {
			if first || kind == "IDAT" && first {
				break // the pixels may be there all the same
			}
			return head, 0, fail(ErrFormat, "is a truncated PNG file")
		}
		if err := r.chunk(kind, body); err != nil {
			return head, 0, err
		}
		pos += size + 12
	}
	if !r.exif {
		r.meta.exif = r.raw
	}
	r.head.orientation = r.meta.orientation()
	return r.head, least, nil
}

// pngChunk returns the type and the contents of the chunk at pos, as far as they are there. ok is
// false if nothing is there that can be a chunk.
func pngChunk(data []byte, pos int) (kind string, body []byte, ok bool) {
	if len(data)-pos < 8 || pos < 0 {
		return "", nil, false
	}
	for _, b := range data[pos+4 : pos+8] {
		if b != '_' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
			return "", nil, false
		}
	}
	size := int(binary.BigEndian.Uint32(data[pos:]))
	body = data[pos+8:]
	return string(data[pos+4 : pos+8]), body[:min(size, len(body))], true
}

// shortest is the fewest bytes that Pillow takes in chunks of these types.
var shortest = map[string]int{
	"IHDR": 13, "gAMA": 4, "cHRM": 32, "sRGB": 1, "pHYs": 9, "acTL": 8, "fcTL": 26, "fdAT": 4,
}

// chunk reads a chunk other than IDAT and IEND.
func (r *pngReader) chunk(kind string, body []byte) error {
	need := shortest[kind]
	if kind == "tRNS" {
		need = map[byte]int{pngGrey: 2, pngRGB: 6}[r.head.png.colour]
	}
	if len(body) < need {
		return fail(ErrFormat, "is a broken PNG file: chunk %s has %d bytes, want %d", kind, len(body), need)
	}
	switch kind {
	case "IHDR":
		if r.head.png.data > 0 { // after the pixels
			return nil
		}
		r.head.w, r.head.h = clampSize(binary.BigEndian.Uint32(body)), clampSize(binary.BigEndian.Uint32(body[4:]))
		if body[11] != 0 {
			return fail(ErrFormat, "is a broken PNG file: its filter method is %d, want 0", body[11])
		}
		r.head.png = pngHead{depth: body[8], colour: body[9], interlaced: body[12] != 0, palette: r.head.png.palette}
		return checkSize(r.head.h, r.head.w)
	case "PLTE":
		if r.head.png.data == 0 {
			r.head.png.palette = body
		}
	case "eXIf":
		r.meta.exif, r.exif = body, true
	case "acTL":
		r.anim = binary.BigEndian.Uint32(body) > 0
	case "fcTL":
		if n := binary.BigEndian.Uint32(body); n != r.frame {
			return fail(ErrFormat, "is a broken PNG file: its animation has frame %d in place of %d", n, r.frame)
		}
		r.frame++
		w, h := binary.BigEndian.Uint32(body[4:]), binary.BigEndian.Uint32(body[8:])
		if r.head.png.data == 0 && (int(w) != r.head.w || int(h) != r.head.h) {
			return fail(ErrFormat, "is a broken PNG file: its first frame is %d×%d (height×width), not the whole image",
				h, w)
		}
	case "iCCP":
		if _, rest, _ := bytes.Cut(body, []byte{0}); len(rest) == 0 || rest[0] != 0 {
			return fail(ErrFormat, "is a broken PNG file: chunk %s is compressed in an unknown way", kind)
		}
	case "tEXt", "zTXt", "iTXt":
		return r.text(kind, body)
	}
	return nil
}

// text reads text, which may hold EXIF or XMP data.
func (r *pngReader) text(kind string, body []byte) error {
	name, value, _ := bytes.Cut(body, []byte{0})
	packed := false
	switch kind {
	case "zTXt":
		if len(value) > 0 && value[0] != 0 {
			return fail(ErrFormat, "is a broken PNG file: chunk %s is compressed in an unknown way", kind)
		}
		packed, value = true, value[min(1, len(value)):]
	case "iTXt": // flag, method, language, 0, translated name, 0, text
		parts := bytes.SplitN(value[min(2, len(value)):], []byte{0}, 3)
		if len(parts) < 3 || value[0] != 0 && value[1] != 0 {
			return nil
		}
		packed, value = value[0] != 0, parts[2]
	}
	const exifName, xmpName = "Raw profile type exif", "XML:com.adobe.xmp"
	if n := string(name); n != exifName && n != xmpName {
		return nil
	}
	if packed {
		value = unpacked(value)
	}
	if string(name) == xmpName {
		r.meta.xmp = value
	} else if lines := bytes.SplitN(value, []byte("\n"), 4); len(lines) == 4 { // "", a name, the size, hexadecimal digits
		digits := bytes.ReplaceAll(lines[3], []byte("\n"), nil)
		r.raw, _ = hex.DecodeString(string(digits))
	}
	return nil
}

// unpacked returns compressed text of at most 1 MiB, Pillow's limit, or nil.
func unpacked(value []byte) []byte {
	const most = 1 << 20
	z, err := zlib.NewReader(bytes.NewReader(value))
	if err != nil {
		return nil
	}
	defer z.Close()
	text, err := io.ReadAll(io.LimitReader(z, most+1))
	if err != nil || len(text) > most {
		return nil
	}
	return text
}

// pngData reads the contents of the IDAT chunks from pos on.
type pngData struct {
	data []byte
	pos  int    // of the next chunk
	body []byte // what is left of the present one
}

func (p *pngData) more() bool {
	for len(p.body) == 0 {
		kind, body, ok := pngChunk(p.data, p.pos)
		if !ok || kind != "IDAT" && kind != "DDAT" {
			return false
		}
		p.body = body
		p.pos += int(binary.BigEndian.Uint32(p.data[p.pos:])) + 12
	}
	return true
}

func (p *pngData) Read(b []byte) (int, error) {
	if !p.more() {
		return 0, io.EOF
	}
	n := copy(b, p.body)
	p.body = p.body[n:]
	return n, nil
}

// ReadByte makes it an io.ByteReader: flate then reads no further than it needs.
func (p *pngData) ReadByte() (byte, error) {
	if !p.more() {
		return 0, io.EOF
	}
	b := p.body[0]
	p.body = p.body[1:]
	return b, nil
}

// pngDecoder unpacks and unfilters the rows of a PNG file.
type pngDecoder struct {
	in        pngData
	unpack    io.ReadCloser
	sum       hash.Hash32
	row, last []byte // with the filter in front
}

// openPNG decodes a PNG file.
func (d *Decoder) openPNG(head header, data []byte) (picture, error) {
	p := &d.png
	if err := p.start(data, head.png.data); err != nil {
		return nil, failed("PNG", err)
	}
	defer func() { p.in = pngData{} }()
	c := 1
	if head.png.colour != pngGrey && head.png.colour != pngGreyAlpha {
		c = 3
	}
	pix := grow(&d.pixels, head.h*head.w*c)
	passes := pngPasses[:]
	if !head.png.interlaced {
		passes = []pngPass{{0, 0, 1, 1}}
	}
	bits := pngSamples[head.png.colour] * int(head.png.depth)
	for _, pass := range passes {
		w, h := (head.w-pass.x+pass.dx-1)/pass.dx, (head.h-pass.y+pass.dy-1)/pass.dy
		if w <= 0 || h <= 0 {
			continue
		}
		n := 1 + head.png.rowBytes(w)
		clear(grow(&p.last, n))
		grow(&p.row, n)
		for y := range h {
			if err := p.next((bits + 7) / 8); err != nil {
				return nil, failed("PNG", err)
			}
			at := ((pass.y+y*pass.dy)*head.w + pass.x) * c
			head.png.pixels(pix[at:], p.row[1:], w, pass.dx*c)
			p.row, p.last = p.last, p.row
		}
	}
	if err := p.end(); err != nil {
		return nil, failed("PNG", err)
	}
	d.raster = raster{pix: pix, w: head.w, c: c}
	return &d.raster, nil
}

// pngPass says which pixels a pass of an interlaced image has: those from (x, y) on, in steps.
type pngPass struct{ x, y, dx, dy int }

var pngPasses = [...]pngPass{
	{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
}

var (
	errPNGStream = errors.New("its compressed data are damaged")
	errPNGSum    = errors.New("its compressed data have a wrong checksum")
)

// start reads the header of the compressed data (RFC 1950).
func (p *pngDecoder) start(data []byte, pos int) error {
	p.in = pngData{data: data, pos: pos}
	var z [2]byte
	if _, err := io.ReadFull(&p.in, z[:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	if z[0]&15 != 8 || z[0]>>4 > 7 || binary.BigEndian.Uint16(z[:])%31 != 0 || z[1]&0x20 != 0 {
		return errPNGStream
	}
	if p.unpack == nil {
		p.unpack, p.sum = flate.NewReader(&p.in), adler32.New()
		return nil
	}
	p.sum.Reset()
	return p.unpack.(flate.Resetter).Reset(&p.in, nil)
}

// next unpacks a row and undoes its filter. size is how many bytes a pixel takes, at least 1.
func (p *pngDecoder) next(size int) error {
	if _, err := io.ReadFull(p.unpack, p.row); err != nil {
		var corrupt flate.CorruptInputError
		if errors.As(err, &corrupt) {
			return errPNGStream
		}
		return io.ErrUnexpectedEOF
	}
	_, _ = p.sum.Write(p.row)
	return unfilter(p.row[0], p.row[1:], p.last[1:], size)
}

// unfilter undoes a filter (section 9 of the PNG specification).
func unfilter(kind byte, row, above []byte, size int) error {
	switch kind {
	case 0:
	case 1: // Sub
		for i := size; i < len(row); i++ {
			row[i] += row[i-size]
		}
	case 2: // Up
		for i, b := range above {
			row[i] += b
		}
	case 3: // Average
		for i := range min(size, len(row)) {
			row[i] += above[i] / 2
		}
		for i := size; i < len(row); i++ {
			row[i] += uint8((int(row[i-size]) + int(above[i])) / 2)
		}
	case 4: // Paeth
		for i := range min(size, len(row)) {
			row[i] += above[i]
		}
		for i := size; i < len(row); i++ {
			a, b, c := int(row[i-size]), int(above[i]), int(above[i-size])
			toA, toB, toC := b-c, a-c, a+b-2*c
			toA, toB, toC = max(toA, -toA), max(toB, -toB), max(toC, -toC)
			switch {
			case toA <= toB && toA <= toC:
				row[i] += uint8(a)
			case toB <= toC:
				row[i] += uint8(b)
			default:
				row[i] += uint8(c)
			}
		}
	default:
		return errors.New("a row has an unknown filter")
	}
	return nil
}

// end checks the checksum if the compressed data end with the last row. zlib, and so Pillow, looks
// no further if they do not end there.
func (p *pngDecoder) end() error {
	var more [1]byte
	n, err := p.unpack.Read(more[:])
	var corrupt flate.CorruptInputError
	switch {
	case n > 0:
		return nil
	case errors.As(err, &corrupt):
		return errPNGStream
	case err != io.EOF:
		return nil // the end is missing, but all pixels are there
	}
	// Pillow does not look for the checksum in the next chunk either.
	if sum := p.in.body; len(sum) >= 4 && binary.BigEndian.Uint32(sum) != p.sum.Sum32() {
		return errPNGSum
	}
	return nil
}

// pixels writes w pixels of a row, step bytes apart, as 1 or 3 bytes each. Of 16-bit samples it
// takes the high byte. It drops alpha.
func (p *pngHead) pixels(dst, row []byte, w, step int) {
	width, high := pngSamples[p.colour], 1 // bytes of a pixel, and from one sample to the next
	if p.depth == 16 {
		width, high = 2*width, 2
	}
	switch {
	case p.depth < 8:
		p.smallPixels(dst, row, w, step)
	case p.colour == pngPalette:
		for x, index := range row[:w] {
			p.entry(dst[x*step:], index)
		}
	case width == 1 && step == 1, width == 3 && step == 3:
		copy(dst[:w*width], row)
	case p.colour == pngGrey || p.colour == pngGreyAlpha:
		for x := range w {
			dst[x*step] = row[x*width]
		}
	default:
		for x := range w {
			from, to := row[x*width:], dst[x*step:x*step+3]
			to[0], to[1], to[2] = from[0], from[high], from[2*high]
		}
	}
}

// smallPixels is pixels for samples of less than a byte.
func (p *pngHead) smallPixels(dst, row []byte, w, step int) {
	depth := int(p.depth)
	most := byte(1<<depth - 1)
	for x := range w {
		v := row[x*depth/8] >> (8 - depth - x*depth%8) & most
		if p.colour == pngPalette {
			p.entry(dst[x*step:], v)
		} else {
			dst[x*step] = v * (255 / most)
		}
	}
}

// entry writes a colour of the palette. A colour that is missing is black, as in Pillow.
func (p *pngHead) entry(dst []byte, index byte) {
	if at := 3 * int(index); at+3 <= len(p.palette) {
		copy(dst[:3], p.palette[at:])
	} else {
		copy(dst[:3], "\x00\x00\x00")
	}
}
