package jpeg

import (
	"bytes"
	"fmt"
	"image"
	"io"
)

// scan is the part of a file with the coded data of some components (section B.2.3). The data are
// blocks of one component, or MCUs of several.
type scan struct {
	comps       []*component
	store       [3]*component
	size        image.Point // in MCUs
	interleaved bool
}

// readScan decodes the scan whose header is b and whose data start at pos. end is where it stopped.
func (d *Decoder) readScan(b, data []byte, pos int, region image.Rectangle) (end int, err error) {
	if !d.framed {
		return 0, formatError("a scan comes before a frame header")
	}
	if d.isRGB() {
		return 0, unsupported("RGB")
	}
	s := &d.scan
	if err := d.scanHeader(b, s); err != nil {
		return 0, err
	}
	if d.seen == 0 {
		d.whole = bytes.LastIndex(data[pos:], []byte{0xFF, eoi}) < 0 // coded data cannot contain the marker
		if err := d.allocate(region, len(data)-pos); err != nil {
			return 0, err
		}
	}
	d.seen += len(s.comps)
	return d.readMCUs(s, data, pos)
}

// scanHeader reads which components follow, and with which tables. Like libjpeg it ignores the
// fields for progressive files.
func (d *Decoder) scanHeader(b []byte, s *scan) error {
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] < 1 || int(b[0]) > d.Components {
		return formatError("the scan header has %d bytes, want 4 and 2 for each of 1 to %d components", len(b),
			d.Components)
	}
	n := int(b[0])
	s.comps = s.store[:n]
	for i := range s.comps {
		id, tables := b[1+2*i], b[2+2*i]
		c := d.find(id)
		if c == nil {
			return formatError("the scan header names component %d, which is not in the frame or has had its scan", id)
		}
		c.scanned, c.dc, c.ac = true, tables>>4, tables&15
		if c.dc > 3 || c.ac > 3 || !d.huff[0][c.dc].defined || !d.huff[1][c.ac].defined || !d.quant[c.quant].defined {
			return formatError(
				"component %d needs Huffman tables %d and %d and quantisation table %d, which are not all there", id,
				c.dc, c.ac, c.quant)
		}
		s.comps[i] = c
	}
	s.interleaved = n > 1
	s.size = s.comps[0].blocks
	if s.interleaved {
		s.size = image.Pt(ceilDiv(d.Width, 8*d.hMax), ceilDiv(d.Height, 8*d.vMax))
	}
	return nil
}

func (d *Decoder) find(id byte) *component {
	for i := range d.comp[:d.Components] {
		if c := &d.comp[i]; c.id == id && !c.scanned {
			return c
		}
	}
	return nil
}

// allocate allocates the blocks that the region needs. It first checks that the file is long enough
// for its size: a block has two codes, for its DC coefficient and its end, of at least one bit
// each.
func (d *Decoder) allocate(region image.Rectangle, size int) error {
	blocks, need := 0, 0
	region = region.Intersect(image.Rect(0, 0, d.Width, d.Height))
	if region.Empty() {
		return fmt.Errorf("jpeg: the region is empty or outside the image of %d×%d pixels", d.Width, d.Height)
	}
	for i := range d.comp[:d.Components] {
		c := &d.comp[i]
		c.setRegion(region)
		blocks += c.blocks.X * c.blocks.Y
		need += c.want.Dx() * c.want.Dy() * 64
	}
	if blocks > size*4 {
		return fmt.Errorf("%w: %d×%d pixels are %d blocks, more than %d bytes can hold: %w",
			ErrFormat, d.Width, d.Height, blocks, size, io.ErrUnexpectedEOF)
	}
	if cap(d.pix) < need {
		d.pix = make([]uint8, need)
	}
	pix := d.pix[:cap(d.pix)]
	for i := range d.comp[:d.Components] {
		c := &d.comp[i]
		n := c.want.Dx() * c.want.Dy() * 64
		c.plane.Pix, pix = pix[:n:n], pix[n:]
	}
	return nil
}

// setRegion selects the blocks that the pixels of a region need, with one more sample on each side
// where the plane is subsampled.
func (c *component) setRegion(r image.Rectangle) {
	p := c.plane
	low := func(pixel, sub int) int { return max(pixel/sub-(sub-1), 0) / 8 }
	high := func(pixel, sub, blocks int) int { return min(ceilDiv(ceilDiv(pixel, sub)+sub-1, 8), blocks) }
	c.want = image.Rect(low(r.Min.X, p.HSub), low(r.Min.Y, p.VSub), high(r.Max.X, p.HSub, c.blocks.X),
		high(r.Max.Y, p.VSub, c.blocks.Y))
	p.Rect = image.Rectangle{
		Min: c.want.Min.Mul(8),
		Max: c.want.Max.Mul(8),
	}.Intersect(image.Rect(0, 0, p.Width, p.Height))
	p.Stride = c.want.Dx() * 8
}

// readMCUs decodes down to the last row that the region needs.
func (d *Decoder) readMCUs(s *scan, data []byte, pos int) (end int, err error) {
	n := s.size.X * d.rows(s)
	for i := 0; i < n; i++ {
		if i == 0 || d.restart > 0 && i%d.restart == 0 {
			if i > 0 {
				if pos, err = passRestart(data, pos, i/d.restart-1); err != nil {
					return 0, err
				}
			}
			pos = d.bits.load(data, pos)
			for _, c := range s.comps {
				c.pred = 0
			}
		}
		if d.readMCU(s, i%s.size.X, i/s.size.X) {
			continue
		}
		if pos == len(data) {
			return 0, truncated("the coded data")
		}
		return 0, formatError("the coded data are not valid in row %d of %d, column %d of %d", i/s.size.X, s.size.Y,
			i%s.size.X, s.size.X)
	}
	return pos, nil
}

// rows returns how many rows of MCUs to read.
func (d *Decoder) rows(s *scan) (n int) {
	if d.whole {
		return s.size.Y
	}
	for _, c := range s.comps {
		_, v := s.factors(c)
		n = max(n, ceilDiv(c.want.Max.Y, v))
	}
	return n
}

// passRestart skips the restart marker after interval i (section E.2.4).
func passRestart(data []byte, pos, i int) (end int, err error) {
	marker, end, err := nextMarker(data, pos)
	if err != nil {
		return 0, err
	}
	if want := byte(rst0 + i%8); marker != want {
		return 0, formatError("marker %#x comes after restart interval %d, want %#x", marker, i, want)
	}
	return end, nil
}

// factors returns how many blocks of a component an MCU of the scan has, horizontally and
// vertically.
func (s *scan) factors(c *component) (h, v int) {
	if s.interleaved {
		return c.h, c.v
	}
	return 1, 1
}

// readMCU decodes the blocks of one MCU and transforms those that are wanted. Unwanted blocks
// include the padding to whole MCUs.
func (d *Decoder) readMCU(s *scan, x, y int) bool {
	for _, c := range s.comps {
		h, v := s.factors(c)
		for i := range h * v {
			last := d.bits.block(&d.coef, &d.huff[0][c.dc], &d.huff[1][c.ac], &d.quant[c.quant].steps, &c.pred)
			if last < 0 || d.bits.overrun() {
				return false
			}
			if at := image.Pt(x*h+i%h, y*v+i/h); at.In(c.want) {
				at = at.Sub(c.want.Min).Mul(8)
				inverse(&d.coef, last, c.plane.Pix[at.Y*c.plane.Stride+at.X:], c.plane.Stride)
			}
			d.coef = [64]int32{}
		}
	}
	return true
}
