package imaging

import "image"

// fits returns an error unless out can hold the plan's result as h×w×c values.
func (p *plan) fits(out []uint8, h, w, c int) error {
	if p.h != h || p.w != w {
		return fail(ErrSize, "is %d×%d (height×width), want %d×%d", p.h, p.w, h, w)
	}
	if c != 1 && c != 3 || len(out) != h*w*c {
		return fail(ErrSize, "goes to %d values of %d×%d×%d, want 1 or 3 channels and as many values", len(out), h, w,
			c)
	}
	return nil
}

// region returns the part of the upright image that the plan needs. If the plan resizes, it also
// builds the tables of weights.
func (d *Decoder) region(p *plan) image.Rectangle {
	x, y := p.axes()
	if !p.resizes() {
		return image.Rect(x.first, y.first, x.first+x.count, y.first+y.count).Add(p.box.Min)
	}
	d.x.build(x)
	d.y.build(y)
	return image.Rect(d.x.low, d.y.low, d.x.high, d.y.high)
}

// render writes the plan's result with c channels. The picture must be upright.
func (d *Decoder) render(out []uint8, c int, pic picture, p *plan) {
	region := d.region(p)
	x, y := p.axes()
	if x.count < p.w || y.count < p.h {
		clear(out)
	}
	left, top := max(-p.left, 0), max(-p.top, 0)
	line := func(i int) []uint8 {
		start := ((top+i)*p.w + left) * c
		return out[start : start+x.count*c]
	}
	if p.resizes() {
		d.resize(line, c, pic, p)
		return
	}
	for i := range y.count {
		d.read(line(i), c, pic, region.Min.Y+i, region.Min.X, region.Max.X)
	}
}

// read reads pixels x0 to x1 of row y with c channels.
func (d *Decoder) read(dst []uint8, c int, pic picture, y, x0, x1 int) {
	switch has := pic.channels(); {
	case has == c:
		pic.row(dst, y, x0, x1)
	case c == 1:
		rgb := grow(&d.lines[1], 3*(x1-x0))
		pic.row(rgb, y, x0, x1)
		toGrey(dst, rgb)
	default:
		pic.row(dst, y, x0, x1)
		repeat(dst)
	}
}

// resize resizes as Pillow does: first along one axis, rounding to 8 bits, then along the other.
func (d *Decoder) resize(out func(i int) []uint8, c int, pic picture, p *plan) {
	x, y := &d.x, &d.y
	work := min(c, pic.channels())
	rows, wide, n := y.high-y.low, (x.high-x.low)*work, x.count*work
	line := grow(&d.lines[0], wide)
	if p.downFirst() {
		all := grow(&d.mid, rows*wide)
		for i := range rows {
			d.read(all[i*wide:(i+1)*wide], work, pic, y.low+i, x.low, x.high)
		}
		for i := range y.count {
			y.down(line, all, i, &d.sums)
			x.across(out(i)[:n], line, work)
		}
	} else {
		mid := grow(&d.mid, rows*n)
		for i := range rows {
			d.read(line, work, pic, y.low+i, x.low, x.high)
			x.across(mid[i*n:(i+1)*n], line, work)
		}
		for i := range y.count {
			y.down(out(i)[:n], mid, i, &d.sums)
		}
	}
	if work < c {
		for i := range y.count {
			repeat(out(i))
		}
	}
}
