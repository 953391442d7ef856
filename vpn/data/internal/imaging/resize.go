package imaging

import "math"

// axis is one axis of a resize: the `in` pixels of the image from `at` on become `out` pixels. Of
// these, `count` are wanted, from `first` on.
type axis struct {
	at, in, out  int
	first, count int
}

// table holds the weights of a resize along one axis. Output i is the weighted sum of `taps` pixels
// from low+start[i] on. Weights are in units of 2⁻²².
type table struct {
	axis
	low, high int // the range of pixels that are read
	taps      int
	start     []int32
	weights   []uint32
	exact     []float64 // scratch: exact weights, `width` per output
	from, n   []int32   // scratch: the first pixel of each output, and how many it has
}

const (
	weightBits = 22 // PRECISION_BITS in Pillow, for 8-bit pixels
	weightOne  = 1 << weightBits
)

// build computes the weights of Pillow's BILINEAR with antialiasing (Resample.c,
// precompute_coeffs): a triangle as wide as two output pixels or, if the image grows, as two input
// pixels.
func (t *table) build(a axis) {
	if t.axis == a {
		return
	}
	t.axis = a
	scale := float64(a.in) / float64(a.out)
	support := max(scale, 1)
	width := int(math.Ceil(support))*2 + 1
	clear(grow(&t.exact, a.count*width))
	grow(&t.from, a.count)
	grow(&t.n, a.count)
	t.low, t.high = a.at+a.in, 0
	for i := range a.count {
		t.window(i, scale, support, t.exact[i*width:(i+1)*width])
		t.low, t.high = min(t.low, int(t.from[i])), max(t.high, int(t.from[i]+t.n[i]))
	}
	t.round(width)
}

// window computes the exact weights of output i.
func (t *table) window(i int, scale, support float64, w []float64) {
	center, inverse := float64((float64(t.first+i)+0.5)*scale), 1/support
	low, high := max(int(center-support+0.5), 0), min(int(center+support+0.5), t.in)
	var sum float64
	for x := low; x < high; x++ {
		sum += triangle((float64(x) - center + 0.5) * inverse)
	}
	t.from[i], t.n[i] = int32(t.at+low), int32(high-low)
	for x := low; x < high; x++ {
		w[x-low] = triangle((float64(x)-center+0.5)*inverse) / sum
	}
}

func triangle(x float64) float64 { return max(1-math.Abs(x), 0) }

// round converts the weights to integers. Every output gets as many as the widest one needs; the
// others are zero.
func (t *table) round(width int) {
	t.taps = 1
	fixed := func(w float64) uint32 { return uint32(0.5 + w*weightOne) }
	for i := range t.count {
		w := t.exact[i*width:]
		for t.n[i] > 1 && fixed(w[t.n[i]-1]) == 0 {
			t.n[i]--
		}
		t.taps = max(t.taps, int(t.n[i]))
	}
	if t.taps < 4 && t.high-t.low >= 4 {
		t.taps = 4 // the passes are fast for 4
	}
	grow(&t.start, t.count)
	clear(grow(&t.weights, t.count*t.taps))
	for i := range t.count {
		start := min(int(t.from[i]), t.high-t.taps)
		t.start[i] = int32(start - t.low)
		for k := range int(t.n[i]) {
			t.weights[i*t.taps+int(t.from[i])-start+k] = fixed(t.exact[i*width+k])
		}
	}
}

// across resizes one row of c interleaved channels. The row starts with pixel `low`.
func (t *table) across(dst, row []uint8, c int) {
	switch {
	case c == 3:
		t.across3(dst, row)
	case t.taps == 4:
		weights := t.weights
		dst = dst[:len(t.start)]
		for i := acrossVectors(dst, row, t.start, weights); i < len(dst); i++ {
			start := t.start[i]
			s, k := row[start:start+4:start+4], weights[4*i:4*i+4:4*i+4]
			sum := uint32(s[0])*k[0] + uint32(s[1])*k[1] + uint32(s[2])*k[2] + uint32(s[3])*k[3]
			dst[i] = rounded(sum)
		}
	default:
		dst = dst[:len(t.start)]
		for i, start := range t.start {
			weights := t.weights[i*t.taps : (i+1)*t.taps]
			s := row[start:][:len(weights)]
			var sum uint32
			for j, k := range weights {
				sum += uint32(s[j]) * k
			}
			dst[i] = rounded(sum)
		}
	}
}

func (t *table) across3(dst, row []uint8) {
	for i, start := range t.start {
		weights := t.weights[i*t.taps : (i+1)*t.taps]
		s := row[3*start:][:3*len(weights)]
		var r, g, b uint32
		for _, k := range weights {
			r += uint32(s[0]) * k
			g += uint32(s[1]) * k
			b += uint32(s[2]) * k
			s = s[3:]
		}
		rgb := dst[3*i : 3*i+3 : 3*i+3]
		rgb[0], rgb[1], rgb[2] = rounded(r), rounded(g), rounded(b)
	}
}

// down computes output row i from the rows in mid. The first of them is row `low`.
func (t *table) down(dst, mid []uint8, i int, sums *[]uint32) {
	n := len(dst)
	weights := t.weights[i*t.taps : (i+1)*t.taps]
	mid = mid[int(t.start[i])*n:]
	if len(weights) == 4 {
		k0, k1, k2, k3 := weights[0], weights[1], weights[2], weights[3]
		a, b, c, d := mid[:n], mid[n:][:n], mid[2*n:][:n], mid[3*n:][:n]
		for x := downVectors(dst, a, b, c, d, k0, k1, k2, k3); x < n; x++ {
			dst[x] = rounded(uint32(a[x])*k0 + uint32(b[x])*k1 + uint32(c[x])*k2 + uint32(d[x])*k3)
		}
		return
	}
	sum := grow(sums, n)
	clear(sum)
	for j, k := range weights {
		for x, v := range mid[j*n:][:n] {
			sum[x] += uint32(v) * k
		}
	}
	for x := range dst {
		dst[x] = rounded(sum[x])
	}
}

// rounded is Pillow's clip8. Weights are never negative, so a sum exceeds 255 only by rounding, and
// only with very many weights.
func rounded(sum uint32) uint8 {
	return uint8(min((sum+weightOne/2)>>weightBits, 255))
}
