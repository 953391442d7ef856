package imaging

import "encoding/binary"

// bmpHead is what a BMP file says about its pixels.
type bmpHead struct {
	bits    int    // of a pixel
	packed  int    // bmpRaw, bmpRLE8, bmpRLE4 or bmpFields
	topDown bool   // rows run from top to bottom
	palette []byte // entries of size bytes: blue, green, red and perhaps another
	size    int
	data    int    // where the pixels begin
	order   string // of the bytes of a pixel of 24 or 32 bits
	green6  bool   // a pixel of 16 bits has 6 bits of green, not 5
}

const (
	bmpRaw    = 0
	bmpRLE8   = 1
	bmpRLE4   = 2
	bmpFields = 3
)

// bmpMasks are the orders of bytes that Pillow reads, by the masks of red, green, blue and alpha.
var bmpMasks = map[[4]uint32]string{
	{0xff0000, 0xff00, 0xff, 0}:          "BGRX",
	{0xff000000, 0xff0000, 0xff00, 0}:    "XBGR",
	{0xff000000, 0xff00, 0xff, 0}:        "BGXR",
	{0xff000000, 0xff0000, 0xff00, 0xff}: "XBGR",
	{0xff, 0xff00, 0xff0000, 0xff000000}: "RGBX",
	{0xff0000, 0xff00, 0xff, 0xff000000}: "BGRX",
	{0xff000000, 0xff00, 0xff, 0xff0000}: "BGXR",
	{0, 0, 0, 0}:                         "BGRX",
}

// bmpHeader reads the headers of Windows (40 to 124 bytes) and of OS/2 (12 and 64) as Pillow's
// BmpImagePlugin does.
func bmpHeader(data []byte) (head header, least int, err error) {
	truncated := fail(ErrFormat, "is a truncated BMP file")
	if len(data) < 18 {
		return head, 0, truncated
	}
	p := &head.bmp
	p.data = int(binary.LittleEndian.Uint32(data[10:]))
	size := int(binary.LittleEndian.Uint32(data[14:]))
	number := func(at int) int { return int(binary.LittleEndian.Uint32(data[14+at:])) }
	short := func(at int) int { return int(binary.LittleEndian.Uint16(data[14+at:])) }
	end, colours := 14+size, 0
	switch size {
	case 12, 40, 52, 56, 64, 108, 124:
	default:
		return head, 0, fail(ErrUnsupported, "is a BMP image with a header of %d bytes, which is not read", size)
	}
	if end > len(data) {
		return head, 0, truncated
	}
	if size == 12 {
		head.w, head.h, p.bits, p.size = short(4), short(6), short(10), 3
	} else {
		w, h := number(4), number(8)
		if p.topDown = data[14+11] == 0xff; p.topDown { // the height is negative
			h = 1<<32 - h
		}
		head.w, head.h = min(w, maxSide+1), min(h, maxSide+1)
		p.bits, p.packed, colours, p.size = short(14), number(16), number(32), 4
	}
	if err := checkSize(head.h, head.w); err != nil {
		return head, 0, err
	}
	unsupported := fail(ErrUnsupported, "is a BMP image of %d bits and compression %d, which is not read",
		p.bits, p.packed)
	switch p.bits {
	case 1, 4, 8:
		if p.packed > bmpRLE4 {
			return head, 0, unsupported
		}
		if colours == 0 {
			colours = 1 << p.bits
		}
		if colours > 256 {
			return head, 0, fail(ErrFormat, "is a broken BMP file: its palette has %d colours", colours)
		}
		if p.data == end {
			p.data += p.size * colours
		}
		if p.palette = data[end:min(end+p.size*colours, len(data))]; p.data == 0 {
			p.data = end + len(p.palette)
		}
	case 16, 24, 32:
		var masks [4]uint32
		if p.packed == bmpFields {
			for i := range masks {
				at := 40 + 4*i
				if i == 3 && size < 56 {
					break // no alpha
				}
				if 14+at+4 > len(data) {
					return head, 0, truncated
				}
				masks[i] = uint32(number(at))
				end = max(end, 14+at+4)
			}
		} else if p.packed != bmpRaw {
			return head, 0, unsupported
		}
		if p.data == 0 {
			p.data = end
		}
		known := true
		switch rgb := [3]uint32(masks[:3]); {
		case p.packed == bmpRaw || p.bits == 24:
			p.order, known = "BGRX", p.packed == bmpRaw || rgb == [3]uint32{0xff0000, 0xff00, 0xff}
		case p.bits == 32:
			p.order, known = bmpMasks[masks]
		default:
			p.green6 = rgb == [3]uint32{0xf800, 0x7e0, 0x1f}
			known = p.green6 || rgb == [3]uint32{0x7c00, 0x3e0, 0x1f}
		}
		if !known {
			return head, 0, fail(ErrUnsupported, "is a BMP image with the masks %#x, which is not read", masks)
		}
	default:
		return head, 0, unsupported
	}
	if p.packed == bmpRaw || p.packed == bmpFields {
		least = p.data + (head.h-1)*p.stride(head.w) + (head.w*p.bits+7)/8
	}
	return head, least, nil
}

