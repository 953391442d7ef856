package jpeg

import (
	"fmt"
	"image"
	"io"
)

// maxScans is the most scans that a progressive file may have. Each may pass over the whole image.
// Encoders write about ten.
const maxScans = 128

// progress is what a scan of a progressive file adds (section G.1.1.1): the bits from low on of the
// coefficients at the zigzag positions first to last. In a file's first scan of these coefficients,
// high is 0. A later one refines them: it adds the bit low = high - 1.
type progress struct {
	first, last, high, low int
	skip                   int // how many more blocks end here without a code: the run of ends of band
}

// unknown stands in component.bits for a coefficient that no scan has had.
const unknown = -1

// readProgress reads and checks the fields of a scan header. Each scan must continue the ones before
// it, so that no bit comes twice.
func (s *scan) readProgress(b []byte) error {
	p := progress{first: int(b[0]), last: int(b[1]), high: int(b[2] >> 4), low: int(b[2] & 15)}
	switch {
	case p.first == 0 && p.last != 0, p.first > p.last, p.last > 63, p.first > 0 && len(s.comps) > 1,
		p.high > 0 && p.low != p.high-1, p.low > 13:
		return formatError("a scan of %d components has the coefficients %d to %d and the bits %d to %d",
			len(s.comps), p.first, p.last, p.high, p.low)
	}
	want := p.high
	if p.high == 0 {
		want = unknown
	}
	for _, c := range s.comps {
		if p.first > 0 && c.bits[0] == unknown {
			return formatError("component %d has other coefficients before its first", c.id)
		}
		for k := p.first; k <= p.last; k++ {
			if int(c.bits[k]) != want {
				return formatError("a scan has the bits %d to %d of coefficient %d of component %d, which do not come next",
					p.high, p.low, k, c.id)
			}
			c.bits[k] = int8(p.low)
		}
	}
	s.progress = p
	return nil
}

// allocateCoefficients allocates the coefficients of all blocks. It first checks that the file is
// long enough for its size: the first scan has a code of at least one bit for each block.
func (d *Decoder) allocateCoefficients(size int) error {
	mcus := image.Pt(ceilDiv(d.Width, 8*d.hMax), ceilDiv(d.Height, 8*d.vMax))
	blocks, need := 0, 0
	for i := range d.comp[:d.Components] {
		c := &d.comp[i]
		blocks += c.blocks.X * c.blocks.Y
		c.padded = image.Pt(mcus.X*c.h, mcus.Y*c.v)
		need += c.padded.X * c.padded.Y * 64
	}
	if blocks > size*8 {
		return fmt.Errorf("%w: %d×%d pixels are %d blocks, more than %d bytes can hold: %w",
			ErrFormat, d.Width, d.Height, blocks, size, io.ErrUnexpectedEOF)
	}
	if cap(d.coefs) < need {
		d.coefs = make([]int16, need)
	} else {
		d.coefs = d.coefs[:need]
		clear(d.coefs)
	}
	rest := d.coefs
	for i := range d.comp[:d.Components] {
		c := &d.comp[i]
		n := c.padded.X * c.padded.Y * 64
		c.coefs, rest = rest[:n:n], rest[n:]
		for k := range c.bits {
			c.bits[k] = unknown
		}
	}
	return nil
}

// readProgressiveMCU decodes what a scan adds to the blocks of one MCU.
func (d *Decoder) readProgressiveMCU(s *scan, x, y int) bool {
	for _, c := range s.comps {
		h, v := s.factors(c)
		for i := range h * v {
			at := ((y*v+i/h)*c.padded.X + x*h + i%h) * 64
			b := (*[64]int16)(c.coefs[at:])
			ok := true
			switch p := &s.progress; {
			case p.first == 0 && p.high == 0:
				ok = d.bits.firstDC(b, &d.huff[0][c.dc], &c.pred, p)
			case p.first == 0:
				d.bits.fill()
				b[0] |= int16(d.bits.take(1)) << p.low
			case p.high == 0:
				ok = d.bits.firstAC(b, &d.huff[1][c.ac], p)
			default:
				ok = d.bits.refineAC(b, &d.huff[1][c.ac], p)
			}
			if !ok || d.bits.overrun() {
				return false
			}
		}
	}
	return true
}

// fill makes sure that at least 32 bits are loaded.
func (r *bitReader) fill() {
	if r.n < 32 {
		r.load64()
	}
}

