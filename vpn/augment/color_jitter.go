package augment

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// ColorJitter changes brightness, contrast, saturation and hue. Each image gets these changes in an
// order of its own. Images have three channels (red, green, blue) or one, which has neither
// saturation nor hue.
type ColorJitter struct {
	// Brightness is a factor: b for max(0, 1−b) to 1+b, or [low, high]. None means 0: no change.
	Brightness Floats `json:"brightness"`
	Contrast   Floats `json:"contrast"`   // a factor like Brightness
	Saturation Floats `json:"saturation"` // a factor like Brightness
	// Hue is turns of the colour wheel, −0.5 to 0.5: h for −h to h, or [low, high]. None means 0.
	Hue Floats `json:"hue"`
}

// Name returns torchvision's name.
func (ColorJitter) Name() string { return "ColorJitter" }

// The adjustments, in the order of the parameters.
const (
	brightness = iota
	contrast
	saturation
	hue
)

// bounds returns the range of each adjustment. does[i] is false if adjustment i changes nothing.
func (a ColorJitter) bounds() (bounds [4][2]float64, does [4]bool, err error) {
	factor := func(v float64) (low, high float64) { return max(0, 1-v), 1 + v }
	for i, p := range []struct {
		name        string
		given       Floats
		least, most float64
		nothing     float64
		around      func(v float64) (low, high float64)
	}{
		{"brightness", a.Brightness, 0, math.Inf(1), 1, factor},
		{"contrast", a.Contrast, 0, math.Inf(1), 1, factor},
		{"saturation", a.Saturation, 0, math.Inf(1), 1, factor},
		{"hue", a.Hue, -0.5, 0.5, 0, plusMinus},
	} {
		bounds[i] = [2]float64{p.nothing, p.nothing}
		if len(p.given) > 0 {
			if bounds[i][0], bounds[i][1], err = interval("ColorJitter."+p.name, p.given, p.least, p.most,
				p.around); err != nil {
				return bounds, does, err
			}
		}
		does[i] = bounds[i] != [2]float64{p.nothing, p.nothing}
	}
	return bounds, does, nil
}

func (a ColorJitter) validate() error {
	_, _, err := a.bounds()
	return err
}

func (ColorJitter) fits(_, _, c int) error {
	if c != 1 && c != 3 {
		return argumentError("ColorJitter changes images of 1 or 3 channels, not of %d", c)
	}
	return nil
}

// draw returns four factors and four numbers, (N) each. The order of the numbers is the order of
// the adjustments.
func (a ColorJitter) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	bounds, _, _ := a.bounds()
	newState, params = uniforms(state, 8, images.Dim(0))
	for i, b := range bounds {
		params[i] = between(params[i], b)
	}
	return newState, params
}

// apply makes the adjustments that come before hue, then hue, then the others. Each image thus has
// an order of its own, but the costly adjustment of hue is computed only once.
func (a ColorJitter) apply(x *Node, params []*Node) *Node {
	_, does, _ := a.bounds()
	factors, order := params[:4], params[4:]
	p := planesOf(x)
	if len(p) == 1 {
		does[saturation], does[hue] = false, false
	}
	var blends []int
	for i := range hue {
		if does[i] {
			blends = append(blends, i)
		}
	}
	before := func(i int) *Node { return LessThan(order[i], order[hue]) }
	switch after := func(i int) *Node { return Not(before(i)) }; {
	case does[hue] && len(blends) > 0:
		p = p.blend(blends, factors, order, before).turn(factors[hue]).blend(blends, factors, order, after)
	case does[hue]:
		p = p.turn(factors[hue])
	default:
		p = p.blend(blends, factors, order, func(i int) *Node { return Equal(order[i], order[i]) })
	}
	return p.join(x.Shape())
}
