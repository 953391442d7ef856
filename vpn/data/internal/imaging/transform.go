// Package imaging converts encoded images to pixels as Pillow and torchvision do: it decodes,
// applies the EXIF orientation, resizes and crops.
package imaging

import (
	"fmt"
	"math"
)

// Transform is what is done to an image between its file and a batch, in the order of the fields.
// Sizes are [s] or [height, width].
type Transform struct {
	// Resize [s] makes the shorter side s: bilinear, with antialiasing.
	Resize []int `json:"resize"`
	// CenterCrop [s] means [s, s]. A smaller image is padded with zeros.
	CenterCrop        []int              `json:"center_crop"`
	RandomResizedCrop *RandomResizedCrop `json:"random_resized_crop"` // nil: none
	// Channels is 3 (RGB), 1 (grey) or 0: 3 for encoded images, otherwise as they are.
	Channels int `json:"channels"`
}

// RandomResizedCrop is torchvision's: a random part of the image is resized.
type RandomResizedCrop struct {
	Size  []int     `json:"size"`
	Scale []float64 `json:"scale"` // smallest and largest area of the part, as a fraction; nil: 0.08, 1
	Ratio []float64 `json:"ratio"` // smallest and largest width/height; nil: 3/4, 4/3
}

// None reports whether the transform changes nothing.
func (t *Transform) None() bool {
	return t.Resize == nil && t.CenterCrop == nil && t.RandomResizedCrop == nil && t.Channels == 0
}

// Validate checks the transform as far as that is possible without an image.
func (t *Transform) Validate() error {
	if err := checkSizes("resize", t.Resize); err != nil {
		return err
	}
	if err := checkSizes("center_crop", t.CenterCrop); err != nil {
		return err
	}
	if r := t.RandomResizedCrop; r != nil {
		if r.Size == nil {
			return fmt.Errorf("random_resized_crop.size is missing, want 1 or 2 sizes from 1 to %d", maxTarget)
		}
		if err := checkSizes("random_resized_crop.size", r.Size); err != nil {
			return err
		}
		if scale := r.scale(); !rising(scale, 1) {
			return fmt.Errorf("random_resized_crop.scale is %v, want two rising numbers above 0 and at most 1", scale)
		}
		if ratio := r.ratio(); !rising(ratio, maxTarget) {
			return fmt.Errorf("random_resized_crop.ratio is %v, want two rising numbers above 0 and at most %d",
				ratio, maxTarget)
		}
	}
	if c := t.Channels; c != 0 && c != 1 && c != 3 {
		return fmt.Errorf("channels is %d, want 1 or 3 (0: as the images are)", c)
	}
	return nil
}

const maxTarget = 32767 // the largest size that a transform may ask for

func checkSizes(key string, sizes []int) error {
	if sizes == nil {
		return nil
	}
	good := len(sizes) == 1 || len(sizes) == 2
	for _, size := range sizes {
		good = good && size >= 1 && size <= maxTarget
	}
	if !good {
		return fmt.Errorf("%s is %v, want 1 or 2 sizes from 1 to %d", key, sizes, maxTarget)
	}
	return nil
}

// rising reports whether v is two ascending numbers above 0 and at most `most`.
func rising(v []float64, most float64) bool {
	return len(v) == 2 && v[0] > 0 && v[0] <= v[1] && v[1] <= most // false for NaN
}

var defaultScale, defaultRatio = []float64{0.08, 1}, []float64{3. / 4, 4. / 3} // torchvision's

func (r *RandomResizedCrop) scale() []float64 {
	if r.Scale == nil {
		return defaultScale
	}
	return r.Scale
}

func (r *RandomResizedCrop) ratio() []float64 {
	if r.Ratio == nil {
		return defaultRatio
	}
	return r.Ratio
}

// Size returns the size of the result for an h×w image.
func (t *Transform) Size(h, w int) (oh, ow int, err error) {
	if oh, ow, ok := t.Fixed(); ok {
		return oh, ow, checkSize(oh, ow)
	}
	oh, ow = t.resized(h, w)
	return oh, ow, checkSize(oh, ow)
}

// Fixed returns the size of the result if it does not depend on the image.
func (t *Transform) Fixed() (h, w int, ok bool) {
	switch {
	case t.RandomResizedCrop != nil:
		h, w = pair(t.RandomResizedCrop.Size)
	case t.CenterCrop != nil:
		h, w = pair(t.CenterCrop)
	case len(t.Resize) == 2:
		h, w = pair(t.Resize)
	default:
		return 0, 0, false
	}
	return h, w, true
}

// pair returns the height and width of sizes, which are [s] for a square or [height, width].
func pair(sizes []int) (h, w int) { return sizes[0], sizes[len(sizes)-1] }

// resized returns the size after Resize. For [s] the longer side becomes int(s·long/short), as in
// torchvision.
func (t *Transform) resized(h, w int) (rh, rw int) {
	switch {
	case t.Resize == nil:
		return h, w
	case len(t.Resize) == 2:
		return pair(t.Resize)
	case w <= h:
		return int(float64(t.Resize[0]*h) / float64(w)), t.Resize[0]
	default:
		return t.Resize[0], int(float64(t.Resize[0]*w) / float64(h))
	}
}

// offset returns where a centre crop of `size` pixels starts in `have` pixels. It is negative if
// the image is smaller and starts inside the crop. As in torchvision, halves are rounded to even
// (Python's round), and the smaller half of the padding comes before the image.
func offset(have, size int) int {
	if size > have {
		return -((size - have) / 2)
	}
	return int(math.RoundToEven(float64(have-size) / 2))
}

// stages splits a transform that does something before its random crop in two.
func (t *Transform) stages() (first, second *Transform, ok bool) {
	if t.RandomResizedCrop == nil || t.Resize == nil && t.CenterCrop == nil {
		return nil, nil, false
	}
	return &Transform{
			Resize:     t.Resize,
			CenterCrop: t.CenterCrop,
		}, &Transform{
			RandomResizedCrop: t.RandomResizedCrop,
		}, true
}
