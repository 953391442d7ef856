package augment

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// RandomAffine rotates, shifts, scales and shears an image.
type RandomAffine struct {
	// Degrees is clockwise: d for −d to d, or [low, high].
	Degrees Floats `json:"degrees"`
	// Translate [a, b] shifts by up to a·width and b·height in each direction, in whole pixels.
	// None: no shift.
	Translate Floats `json:"translate"`
	Scale     Floats `json:"scale"` // [low, high]; nil: no scaling
	// Shear is in degrees, along x: s or [low, high]; along x and y: [low, high, low, high]. None:
	// no shear.
	Shear         Floats `json:"shear"`
	Interpolation string `json:"interpolation"` // "nearest" or "bilinear"; "" means "nearest"
	// Fill is the value outside the image: one, or one per channel. None: 0.
	Fill Floats `json:"fill"`
	// Center is [x, y] in pixels from the upper left corner. None: the middle.
	Center Floats `json:"center"`
}

// Name returns torchvision's name.
func (RandomAffine) Name() string { return "RandomAffine" }

func (a RandomAffine) validate() error {
	if _, _, err := interval("RandomAffine.degrees", a.Degrees, math.Inf(-1), math.Inf(1), plusMinus); err != nil {
		return err
	}
	if t := a.Translate; len(t) != 0 && (len(t) != 2 || !(min(t[0], t[1]) >= 0 && max(t[0], t[1]) <= 1)) {
		return argumentError(
			"RandomAffine.translate is %s, want none or [horizontal, vertical], fractions of the image from 0 to 1",
			t)
	}
	if s := a.Scale; len(s) != 0 && (len(s) != 2 || !(0 < s[0] && s[0] <= s[1] && s[1] <= math.MaxFloat32)) {
		return argumentError("RandomAffine.scale is %s, want none or [low, high] with 0 < low ≤ high", s)
	}
	for _, shear := range a.shears() {
		if _, _, err := interval("RandomAffine.shear", shear, -89, 89, plusMinus); err != nil {
			return err
		}
	}
	return validateSampling("RandomAffine", a.Interpolation, a.Fill, a.Center)
}

// shears returns the ranges of the shears along x and along y, as far as they are given.
func (a RandomAffine) shears() []Floats {
	switch len(a.Shear) {
	case 0:
		return nil
	case 4:
		return []Floats{a.Shear[:2], a.Shear[2:]}
	default:
		return []Floats{a.Shear}
	}
}

func (a RandomAffine) fits(_, _, c int) error { return fillFits("RandomAffine.fill", a.Fill, c) }

// draw returns the angle, the shifts along x and y, the scale, and the shears along x and y: (N)
// each.
func (a RandomAffine) draw(state *Node, images shapes.Shape) (newState *Node, params []*Node) {
	newState, u := uniforms(state, 6, images.Dim(0))
	zero := ZerosLike(u[0])
	params = []*Node{
		between(u[0], must(interval("", a.Degrees, math.Inf(-1), math.Inf(1), plusMinus))), zero, zero,
		OnesLike(zero), zero, zero,
	}
	for i := range a.Translate {
		most := a.Translate[i] * float64(images.Dim(2-i))
		params[1+i] = Round(between(u[1+i], [2]float64{-most, most}))
	}
	if len(a.Scale) > 0 {
		params[3] = between(u[3], [2]float64{a.Scale[0], a.Scale[1]})
	}
	for i, shear := range a.shears() {
		params[4+i] = between(u[4+i], must(interval("", shear, -89, 89, plusMinus)))
	}
	return newState, params
}

func (a RandomAffine) apply(x *Node, params []*Node) *Node {
	return sample(x, inverseAffine(params, center(x, a.Center)), a.Interpolation, a.Fill)
}

// inverseAffine returns the inverse of torchvision's matrix M = T·C·R·S·C⁻¹, which moves an image's
// pixels. T is the translation, C the translation of the centre, R the rotation, S scale and
// shears.
//
// The result is the two rows of M⁻¹, (N) each, in coordinates whose origin is the middle of the
// image:
//
//	(x, y) ← (m₀x + m₁y + m₂, m₃x + m₄y + m₅)
func inverseAffine(params []*Node, center [2]float64) [6]*Node {
	radians := func(degrees *Node) *Node { return MulScalar(degrees, math.Pi/180) }
	angle, shearX, shearY, scale := radians(params[0]), radians(params[4]), radians(params[5]), params[3]
	cosY, tanX := Cos(shearY), Div(Sin(shearX), Cos(shearX))
	a := Div(Cos(Sub(angle, shearY)), cosY)
	b := Neg(Add(Mul(a, tanX), Sin(angle)))
	c := Div(Sin(Sub(angle, shearY)), cosY)
	d := Sub(Cos(angle), Mul(c, tanX))
	m0, m1, m3, m4 := Div(d, scale), Div(Neg(b), scale), Div(Neg(c), scale), Div(a, scale)
	x, y := AddScalar(params[1], center[0]), AddScalar(params[2], center[1])
	m2 := AddScalar(Neg(Add(Mul(m0, x), Mul(m1, y))), center[0])
	m5 := AddScalar(Neg(Add(Mul(m3, x), Mul(m4, y))), center[1])
	return [6]*Node{m0, m1, m2, m3, m4, m5}
}

// center returns the fixed point of the map, relative to the middle of the image.
func center(x *Node, given Floats) [2]float64 {
	if len(given) == 0 {
		return [2]float64{}
	}
	return [2]float64{given[0] - float64(x.Shape().Dim(2))/2, given[1] - float64(x.Shape().Dim(1))/2}
}
