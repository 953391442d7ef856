package imaging

import (
	"image"

	"github.com/govpn/govpn/vpn/data/internal/jpeg"
)

// fits checks what the caller wants against the plan.
func (p *plan) fits(out []uint8, h, w, c int) error {
	if p.h != h || p.w != w {
		return fail(ErrSize, "is %d×%d (height×width), want %d×%d", p.h, p.w, h, w)
	}
	if c != 1 && c != 3 || len(out) != h*w*c {
		return fail(ErrSize, "goes to %d values of %d×%d×%d, want 1 or 3 channels and as many values", len(out), h, w, c)
	}
	return nil
}

// region is the part of an upright image of h×w that the plan needs.
func (d *Decoder) region(p *plan, h, w int) image.Rectangle {
	x, y := p.axes(h, w)
	if !p.resizes() {
		return image.Rect(x.first, y.first, x.first+x.count, y.first+y.count).Add(p.box.Min)
	}
	d.x[0].build(x)
	d.y[0].build(y)
	return image.Rect(d.x[0].low, d.y[0].low, d.x[0].high, d.y[0].high)
}

// render writes the plan's result, with c channels. The picture is upright, h×w.
func (d *Decoder) render(out []uint8, c int, pic picture, p *plan, h, w int) {
	part := d.region(p, h, w) // builds the tables too
	x, y := p.axes(h, w)
	if x.count < p.w || y.count < p.h {
		clear(out)
	}
	left, top := max(-p.left, 0), max(-p.top, 0)
	line := func(i int) []uint8 {
		start := ((top+i)*p.w + left) * c
		return out[start : start+x.count*c]
	}
	switch planes, ok := pic.(*planar); {
	case !p.resizes():
		for i := range y.count {
			d.read(line(i), c, pic, part.Min.Y+i, part.Min.X, part.Max.X)
		}
	case ok && planes.usual() && !(planes.webp && c == 1):
		d.resizePlanes(line, c, planes, x, y)
	default:
		d.resizePixels(line, c, pic, p)
	}
}

// read reads pixels x0 to x1 of row y as c channels.
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

// resizePixels resizes as Pillow does: in one direction, rounding to 8 bits, and then in the other.
func (d *Decoder) resizePixels(out func(i int) []uint8, c int, pic picture, p *plan) {
	x, y := &d.x[0], &d.y[0]
	work := min(c, pic.channels())
	rows, wide, n := y.high-y.low, (x.high-x.low)*work, x.count*work
	line := grow(&d.lines[0], wide)
	if p.downFirst() {
		all := grow(&d.mid[0], rows*wide)
		for i := range rows {
			d.read(all[i*wide:(i+1)*wide], work, pic, y.low+i, x.low, x.high)
		}
		for i := range y.count {
			y.down(line, all, i, &d.sums)
			x.across(out(i)[:n], line, work)
		}
	} else {
		mid := grow(&d.mid[0], rows*n)
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

// resizePlanes resizes every plane by itself, the smaller chroma planes from their own samples, and converts only the result to RGB:
// less than half the work. Each of resizing and conversion being linear, the result is Pillow's but for rounding, and for colours
// outside of RGB, which Pillow clips first. One channel is the luma alone.
func (d *Decoder) resizePlanes(out func(i int) []uint8, c int, pic *planar, x, y axis) {
	planes := pic.planes
	if c == 1 {
		planes = planes[:1]
	}
	var lines [3][]uint8
	for k := range planes {
		tx, ty := d.planeTables(&planes[k], pic.webp, k, x, y)
		lines[k] = grow(&d.lines[k], x.count)
		mid := grow(&d.mid[k], (ty.high-ty.low)*x.count)
		for i := range ty.high - ty.low {
			row := samples(&planes[k], ty.low+i)
			tx.across(mid[i*x.count:(i+1)*x.count], row[tx.low-planes[k].Rect.Min.X:], 1)
		}
	}
	for i := range y.count {
		dst := out(i)
		if len(planes) == 1 {
			d.y[0].down(dst[:x.count], d.mid[0], i, &d.sums)
			if c == 3 {
				repeat(dst)
			}
			continue
		}
		for k := range lines {
			d.y[min(k, 1)].down(lines[k], d.mid[k], i, &d.sums)
		}
		pic.toRGB(dst, lines[0], lines[1], lines[2])
	}
}

// planeTables are the weights for plane k: 0 is luma, 1 and 2 are chroma, which share theirs.
func (d *Decoder) planeTables(plane *jpeg.Plane, webp bool, k int, x, y axis) (tx, ty *table) {
	k = min(k, 1)
	x.sub, x.samples = plane.HSub, plane.Width
	y.sub, y.samples = plane.VSub, plane.Height
	x.smooth, y.smooth = smooth(plane, webp)
	d.x[k].build(x)
	d.y[k].build(y)
	return &d.x[k], &d.y[k]
}
