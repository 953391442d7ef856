package augment

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// ColorJitter changes brightness, contrast, saturation and hue, in an order drawn anew for each image. Images have one
// channel, which has neither saturation nor hue, or three: red, green and blue.
type ColorJitter struct {
	Brightness Floats `json:"brightness"` // factor: b for max(0, 1−b) to 1+b, or [low, high]; none for 0
	Contrast   Floats `json:"contrast"`   // factor, likewise
	Saturation Floats `json:"saturation"` // factor, likewise
	Hue        Floats `json:"hue"`        // turns of the colour wheel, −0.5 to 0.5: h for −h to h, or [low, high]; none for 0
}

// Name is torchvision's.
func (ColorJitter) Name() string { return "ColorJitter" }

// The adjustments, in the order of the parameters.
const (
	brightness = iota
	contrast
	saturation
	hue
)

// bounds are those of the adjustments. An adjustment that changes nothing is false in does.
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
			if bounds[i][0], bounds[i][1], err = interval("ColorJitter."+p.name, p.given, p.least, p.most, p.around); err != nil {
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

// draw makes the four factors and four numbers whose order is that of the adjustments, (N) each.
func (a ColorJitter) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	bounds, _, _ := a.bounds()
	newState, params = uniforms(state, 8, images.Dim(0))
	for i, b := range bounds {
		params[i] = between(params[i], b)
	}
	return newState, params
}

// apply makes the adjustments that come before the hue's, then the hue's, then the others. So every image has its own
// order, and the hue's adjustment, the costly one, is computed once.
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