// stride returns how many bytes a row of w pixels takes: a multiple of 4.
func (p *bmpHead) stride(w int) int { return (w*p.bits + 31) / 32 * 4 }

// openBMP decodes a BMP file to RGB.
func (d *Decoder) openBMP(head header, data []byte) (picture, error) {
	p, w, h := &head.bmp, head.w, head.h
	pix := grow(&d.pixels, h*w*3)
	d.raster = raster{pix: pix, w: w, c: 3}
	row := func(y int) []uint8 { // of the picture, for row y of the file
		if !p.topDown {
			y = h - 1 - y
		}
		return pix[y*w*3 : (y+1)*w*3]
	}
	if p.packed == bmpRLE8 || p.packed == bmpRLE4 {
		indices := grow(&d.mid, h*w)
		if err := p.unpack(indices, data, w); err != nil {
			return nil, err
		}
		for y := range h {
			for x, index := range indices[y*w : (y+1)*w] {
				p.entry(row(y)[3*x:], index)
			}
		}
		return &d.raster, nil
	}
	for y := range h {
		p.row(row(y), data[p.data+y*p.stride(w):], w)
	}
	return &d.raster, nil
}

// row converts a row of w pixels.
func (p *bmpHead) row(dst, src []byte, w int) {
	switch p.bits {
	case 1, 4, 8:
		most := byte(1<<p.bits - 1)
		for x := range w {
			p.entry(dst[3*x:], src[x*p.bits/8]>>(8-p.bits-x*p.bits%8)&most)
		}
	case 16:
		for x := range w {
			v := int(binary.LittleEndian.Uint16(src[2*x:]))
			to := dst[3*x : 3*x+3]
			if p.green6 {
				to[0], to[1], to[2] = uint8(v>>11*255/31), uint8(v>>5&63*255/63), uint8(v&31*255/31)
			} else {
				to[0], to[1], to[2] = uint8(v>>10&31*255/31), uint8(v>>5&31*255/31), uint8(v&31*255/31)
			}
		}
	default:
		var at [3]int // of red, green and blue
		for i, c := range p.order {
			switch c {
			case 'R':
				at[0] = i
			case 'G':
				at[1] = i
			case 'B':
				at[2] = i
			}
		}
		size := p.bits / 8
		for x := range w {
			from, to := src[x*size:x*size+size], dst[3*x:3*x+3]
			to[0], to[1], to[2] = from[at[0]], from[at[1]], from[at[2]]
		}
	}
}

// entry writes a colour of the palette. A colour that is missing is black, as in Pillow.
func (p *bmpHead) entry(dst []byte, index byte) {
	if at := p.size * int(index); at+3 <= len(p.palette) {
		dst[0], dst[1], dst[2] = p.palette[at+2], p.palette[at+1], p.palette[at]
	} else {
		dst[0], dst[1], dst[2] = 0, 0, 0
	}
}

// unpack undoes run-length encoding as Pillow's BmpRleDecoder does.
func (p *bmpHead) unpack(indices, data []byte, w int) error {
	n, pos, x := 0, p.data, 0
	put := func(v byte) {
		if n < len(indices) {
			indices[n] = v
			n++
		}
	}
	nibble := func(b byte, i int) byte {
		if i%2 == 0 {
			return b >> 4
		}
		return b & 15
	}
	for n < len(indices) && pos >= 0 && pos+2 <= len(data) {
		count, code := int(data[pos]), data[pos+1]
		pos += 2
		switch {
		case count > 0: // a run
			if x+count > w {
				count = max(0, w-x)
			}
			for i := range count {
				if p.packed == bmpRLE4 {
					put(nibble(code, i))
				} else {
					put(code)
				}
			}
			x += count
		case code == 0: // the end of a row
			for n%w != 0 {
				put(0)
			}
			x = 0
		case code == 1: // the end
			pos = len(data)
		case code == 2: // pixels that are left out
			if pos+2 > len(data) {
				pos = len(data)
				continue
			}
			for range min(len(indices)-n, int(data[pos])+int(data[pos+1])*w) {
				put(0)
			}
			pos += 2
			x = n % w
		default: // pixels that are not packed
			count := min(len(indices)-n, int(code))
			size := count
			if p.packed == bmpRLE4 {
				size = (count + 1) / 2
			}
			if pos+size > len(data) {
				pos = len(data)
				continue
			}
			for i := range count {
				if p.packed == bmpRLE4 {
					put(nibble(data[pos+i/2], i))
				} else {
					put(data[pos+i])
				}
			}
			pos += size
			pos += pos % 2
			x += int(code)
		}
	}
	if n < len(indices) {
		return fail(ErrFormat, "is a truncated BMP file")
	}
	return nil
}
