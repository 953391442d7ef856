package jpeg

import (
	"bytes"
	"encoding/binary"
)

// bitReader reads the coded data of one restart interval, after the stuffed zero bytes are removed.
type bitReader struct {
	buf []byte // the data and padding: a block is decoded before overrun is checked
	end int    // of the data in buf
	pos int    // index in buf of the next byte to load
	acc uint64 // loaded bits; the next one is the highest
	n   uint   // how many bits of acc count
}

// padding is more than the longest block takes (64 codes of 16 bits with 15 extra bits each) plus a
// load of 8 bytes.
const padding = 64*31/8 + 8 + 8

// load reads the interval that starts at pos in data. It returns the position of the marker that
// ends the interval, or len(data).
func (r *bitReader) load(data []byte, pos int) (next int) {
	r.buf, next = r.buf[:0], len(data)
	for pos < len(data) {
		i := bytes.IndexByte(data[pos:], 0xFF)
		if i < 0 {
			r.buf = append(r.buf, data[pos:]...)
			break
		}
		r.buf = append(r.buf, data[pos:pos+i]...)
		marker := pos + i
		for pos = marker + 1; pos < len(data) && data[pos] == 0xFF; pos++ { // fill bytes
		}
		if pos < len(data) && data[pos] != 0 {
			next = marker
			break
		}
		if pos < len(data) {
			r.buf = append(r.buf, 0xFF)
		}
		pos++
	}
	r.end = len(r.buf)
	r.buf = append(r.buf, make([]byte, padding)...)
	r.pos, r.acc, r.n = 0, 0, 0
	return next
}

// drop releases a large buffer.
func (r *bitReader) drop() {
	if cap(r.buf) > maxKept {
		r.buf = nil
	}
}

// load64 loads bits until more than 55 count.
func (r *bitReader) load64() {
	r.acc |= binary.BigEndian.Uint64(r.buf[r.pos:]) >> r.n
	r.pos += int(63-r.n) >> 3
	r.n |= 56
}

// overrun reports whether more bits were read than there are.
func (r *bitReader) overrun() bool { return r.pos*8-int(r.n) > r.end*8 }

// block decodes the coefficients of one block (section F.2.2) and multiplies them by the
// quantisation steps q. b must be zero. Coefficients after zigzag position last are zero; last is
// -1 if the data are not valid.
//
// The reader's state is kept in registers. acc may hold more bits than the n that count; those are
// loaded again.
func (r *bitReader) block(b *[64]int32, dc, ac *table, q *[64]int32, pred *int32) (last int) {
	acc, n, pos, buf := r.acc, r.n, r.pos, r.buf
	if n < 32 { // an entry takes at most 31 bits
		acc |= binary.BigEndian.Uint64(buf[pos:]) >> n
		pos += int(63-n) >> 3
		n |= 56
	}
	e := dc.lut[acc>>(64-lutBits)]
	if e.length() == 0 {
		if e = dc.complete(e, acc); e == 0 {
			return -1
		}
	}
	acc <<= e.length()
	n -= uint(e.length())
	*pred += e.value()
	b[0] = *pred * q[0]
	for k := 1; k < 64; k++ {
		if n < 32 {
			acc |= binary.BigEndian.Uint64(buf[pos:]) >> n
			pos += int(63-n) >> 3
			n |= 56
		}
		e := ac.lut[acc>>(64-lutBits)]
		if e.length() == 0 {
			if e = ac.complete(e, acc); e == 0 {
				return -1
			}
		}
		acc <<= e.length()
		n -= uint(e.length())
		if k += e.run(); k > 63 {
			if k < endRun {
				return -1
			}
			break
		}
		b[zigzag[k]&63] = e.value() * q[k]
		last = k
	}
	r.acc, r.n, r.pos = acc, n, pos
	return last
}

// zigzag maps the zigzag position of a coefficient to its row-by-row position (figure A.6).
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}
