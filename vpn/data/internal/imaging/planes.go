package imaging

import (
	"image"

	"github.com/govpn/govpn/vpn/data/internal/jpeg"
)

// planar is a picture of the planes of a JPEG or WebP file. The planes may hold only the part of the
// image that is needed.
type planar struct {
	planes  []jpeg.Plane
	colours jpeg.Colours
	webp    bool       // limited range and libwebp's formulas; otherwise JFIF's full range and libjpeg's
	lines   [4][]uint8 // scratch of row
	ink     []uint8    // scratch of row: pixels of CMYK
	sums    []int32    // scratch of upsample
	three   [3]jpeg.Plane
}

// set sets the planes of a WebP file, whose chroma has half the size.
func (p *planar) set(img *image.YCbCr) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	const hsub, vsub = 2, 2
	cw, ch := (w+hsub-1)/hsub, (h+vsub-1)/vsub
	chroma := jpeg.Plane{
		Stride: img.CStride,
		Rect:   image.Rect(0, 0, cw, ch),
		Width:  cw,
		Height: ch,
		HSub:   hsub,
		VSub:   vsub,
	}
	p.three[0] = jpeg.Plane{
		Pix:    img.Y,
		Stride: img.YStride,
		Rect:   image.Rect(0, 0, w, h),
		Width:  w,
		Height: h,
		HSub:   1,
		VSub:   1,
	}
	p.three[1], p.three[2] = chroma, chroma
	p.three[1].Pix, p.three[2].Pix = img.Cb, img.Cr
	p.planes, p.colours, p.webp = p.three[:], jpeg.YCbCr, true
}

func (p *planar) channels() int {
	if len(p.planes) == 1 {
		return 1
	}
	return 3
}

// row writes pixels x0 to x1 of row y.
func (p *planar) row(dst []uint8, y, x0, x1 int) {
	if len(p.planes) == 1 {
		copy(dst, samples(&p.planes[0], y)[x0-p.planes[0].Rect.Min.X:x1-p.planes[0].Rect.Min.X])
		return
	}
	var full [4][]uint8
	for i := range p.planes {
		plane := &p.planes[i]
		left := plane.Rect.Min.X * plane.HSub
		full[i] = p.upsample(plane, y, &p.lines[i])[x0-left : x1-left]
	}
	switch p.colours {
	case jpeg.RGB:
		interleave(dst, full[:3])
	case jpeg.CMYK, jpeg.YCCK:
		p.inks(dst, full)
	default:
		if p.webp {
			webpToRGB(dst, full[0], full[1], full[2])
		} else {
			jfifToRGB(dst, full[0], full[1], full[2])
		}
	}
}

// inks converts CMYK to RGB as Pillow does: it takes all files to be inverted, as Adobe's are.
func (p *planar) inks(dst []uint8, full [4][]uint8) {
	n := len(full[0])
	cmyk := grow(&p.ink, 4*n)
	if p.colours == jpeg.YCCK {
		jfifToRGB(dst, full[0], full[1], full[2]) // the inverse of CMY, inverted
		for i := range n {
			cmyk[4*i], cmyk[4*i+1], cmyk[4*i+2], cmyk[4*i+3] = dst[3*i], dst[3*i+1], dst[3*i+2], 255-full[3][i]
		}
	} else {
		interleave(cmyk, full[:])
		for i, v := range cmyk {
			cmyk[i] = 255 - v
		}
	}
	inkToRGB(dst, cmyk)
}

// interleave copies one row of each plane to pixels.
func interleave(dst []uint8, rows [][]uint8) {
	for k, row := range rows {
		for i, v := range row {
			dst[i*len(rows)+k] = v
		}
	}
}

// samples returns the part of row y that the plane holds.
func samples(p *jpeg.Plane, y int) []uint8 {
	start := (y - p.Rect.Min.Y) * p.Stride
	return p.Pix[start : start+p.Rect.Dx()]
}

