package imaging

import (
	"errors"
	"image"
	"math"
	"math/rand/v2"
)

// plan says where the pixels of a result come from. The part box of the image is resized to rh×rw.
// The result is the h×w pixels of that from (top, left); pixels outside are zero.
type plan struct {
	box       image.Rectangle
	rh, rw    int
	top, left int
	h, w      int
}

// plan returns the plan of a transform of an h×w image. A random crop is the only step here; if
// others come before it, see Decoder.inStages.
func (t *Transform) plan(h, w int, rng *rand.Rand) (plan, error) {
	p := plan{box: image.Rect(0, 0, w, h)}
	if r := t.RandomResizedCrop; r != nil {
		if rng == nil {
			return p, errors.New("random_resized_crop needs a random generator, got none")
		}
		p.box = r.draw(h, w, rng)
		p.rh, p.rw = pair(r.Size)
		p.h, p.w = p.rh, p.rw
		return p, p.check()
	}
	p.rh, p.rw = t.resized(h, w)
	p.h, p.w = p.rh, p.rw
	if t.CenterCrop != nil {
		p.h, p.w = pair(t.CenterCrop)
		p.top, p.left = offset(p.rh, p.h), offset(p.rw, p.w)
	}
	return p, p.check()
}

// check bounds the memory that a plan needs: for the result and for the rows between the two
// passes.
func (p *plan) check() error {
	if err := checkSize(p.h, p.w); err != nil {
		return err
	}
	if p.resizes() && p.box.Dy()*p.w > MaxPixels {
		return fail(ErrLimit, "takes %d×%d pixels between the two passes of its resize, want at most %d", p.box.Dy(),
			p.w, MaxPixels)
	}
	return nil
}

func (p *plan) resizes() bool { return p.box.Dy() != p.rh || p.box.Dx() != p.rw }

// downFirst reports whether the vertical pass comes first. It does if it removes more than twice as
// many rows as the other pass removes columns. This was found by trying sizes on Pillow 13; earlier
// releases always begin with the horizontal pass. The order only affects rounding.
func (p *plan) downFirst() bool {
	rows, columns := p.box.Dy()-p.rh, p.box.Dx()-p.rw
	return rows > 0 && rows > 2*columns
}

// visible returns which of have resized pixels, along one axis, lie in a result of want pixels that
// starts at from: count pixels, starting at first.
func visible(from, want, have int) (first, count int) {
	first = max(from, 0)
	return first, max(min(from+want, have)-first, 0)
}

// axes returns the two axes of the resize.
func (p *plan) axes() (x, y axis) {
	first, count := visible(p.left, p.w, p.rw)
	x = axis{at: p.box.Min.X, in: p.box.Dx(), out: p.rw, first: first, count: count}
	first, count = visible(p.top, p.h, p.rh)
	y = axis{at: p.box.Min.Y, in: p.box.Dy(), out: p.rh, first: first, count: count}
	return x, y
}

// draw is torchvision's RandomResizedCrop.get_params. It draws up to ten times an area, and an
// aspect ratio that is uniform in its logarithm. If no crop fits, it returns the largest central
// crop with an allowed ratio.
func (r *RandomResizedCrop) draw(h, w int, rng *rand.Rand) image.Rectangle {
	scale, ratio := r.scale(), r.ratio()
	low, high := math.Log(ratio[0]), math.Log(ratio[1])
	for range 10 {
		area := float64(h*w) * (scale[0] + (scale[1]-scale[0])*rng.Float64())
		aspect := math.Exp(low + (high-low)*rng.Float64())
		cw, ch := int(math.RoundToEven(math.Sqrt(area*aspect))), int(math.RoundToEven(math.Sqrt(area/aspect)))
		if 0 < cw && cw <= w && 0 < ch && ch <= h {
			top, left := rng.IntN(h-ch+1), rng.IntN(w-cw+1)
			return image.Rect(left, top, left+cw, top+ch)
		}
	}
	cw, ch := w, h
	if in := float64(w) / float64(h); in < ratio[0] {
		ch = max(int(math.RoundToEven(float64(w)/ratio[0])), 1)
	} else if in > ratio[1] {
		cw = max(int(math.RoundToEven(float64(h)*ratio[1])), 1)
	}
	left, top := (w-cw)/2, (h-ch)/2
	return image.Rect(left, top, left+cw, top+ch)
}
