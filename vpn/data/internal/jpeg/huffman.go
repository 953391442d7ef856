package jpeg

import "bytes"

// lutBits is how many bits one look-up covers: enough for most codes of a photograph with their
// coefficients.
const lutBits = 11

// shortBits is how many bits a look-up of symbols alone covers. In table.short, bits 4 to 11 are the
// symbol and bits 0 to 3 the code's length; 0 stands for a longer code.
const shortBits = 8

// entry says what the next bits hold:
//   - bits 16 to 31: the coefficient;
//   - bits 8 to 15: how many zeros come before it;
//   - bits 0 to 7: how many bits the code and the coefficient take.
//
// If only the code fits into the look-up, bits 0 to 7 are zero. Bits 24 to 31 are then the length
// of the code, and bits 16 to 23 that of the coefficient. Entry 0 stands for a code that is not in
// the look-up.
type entry uint32

// Numbers of zeros that exceed any block.
const (
	endRun   = 128 // a code that ends the block
	wrongRun = 64  // a code that only progressive files have
)

func newEntry(value int32, run, length int) entry {
	return entry(uint32(value)<<16 | uint32(run<<8|length))
}

func (e entry) value() int32   { return int32(e) >> 16 }
func (e entry) run() int       { return int(uint8(e >> 8)) }
func (e entry) length() uint32 { return uint32(e & 63) }

// table decodes Huffman codes (annex C) together with the coefficients that follow them (section
// F.2.2).
type table struct {
	lut       [1 << lutBits]entry
	limit     [17]uint32 // for each code length: its last code + 1, shifted to 16 bits
	offset    [17]int    // for each code length: the index of its first symbol minus its first code
	symbols   [256]byte
	short     [1 << shortBits]uint16 // for progressive files: symbol and length of codes of up to shortBits bits
	spec      []byte                 // what the table was built from; most files have the same tables
	shortOnly bool                   // lut is not built: progressive files do not use it
	dc        bool                   // a DC table: codes of size 0 do not end the block
	defined   bool
}

// readHuffman reads Huffman tables (section B.2.4.2).
func (d *Decoder) readHuffman(b []byte) error {
	for len(b) > 0 {
		class, id := b[0]>>4, b[0]&15
		if class > 1 || id > 3 {
			return formatError("Huffman table %d has class %d, want tables 0 to 3 and classes 0 and 1", id, class)
		}
		if len(b) < 17 {
			return formatError("Huffman table %d has %d bytes, want at least 17", id, len(b))
		}
		size := 17
		for _, n := range b[1:17] {
			size += int(n)
		}
		if size > 17+256 || size > len(b) {
			return formatError("Huffman table %d has %d symbols, its segment %d bytes for them", id, size-17, len(b)-17)
		}
		t := &d.huff[class][id]
		if !bytes.Equal(t.spec, b[:size]) || t.shortOnly != d.progressive {
			t.spec, t.dc, t.shortOnly = t.spec[:0], class == 0, d.progressive
			if err := t.build(b[:size]); err != nil {
				return err
			}
			t.spec = append(t.spec, b[:size]...)
		}
		t.defined = true
		b = b[size:]
	}
	return nil
}

// build builds the table from a specification: one byte of class and number, the number of codes of
// each length, the symbols.
func (t *table) build(spec []byte) error {
	t.short = [1 << shortBits]uint16{}
	if !t.shortOnly {
		t.lut = [1 << lutBits]entry{}
	}
	symbols := t.symbols[:copy(t.symbols[:], spec[17:])]
	code, next := 0, 0
	for length := 1; length <= 16; length++ {
		n := int(spec[length])
		t.offset[length] = next - code
		if n > 0 && code+n >= 1<<length { // no code may be all ones
			return formatError("a Huffman table has too many codes of %d bits", length)
		}
		for _, symbol := range symbols[next : next+n] {
			if t.dc && symbol > 15 {
				return formatError("a DC table has symbol %#x, want at most 0xf", symbol)
			}
			if length <= lutBits && !t.shortOnly {
				t.enter(code, length, symbol)
			}
			if free := shortBits - length; free >= 0 {
				for i := range 1 << free {
					t.short[code<<free+i] = uint16(symbol)<<4 | uint16(length)
				}
			}
			code++
		}
		next += n
		t.limit[length] = uint32(code) << (16 - length)
		code <<= 1
	}
	return nil
}

// split returns the halves of a symbol: how many zeros come first, and the coefficient's bits.
func (t *table) split(symbol byte) (run, size int) {
	run, size = int(symbol>>4), int(symbol&15)
	switch {
	case size > 0 || run == 15 || t.dc:
		return run, size
	case run == 0:
		return endRun, 0
	}
	return wrongRun, 0
}

// enter fills the entries of the look-up table that start with a code.
func (t *table) enter(code, length int, symbol byte) {
	run, size := t.split(symbol)
	free := lutBits - length // bits after the code
	slots := t.lut[code<<free : (code+1)<<free]
	for i := range slots {
		if size > free {
			slots[i] = newEntry(int32(length<<8|size), run, 0)
		} else {
			slots[i] = newEntry(extend(uint64(i)>>(free-size), size), run, length+size)
		}
	}
}

// extend converts the extra bits of a coefficient to its value (figure F.12).
func extend(bits uint64, size int) int32 {
	v := int32(bits)
	if v<<1>>size == 0 {
		v -= 1<<size - 1
	}
	return v
}

// complete decodes an entry that the look-up table holds only partly or not at all. It returns 0 if
// no code matches.
func (t *table) complete(e entry, acc uint64) entry {
	length, run, size := int(e>>24), e.run(), int(uint8(e>>16))
	if e == 0 {
		next := uint32(acc >> 48)
		for length = lutBits + 1; next >= t.limit[length]; length++ {
			if length == 16 {
				return 0
			}
		}
		run, size = t.split(t.symbols[uint8(t.offset[length]+int(next>>(16-length)))])
	}
	return newEntry(extend(acc<<length>>1>>(63-size), size), run, length+size)
}
