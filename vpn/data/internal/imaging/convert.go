package imaging

import (
	"image"
	"image/color"
)

// picture is a decoded image that returns its rows with 1 or 3 channels.
type picture interface {
	channels() int
	row(dst []uint8, y, x0, x1 int) // writes pixels x0 to x1 of row y
}

// raster is a picture whose channels are interleaved.
type raster struct {
	pix  []uint8
	w, c int
}

func (r *raster) channels() int { return r.c }

func (r *raster) row(dst []uint8, y, x0, x1 int) {
	copy(dst, r.pix[(y*r.w+x0)*r.c:(y*r.w+x1)*r.c])
}

// decoded is a picture made by one of Go's decoders. Its rows equal those of Pillow's
// convert("RGB"). Alpha is dropped, not composited. Of 16-bit values the high byte is used, as
// Pillow does for colour.
//
// There is one exception. Pillow reads 16-bit grey as I;16 and clips it to 8 bits, so that all
// values above 255 become white. That helps nobody, so the high byte is used there too.
type decoded struct {
	img     image.Image
	palette [256][3]uint8
}

// set sets the image. It reports whether row knows its type.
func (d *decoded) set(img image.Image) bool {
	d.img = img
	switch img := img.(type) {
	case *image.Gray, *image.Gray16, *image.RGBA, *image.NRGBA, *image.RGBA64, *image.NRGBA64, *image.CMYK:
		return true
	case *image.Paletted:
		clear(d.palette[:])
		for i, entry := range img.Palette[:min(len(img.Palette), 256)] {
			switch entry := entry.(type) {
			case color.RGBA: // opaque
				d.palette[i] = [3]uint8{entry.R, entry.G, entry.B}
			case color.NRGBA:
				d.palette[i] = [3]uint8{entry.R, entry.G, entry.B}
			case color.RGBA64: // opaque, of TIFF
				d.palette[i] = [3]uint8{uint8(entry.R >> 8), uint8(entry.G >> 8), uint8(entry.B >> 8)}
			default:
				return false
			}
		}
		return true
	}
	return false
}

func (d *decoded) channels() int {
	switch d.img.(type) {
	case *image.Gray, *image.Gray16:
		return 1
	}
	return 3
}

func (d *decoded) row(dst []uint8, y, x0, x1 int) {
	switch img := d.img.(type) {
	case *image.Gray:
		copy(dst, img.Pix[y*img.Stride+x0:y*img.Stride+x1])
	case *image.Gray16:
		pick(dst, img.Pix[y*img.Stride+2*x0:y*img.Stride+2*x1], 1, 1, 2)
	case *image.RGBA:
		pick(dst, img.Pix[y*img.Stride+4*x0:y*img.Stride+4*x1], 3, 1, 4)
	case *image.NRGBA:
		pick(dst, img.Pix[y*img.Stride+4*x0:y*img.Stride+4*x1], 3, 1, 4)
	case *image.RGBA64:
		pick(dst, img.Pix[y*img.Stride+8*x0:y*img.Stride+8*x1], 3, 2, 8)
	case *image.NRGBA64:
		pick(dst, img.Pix[y*img.Stride+8*x0:y*img.Stride+8*x1], 3, 2, 8)
	case *image.CMYK:
		inkToRGB(dst, img.Pix[y*img.Stride+4*x0:y*img.Stride+4*x1])
	case *image.Paletted:
		for i, index := range img.Pix[y*img.Stride+x0 : y*img.Stride+x1] {
			copy(dst[3*i:3*i+3], d.palette[index][:])
		}
	}
}

// pick copies c bytes of every pixel of size bytes. The bytes are step apart.
func pick(dst, src []uint8, c, step, size int) {
	for i := 0; len(src) >= size; src = src[size:] {
		for k := range c {
			dst[i] = src[k*step]
			i++
		}
	}
}

// inkToRGB is Pillow's cmyk2rgb: each colour is what black and its ink leave of the light.
func inkToRGB(dst, src []uint8) {
	for i := 0; len(src) >= 4; i, src = i+3, src[4:] {
		light := 255 - int32(src[3])
		for k := range 3 {
			ink := int32(src[k])*light + 128
			dst[i+k] = clip(light - (ink>>8+ink)>>8)
		}
	}
}

// toGrey is Pillow's L24: BT.601 luma in fixed point with 16 bits. dst may overlap the start of
// rgb.
func toGrey(dst, rgb []uint8) {
	for i := range dst {
		p := rgb[3*i : 3*i+3 : 3*i+3]
		dst[i] = uint8((uint32(p[0])*19595 + uint32(p[1])*38470 + uint32(p[2])*7471 + 0x8000) >> 16)
	}
}

// repeat expands the channel in the first third of dst to three equal channels.
func repeat(dst []uint8) {
	for i := len(dst)/3 - 1; i >= 0; i-- {
		v := dst[i]
		dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
	}
}

// turn writes a picture as upright pixels, as PIL.ImageOps.exif_transpose does for an EXIF
// orientation. h and w are the picture's size as stored. line is scratch memory for one row.
func turn(dst []uint8, p picture, h, w, orientation int, line []uint8) {
	c := p.channels()
	for y := range h {
		p.row(line, y, 0, w)
		at, step := target(orientation, h, w, y)
		for x := range w {
			copy(dst[(at+x*step)*c:(at+x*step)*c+c], line[x*c:])
		}
	}
}

// target returns where row y of a picture goes in the upright image: the index of its first pixel,
// and the distance to the next.
func target(orientation, h, w, y int) (at, step int) {
	switch orientation {
	case 2: // mirrored
		return y*w + w - 1, -1
	case 3: // upside down
		return (h-1-y)*w + w - 1, -1
	case 4: // mirrored and upside down
		return (h - 1 - y) * w, 1
	case 5: // rows are columns
		return y, h
	case 6: // lies on its left side: the first row becomes the last column
		return h - 1 - y, h
	case 7: // mirrored and on its side: the last row becomes the first column, read upwards
		return (w-1)*h + h - 1 - y, -h
	case 8: // lies on its right side: the first row becomes the first column, read upwards
		return (w-1)*h + y, -h
	default:
		return y * w, 1
	}
}
