package jpeg

// The inverse transform of libjpeg's jidctint.c ("islow"), in integers, first along columns and
// then along rows: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11
// multiplications", ICASSP 1989. Only two roundings are not exact. Additions may therefore be
// reordered without changing a bit of the result.
const (
	scaleBits = 13 // of the constants, which are round(x·2¹³)
	extraBits = 2  // extra precision between columns and rows

	c0298 = 2446  // 0.298631336
	c0390 = 3196  // 0.390180644
	c0541 = 4433  // 0.541196100
	c0765 = 6270  // 0.765366865
	c0899 = 7373  // 0.899976223
	c1175 = 9633  // 1.175875602
	c1501 = 12299 // 1.501321110
	c1847 = 15137 // 1.847759065
	c1961 = 16069 // 1.961570560
	c2053 = 16819 // 2.053119869
	c2562 = 20995 // 2.562915447
	c3072 = 25172 // 3.072711026
)

// transform8 is the one-dimensional transform of 8 coefficients, times 2¹³·√8. dc is added to all
// results.
func transform8(x0, x1, x2, x3, x4, x5, x6, x7, dc int32) (y0, y1, y2, y3, y4, y5, y6, y7 int32) {
	z := (x2 + x6) * c0541
	e2 := z - x6*c1847
	e3 := z + x2*c0765
	e0 := (x0+x4)<<scaleBits + dc
	e1 := (x0-x4)<<scaleBits + dc
	a0, a3 := e0+e3, e0-e3
	a1, a2 := e1+e2, e1-e2

	z5 := (x7 + x3 + x5 + x1) * c1175
	z1 := (x7 + x1) * -c0899
	z2 := (x5 + x3) * -c2562
	z3 := z5 - (x7+x3)*c1961
	z4 := z5 - (x5+x1)*c0390
	b0 := x7*c0298 + z1 + z3
	b1 := x5*c2053 + z2 + z4
	b2 := x3*c3072 + z2 + z3
	b3 := x1*c1501 + z1 + z4
	return a0 + b3, a1 + b2, a2 + b1, a3 + b0, a3 - b0, a2 - b1, a1 - b2, a0 - b3
}

// How many bits to drop after the columns, and after the rows.
const (
	down  = scaleBits - extraBits
	shift = scaleBits + extraBits + 3
)

// inverse writes the 8×8 samples of a block. Coefficients after zigzag position last must be zero.
// It may change b.
var inverse = inverseGo

func inverseGo(b *[64]int32, last int, dst []uint8, stride int) {
	if last == 0 {
		fill(dst, stride, clamp((b[0]+4)>>3+128))
		return
	}
	for i := range columns[last] { // the other columns stay zero
		y0, y1, y2, y3, y4, y5, y6, y7 := transform8(b[i], b[8+i], b[16+i], b[24+i], b[32+i], b[40+i], b[48+i],
			b[56+i], 1<<(down-1))
		b[i], b[8+i], b[16+i], b[24+i] = y0>>down, y1>>down, y2>>down, y3>>down
		b[32+i], b[40+i], b[48+i], b[56+i] = y4>>down, y5>>down, y6>>down, y7>>down
	}
	for i := range 8 {
		r := (*[8]int32)(b[8*i:])
		y0, y1, y2, y3, y4, y5, y6, y7 := transform8(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7],
			128<<shift+1<<(shift-1))
		p := (*[8]uint8)(dst[i*stride:])
		p[0], p[1], p[2], p[3] = clamp(y0>>shift), clamp(y1>>shift), clamp(y2>>shift), clamp(y3>>shift)
		p[4], p[5], p[6], p[7] = clamp(y4>>shift), clamp(y5>>shift), clamp(y6>>shift), clamp(y7>>shift)
	}
}

func clamp(v int32) uint8 { return uint8(max(min(v, 255), 0)) }

func fill(dst []uint8, stride int, v uint8) {
	for i := range 8 {
		row := (*[8]uint8)(dst[i*stride:])
		*row = [8]uint8{v, v, v, v, v, v, v, v}
	}
}

// columns[k] is how many columns the coefficients up to zigzag position k touch.
var columns = func() (c [64]int) {
	for k := 1; k < 64; k++ {
		c[k] = max(c[k-1], int(zigzag[k]%8)+1)
	}
	return c
}()
