package jpeg

import "bytes"

// The markers of table B.1 that matter here.
const (
	sof0, sof1, sof2  = 0xC0, 0xC1, 0xC2 // baseline, extended sequential and progressive frames
	sof15             = 0xCF
	dht, jpg, dac     = 0xC4, 0xC8, 0xCC // between sof0 and sof15, but not frames
	rst0, rst7        = 0xD0, 0xD7
	soi, eoi, sos     = 0xD8, 0xD9, 0xDA
	dqt, dnl, dri     = 0xDB, 0xDC, 0xDD
	app0, app14, last = 0xE0, 0xEE, 0xEF
	com               = 0xFE
	tem               = 0x01
)

// segment is a marker and its parameters.
type segment struct {
	marker byte
	body   []byte // without marker and length
	end    int    // position in the file after body
}

func checkStart(data []byte) error {
	if len(data) < 2 {
		return truncated("the start marker")
	}
	if data[0] != 0xFF || data[1] != soi {
		return formatError("the data start with % x, want ff d8", data[:2])
	}
	return nil
}

// nextMarker finds the next marker from pos on. Like libjpeg it skips stray bytes. end is the
// position after the marker.
func nextMarker(data []byte, pos int) (marker byte, end int, err error) {
	for pos < len(data) {
		i := bytes.IndexByte(data[pos:], 0xFF)
		if i < 0 {
			break
		}
		for pos += i; pos < len(data) && data[pos] == 0xFF; pos++ { // fill bytes
		}
		if pos < len(data) && data[pos] != 0 {
			return data[pos], pos + 1, nil
		}
	}
	return 0, 0, truncated("front of a marker")
}

func nextSegment(data []byte, pos int) (segment, error) {
	marker, pos, err := nextMarker(data, pos)
	if err != nil {
		return segment{}, err
	}
	if rst0 <= marker && marker <= eoi || marker == tem {
		return segment{marker: marker, end: pos}, nil
	}
	if len(data)-pos < 2 {
		return segment{}, truncated("the length of a segment")
	}
	n := int(data[pos])<<8 | int(data[pos+1])
	if s := (segment{marker: marker, end: pos + 2}); n < 2 && s.skip() == nil {
		return s, nil // libjpeg passes over it
	}
	if n < 2 {
		return segment{}, formatError("segment %#x has length %d, want at least 2", marker, n)
	}
	if n > len(data)-pos {
		return segment{}, truncated("a segment")
	}
	return segment{marker: marker, body: data[pos+2 : pos+n], end: pos + n}, nil
}

func (s segment) isFrame() bool {
	return sof0 <= s.marker && s.marker <= sof15 && s.marker != dht && s.marker != jpg && s.marker != dac
}

// skip returns an error unless the segment may be ignored.
func (s segment) skip() error {
	switch m := s.marker; {
	case app0 <= m && m <= last, m == com, m == tem, m == dac, m == dnl:
		return nil
	case rst0 <= m && m <= rst7: // some encoders write one after the last restart interval
		return nil
	case m == soi:
		return formatError("a second start marker")
	}
	return unsupported("marker %#x", s.marker)
}

// frameHeader reads a frame's size (section B.2.2).
func (s segment) frameHeader() (Header, error) {
	if len(s.body) < 6 {
		return Header{}, formatError("the frame header has %d bytes, want at least 6", len(s.body))
	}
	b := s.body
	h := Header{Height: int(b[1])<<8 | int(b[2]), Width: int(b[3])<<8 | int(b[4]), Components: int(b[5])}
	switch {
	case len(b) != 6+3*h.Components:
		return Header{}, formatError("the frame header has %d bytes, want %d for %d components", len(b),
			6+3*h.Components, h.Components)
	case h.Width == 0 || h.Components == 0:
		return Header{}, formatError("the image has width %d and %d components, want at least 1", h.Width, h.Components)
	case h.Height == 0:
		return Header{}, unsupported("the height is not in the header")
	}
	return h, nil
}

