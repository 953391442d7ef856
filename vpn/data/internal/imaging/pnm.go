package imaging

import (
	"bytes"
	"math"
)

// pnmHead is what a PBM, PGM or PPM file says about its pixels.
type pnmHead struct {
	kind byte // '1' to '6'
	most int  // the value that means 255
	data int  // where the pixels begin
}

// isPNM reports whether data begin like a PBM, PGM or PPM file.
func isPNM(data []byte) bool {
	return len(data) > 2 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6' && pnmSpace(data[2])
}

func pnmSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// channels returns how many values a pixel has.
func (p *pnmHead) channels() int {
	if p.kind == '3' || p.kind == '6' {
		return 3
	}
	return 1
}

// plain reports whether pixels are written as text.
func (p *pnmHead) plain() bool { return p.kind <= '3' }

// pnmHeader reads width, height and, except of PBM files, the largest value, as Pillow's
// PpmImagePlugin does.
func pnmHeader(data []byte) (head header, least int, err error) {
	p := &head.pnm
	p.kind, p.most = data[1], 1
	pos := 3
	numbers := []*int{&head.w, &head.h, &p.most}
	if p.kind == '1' || p.kind == '4' {
		numbers = numbers[:2]
	}
	for _, to := range numbers {
		var ok bool
		if *to, pos, ok = pnmNumber(data, pos); !ok {
			return head, 0, fail(ErrFormat, "is a broken PNM file: its header is not made of numbers")
		}
	}
	p.data = pos
	if err := checkSize(head.h, head.w); err != nil {
		return head, 0, err
	}
	if p.most < 1 || p.most > 65535 {
		return head, 0, fail(ErrFormat, "is a broken PNM file: its largest value is %d, want 1 to 65535", p.most)
	}
	switch {
	case p.plain():
		least = head.h * head.w * p.channels() // a digit each
	case p.kind == '4':
		least = p.data + head.h*((head.w+7)/8)
	default:
		least = p.data + head.h*head.w*p.channels()*p.size()
	}
	return head, least, nil
}

// size is how many bytes a value takes.
func (p *pnmHead) size() int {
	if p.most > 255 {
		return 2
	}
	return 1
}

// pnmNumber reads a number of at most 10 digits and the one character of white space after it. A
// comment reaches from # to the end of its line.
func pnmNumber(data []byte, pos int) (value, end int, ok bool) {
	digits := 0
	for ; pos < len(data); pos++ {
		switch b := data[pos]; {
		case b == '#':
			for pos < len(data) && data[pos] != '\n' && data[pos] != '\r' {
				pos++
			}
		case pnmSpace(b):
			if digits > 0 {
				return value, pos + 1, true
			}
		case b < '0' || b > '9' || digits == 10:
			return 0, 0, false
		default:
			value = 10*value + int(b-'0')
			digits++
		}
	}
	return value, pos, digits > 0
}

// openPNM decodes a PBM, PGM or PPM file.
func (d *Decoder) openPNM(head header, data []byte) (picture, error) {
	p, c := &head.pnm, head.pnm.channels()
	pix := grow(&d.pixels, head.h*head.w*c)
	d.raster = raster{pix: pix, w: head.w, c: c}
	rest := data[p.data:]
	switch {
	case p.kind == '4':
		stride := (head.w + 7) / 8
		for y := range head.h {
			for x := range head.w {
				pix[y*head.w+x] = ^-(rest[y*stride+x/8] >> (7 - x%8) & 1) // 1 is black
			}
		}
	case p.plain():
		return &d.raster, p.readText(pix, rest)
	case p.most == 255:
		copy(pix, rest)
	case p.size() == 1:
		var scaled [256]uint8
		for v := range scaled {
			scaled[v] = p.scaled(v)
		}
		for i := range pix {
			pix[i] = scaled[rest[i]]
		}
	default:
		for i := range pix {
			pix[i] = p.scaled(int(rest[2*i])<<8 | int(rest[2*i+1]))
		}
	}
	return &d.raster, nil
}

// scaled converts a value to 0 to 255. Of grey images with more than 8 bits it returns the high one
// of two bytes, as for all formats.
func (p *pnmHead) scaled(v int) uint8 {
	if p.most > 255 && p.channels() == 1 {
		return uint8(int(math.RoundToEven(float64(min(v, p.most))/float64(p.most)*65535)) >> 8)
	}
	return uint8(min(math.RoundToEven(float64(v)/float64(p.most)*255), 255))
}

// readText reads pixels that are written as text.
func (p *pnmHead) readText(pix, text []byte) error {
	pos := 0
	for i := range pix {
		for pos < len(text) && (pnmSpace(text[pos]) || text[pos] == '#') {
			if text[pos] == '#' {
				end := bytes.IndexAny(text[pos:], "\r\n")
				if end < 0 {
					end = len(text) - pos - 1
				}
				pos += end
			}
			pos++
		}
		if pos >= len(text) {
			return fail(ErrFormat, "is a truncated PNM file")
		}
		if p.kind == '1' { // digits need no space between them
			if text[pos] != '0' && text[pos] != '1' {
				return fail(ErrFormat, "is a broken PNM file: a pixel is %q, want 0 or 1", text[pos])
			}
			pix[i] = ('1' - text[pos]) * 255
			pos++
			continue
		}
		value, end, ok := pnmNumber(text, pos)
		if !ok || value > p.most {
			return fail(ErrFormat, "is a broken PNM file: value %d of its pixels is not a number from 0 to %d", i, p.most)
		}
		pix[i], pos = p.scaled(value), end
	}
	return nil
}