// take returns the next n bits, which must be loaded.
func (r *bitReader) take(n uint) uint32 {
	v := uint32(r.acc >> (64 - n))
	r.acc <<= n
	r.n -= n
	return v
}

// symbol decodes the next code. It returns a number above 255 if no code matches.
func (r *bitReader) symbol(t *table) int {
	r.fill()
	if e := t.short[r.acc>>(64-shortBits)]; e != 0 {
		r.take(uint(e & 15))
		return int(e >> 4)
	}
	next := uint32(r.acc >> 48)
	for length := shortBits + 1; length <= 16; length++ {
		if next < t.limit[length] {
			r.take(uint(length))
			return int(t.symbols[uint8(t.offset[length]+int(next>>(16-length)))])
		}
	}
	return 256
}

// firstDC decodes the first bits of a block's DC coefficient (section G.1.2.1).
func (r *bitReader) firstDC(b *[64]int16, t *table, pred *int32, p *progress) bool {
	size := r.symbol(t)
	if size > 15 {
		return false
	}
	*pred += extend(uint64(r.take(uint(size))), size)
	b[0] = int16(*pred << p.low)
	return true
}

// firstAC decodes the first bits of a block's AC coefficients (section G.1.2.2).
func (r *bitReader) firstAC(b *[64]int16, t *table, p *progress) bool {
	if p.skip > 0 {
		p.skip--
		return true
	}
	for k := p.first; k <= p.last; k++ {
		symbol := r.symbol(t)
		if symbol > 255 {
			return false
		}
		run, size := symbol>>4, symbol&15
		switch {
		case size > 0:
			if k += run; k > p.last {
				return false
			}
			b[zigzag[k]&63] = int16(extend(uint64(r.take(uint(size))), size) << p.low)
		case run == 15: // 16 zeros
			k += 15
		default:
			p.skip = 1<<run + int(r.take(uint(run))) - 1
			return true
		}
	}
	return true
}

// refineAC decodes one more bit of a block's AC coefficients (section G.1.2.3). A coefficient that
// is not zero yet has a bit of its own. Codes tell which of the others become 1 or -1.
func (r *bitReader) refineAC(b *[64]int16, t *table, p *progress) bool {
	one := int16(1) << p.low
	k := p.first
	for p.skip == 0 && k <= p.last {
		symbol := r.symbol(t)
		if symbol > 255 {
			return false
		}
		run, size := symbol>>4, symbol&15
		value := int16(0)
		switch {
		case size > 1:
			return false
		case size == 1:
			if value = -one; r.take(1) == 1 {
				value = one
			}
		case run < 15:
			p.skip = 1<<run + int(r.take(uint(run)))
			continue
		}
		if k = r.refine(b, k, p.last, run, one); k > p.last && value != 0 {
			return false
		}
		if value != 0 {
			b[zigzag[k]&63] = value
		}
		k++
	}
	if p.skip > 0 {
		r.refine(b, k, p.last, 64, one)
		p.skip--
	}
	return true
}

// refine reads the bits of coefficients that are not zero, from k on, until it has passed zeros
// coefficients that are. It returns the position of the next zero, or last + 1.
func (r *bitReader) refine(b *[64]int16, k, last, zeros int, one int16) int {
	for ; k <= last; k++ {
		v := &b[zigzag[k]&63]
		if *v == 0 {
			if zeros--; zeros < 0 {
				break
			}
			continue
		}
		r.fill()
		if r.take(1) == 0 || *v&one != 0 {
			continue
		}
		if *v >= 0 {
			*v += one
		} else {
			*v -= one
		}
	}
	return k
}

// transformAll transforms the blocks that the region needs, once all scans are read.
func (d *Decoder) transformAll() {
	for i := range d.comp[:d.Components] {
		c := &d.comp[i]
		for y := c.want.Min.Y; y < c.want.Max.Y; y++ {
			for x := c.want.Min.X; x < c.want.Max.X; x++ {
				coefs := (*[64]int16)(c.coefs[(y*c.padded.X+x)*64:])
				last := 0
				for k, at := range zigzag {
					if v := coefs[at]; v != 0 {
						d.coef[at&63], last = int32(v)*c.steps[k], k
					}
				}
				to := image.Pt(x, y).Sub(c.want.Min).Mul(8)
				inverse(&d.coef, last, c.plane.Pix[to.Y*c.plane.Stride+to.X:], c.plane.Stride)
				d.coef = [64]int32{}
			}
		}
	}
}