func (d *Decoder) readFrame(s segment) (err error) {
	if d.framed {
		return formatError("two frame headers")
	}
	if d.Header, err = s.frameHeader(); err != nil {
		return err
	}
	d.framed = true
	d.progressive = s.marker == sof2
	switch {
	case s.marker > sof2:
		return unsupported("frames of type %#x, only %#x and %#x (baseline) and %#x (progressive)", s.marker, sof0,
			sof1, sof2)
	case s.body[0] != 8:
		return unsupported("%d bits per sample, only 8", s.body[0])
	case d.Components != 1 && d.Components != 3 && d.Components != 4:
		return unsupported("%d components, only 1, 3 and 4", d.Components)
	}
	for i := range d.comp[:d.Components] {
		b := s.body[6+3*i:]
		d.comp[i] = component{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), quant: b[2]}
		c := &d.comp[i]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return formatError(
				"component %d has sampling factors %d×%d and quantisation table %d, want 1 to 4 and 0 to 3", i, c.h,
				c.v, c.quant)
		}
	}
	return d.layOut()
}

// layOut checks the sampling factors and derives the planes' sizes (section A.1.1).
func (d *Decoder) layOut() error {
	comps := d.comp[:d.Components]
	if d.Components == 1 {
		comps[0].h, comps[0].v = 1, 1 // section A.2.2: blocks of a single component come row by row, whatever its factors
	}
	d.hMax, d.vMax = 1, 1
	for i := range comps {
		d.hMax, d.vMax = max(d.hMax, comps[i].h), max(d.vMax, comps[i].v)
	}
	for i := range comps {
		c, p := &comps[i], &d.planes[i]
		if d.hMax%c.h != 0 || d.vMax%c.v != 0 {
			return unsupported("sampling factors %d×%d beside %d×%d", c.h, c.v, d.hMax, d.vMax)
		}
		*p = Plane{HSub: d.hMax / c.h, VSub: d.vMax / c.v}
		p.Width, p.Height = ceilDiv(d.Width, p.HSub), ceilDiv(d.Height, p.VSub)
		c.blocks.X, c.blocks.Y = ceilDiv(p.Width, 8), ceilDiv(p.Height, 8)
		c.plane = p
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// readQuant reads quantisation tables (section B.2.4.1).
func (d *Decoder) readQuant(b []byte) error {
	for len(b) > 0 {
		wide, id := min(int(b[0]>>4), 1), b[0]&15 // 0: 8 bits, anything else: 16
		if id > 3 {
			return formatError("quantisation table %d is not one of 0 to 3", id)
		}
		size := 64 << wide
		if b = b[1:]; len(b) < size {
			return formatError("quantisation table %d has %d bytes, want %d", id, len(b), size)
		}
		t := &d.quant[id]
		for i := range t.steps {
			if wide == 1 {
				t.steps[i] = int32(b[2*i])<<8 | int32(b[2*i+1])
			} else {
				t.steps[i] = int32(b[i])
			}
		}
		t.defined = true
		b = b[size:]
	}
	return nil
}

func (d *Decoder) readRestart(b []byte) error {
	if len(b) != 2 {
		return formatError("the restart interval has %d bytes, want 2", len(b))
	}
	d.restart = int(b[0])<<8 | int(b[1])
	return nil
}

// readColours records what tells the meaning of the components.
func (d *Decoder) readColours(s segment) {
	switch {
	case s.marker == app0 && len(s.body) >= 14 && string(s.body[:5]) == "JFIF\x00":
		d.jfif = true
	case s.marker == app14 && len(s.body) >= 12 && string(s.body[:5]) == "Adobe":
		d.adobe = int(s.body[11])
	}
}

// colours guesses what the components mean, as libjpeg does.
func (d *Decoder) colours() Colours {
	const none = -1
	switch d.Components {
	case 1:
		return Grey
	case 3:
		switch {
		case d.jfif:
		case d.adobe == 0, d.adobe == none && d.comp[0].id == 'R' && d.comp[1].id == 'G' && d.comp[2].id == 'B':
			return RGB
		}
		return YCbCr
	}
	if d.adobe == none || d.adobe == 0 {
		return CMYK
	}
	return YCCK
}