// smooth reports along which axes libjpeg and libjpeg-turbo upsample a plane with a triangle filter
// ("fancy upsampling", jdsample.c). Along the others they repeat samples. libwebp upsamples its
// 4:2:0 with the same filter, but rounds otherwise.
func smooth(p *jpeg.Plane, webp bool) (across, down bool) {
	wide := p.Width > 2 || webp
	across = p.HSub == 2 && p.VSub <= 2 && wide
	down = p.VSub == 2 && (p.HSub == 1 || p.HSub == 2 && wide)
	return across, down
}

// upsample returns row y of the image in the plane's component, for all columns that the plane
// holds.
func (p *planar) upsample(plane *jpeg.Plane, y int, line *[]uint8) []uint8 {
	near := samples(plane, y/plane.VSub)
	across, down := smooth(plane, p.webp)
	if plane.HSub == 1 && !down {
		return near
	}
	dst := grow(line, len(near)*plane.HSub)
	far := near
	if down { // the next nearest row; the plane's first and last rows stand in for rows outside
		at := y/2 - 1 + y&1*2
		at = min(max(at, plane.Rect.Min.Y), plane.Rect.Max.Y-1)
		far = samples(plane, at)
	}
	switch {
	case across && down:
		late := int32(7)
		if p.webp {
			late = 8
		}
		sums := grow(&p.sums, len(near))
		for i, a := range near {
			sums[i] = 3*int32(a) + int32(far[i])
		}
		spread(dst, sums, 8, late, 4)
	case across:
		sums := grow(&p.sums, len(near))
		for i, a := range near {
			sums[i] = int32(a)
		}
		spread(dst, sums, 1, 2, 2)
	case down:
		bias := 1 + int32(y&1)
		for i, a := range near {
			dst[i] = uint8((3*int32(a) + int32(far[i]) + bias) >> 2)
		}
	default:
		for i := range dst {
			dst[i] = near[i/plane.HSub]
		}
	}
	return dst
}

// spread doubles the samples of a row. Each sample becomes two: 3/4 of its own value plus 1/4 of
// the left or the right neighbour's. The two round differently, which libjpeg calls ordered dither.
func spread(dst []uint8, in []int32, early, late int32, shift uint) {
	n := len(in)
	dst = dst[:2*n]
	last := in[0]
	for i, v := range in {
		next := in[min(i+1, n-1)]
		pair := dst[2*i : 2*i+2 : 2*i+2]
		pair[0] = uint8((3*v + last + early) >> (shift & 31))
		pair[1] = uint8((3*v + next + late) >> (shift & 31))
		last = v
	}
}

// jfifToRGB is libjpeg's conversion (jdcolor.c): full-range BT.601 in fixed point with 16 bits.
func jfifToRGB(dst, y, cb, cr []uint8) {
	n := len(y)
	dst, cb, cr = dst[:3*n], cb[:n], cr[:n]
	for i := jfifVectors(dst, y, cb, cr); i < n; i++ {
		l, b, r := int32(y[i])<<16+1<<15, int32(cb[i])-128, int32(cr[i])-128
		rgb := dst[3*i : 3*i+3 : 3*i+3]
		rgb[0] = clip((l + 91881*r) >> 16)
		rgb[1] = clip((l - 22554*b - 46802*r) >> 16)
		rgb[2] = clip((l + 116130*b) >> 16)
	}
}

// webpToRGB is libwebp's conversion (src/dsp/yuv.h): limited-range BT.601 in fixed point with 14
// bits, of which 8 are dropped early.
func webpToRGB(dst, y, u, v []uint8) {
	n := len(y)
	dst, u, v = dst[:3*n], u[:n], v[:n]
	for i := range y {
		l, u, v := int32(y[i])*19077>>8, int32(u[i]), int32(v[i])
		rgb := dst[3*i : 3*i+3 : 3*i+3]
		rgb[0] = clip((l + v*26149>>8 - 14234) >> 6)
		rgb[1] = clip((l - u*6419>>8 - v*13320>>8 + 8708) >> 6)
		rgb[2] = clip((l + u*33050>>8 - 17685) >> 6)
	}
}

func clip(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^(v >> 31))
	}
	return uint8(v)
}

// grow returns a slice of n values, in the memory of *s if it is large enough. Values are not
// cleared.
func grow[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	*s = (*s)[:n]
	return *s
}
