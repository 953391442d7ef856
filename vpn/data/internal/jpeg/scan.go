package jpeg

import (
	"fmt"
	"image"
	"io"
	"slices"
)

// scan is the part of a file with the coded data of some components (section B.2.3). The data are
// blocks of one component, or MCUs of several.
type scan struct {
	comps       []*component
	store       [4]*component
	size        image.Point // in MCUs
	interleaved bool
	progress    progress // of a progressive file
}

// readScan decodes the scan whose header is b and whose data start at pos. end is where it stopped.
func (d *Decoder) readScan(b, data []byte, pos int, region image.Rectangle) (end int, err error) {
	if !d.framed {
		return 0, formatError("a scan comes before a frame header")
	}
	if d.complete() && !d.progressive {
		return 0, formatError("a scan comes after all components were seen")
	}
	if d.scans == 0 {
		d.Colours = d.colours()
		if !d.progressive {
			d.defaultHuffman()
		}
	}
	if d.scans++; d.scans > maxScans {
		return 0, formatError("there are more than %d scans", maxScans)
	}
	s := &d.scan
	if err := d.scanHeader(b, s); err != nil {
		return 0, err
	}
	if d.scans == 1 {
		if err := d.allocate(region, len(data)-pos); err != nil {
			return 0, err
		}
		if d.progressive {
			if err := d.allocateCoefficients(len(data) - pos); err != nil {
				return 0, err
			}
		}
	}
	if d.progressive {
		if err := s.readProgress(b[len(b)-3:]); err != nil {
			return 0, err
		}
	}
	if err := d.checkTables(s); err != nil {
		return 0, err
	}
	return d.readMCUs(s, data, pos)
}

// scanHeader reads which components follow, and with which tables. Like libjpeg it ignores the
// fields for progressive files in others.
func (d *Decoder) scanHeader(b []byte, s *scan) error {
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] < 1 || int(b[0]) > d.Components {
		return formatError("the scan header has %d bytes, want 4 and 2 for each of 1 to %d components", len(b),
			d.Components)
	}
	n, blocks := int(b[0]), 0
	s.comps = s.store[:n]
	for i := range s.comps {
		id, tables := b[1+2*i], b[2+2*i]
		c := d.find(id, i, s.comps[:i])
		if c == nil {
			return formatError("the scan header names component %d, which is not in the frame or has had its scan", id)
		}
		c.dc, c.ac = tables>>4, tables&15
		s.comps[i] = c
		blocks += c.h * c.v
	}
	s.interleaved = n > 1
	if s.interleaved && blocks > 10 {
		return formatError("a scan has %d blocks in each MCU, want at most 10", blocks)
	}
	s.size = s.comps[0].blocks
	if s.interleaved {
		s.size = image.Pt(ceilDiv(d.Width, 8*d.hMax), ceilDiv(d.Height, 8*d.vMax))
	}
	return nil
}

// find returns the component that a scan header names at place i. Components come in the order of
// the frame header; some encoders number all alike.
func (d *Decoder) find(id byte, i int, before []*component) *component {
	for k := i; k < d.Components; k++ {
		if c := &d.comp[k]; c.id == id && (d.progressive || !c.scanned) && !slices.Contains(before, c) {
			return c
		}
	}
	return nil
}

// checkTables checks that the tables of a scan are there, and marks its components as scanned.
func (d *Decoder) checkTables(s *scan) error {
	for _, c := range s.comps {
		dc, ac := true, true // which tables the scan uses
		if d.progressive {
			dc, ac = s.progress.first == 0 && s.progress.high == 0, s.progress.first > 0
		}
		if c.dc > 3 || c.ac > 3 || dc && !d.huff[0][c.dc].defined || ac && !d.huff[1][c.ac].defined ||
			!d.quant[c.quant].defined {
			return formatError(
				"component %d needs Huffman tables %d and %d and quantisation table %d, which are not all there", c.id,
				c.dc, c.ac, c.quant)
		}
		if !c.scanned && d.progressive {
			c.steps = d.quant[c.quant].steps // a later table of the number is for other components
		}
		c.scanned = true
	}
	return nil
}

// complete reports whether every component has had a scan.
func (d *Decoder) complete() bool {
	for i := range d.comp[:d.Components] {
		if !d.comp[i].scanned {
			return false
		}
	}
	return d.framed
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
			s.progress.skip = 0
			for _, c := range s.comps {
				c.pred = 0
			}
		}
		if d.progressive {
			if d.readProgressiveMCU(s, i%s.size.X, i/s.size.X) {
				continue
			}
		} else if d.readMCU(s, i%s.size.X, i/s.size.X) {
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
	if d.progressive {
		return s.size.Y
	}
	for _, c := range s.comps {
		_, v := s.factors(c)
		n = max(n, ceilDiv(c.want.Max.Y, v))
	}
	return n
}

// passRestart skips the restart marker after interval i (section E.2.4). If another marker is there,
// it does what libjpeg does (jpeg_resync_to_restart), except that it gives up where libjpeg would
// leave a part of the image grey.
func passRestart(data []byte, pos, i int) (end int, err error) {
	for {
		marker, end, err := nextMarker(data, pos)
		if err != nil {
			return 0, err
		}
		if marker < sof0 { // not a marker
			pos = end
			continue
		}
		ahead := (int(marker) - i) & 7 // of the one that should come
		switch {
		case rst0 > marker || marker > rst7, ahead == 1, ahead == 2:
			return 0, formatError("marker %#x comes after restart interval %d, want %#x", marker, i, rst0+i%8)
		case ahead >= 6: // an earlier one: the interval after it is passed over
			pos = end
			continue
		}
		return end, nil
	}
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
