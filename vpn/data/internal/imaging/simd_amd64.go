//go:build goexperiment.simd

package imaging

import (
	"encoding/binary"
	"simd/archsimd"
)

// The inner loops that take most of the time after entropy decoding, with AVX2. Each function
// processes as many values as fill whole vectors and returns how many. The plain loops do the rest;
// without AVX2 they do everything. Results are equal.
var vectors = archsimd.X86.AVX2()

// acrossVectors is the loop of table.across with four taps.
func acrossVectors(dst, row []uint8, start []int32, weights []uint32) (done int) {
	if !vectors {
		return 0
	}
	first := archsimd.LoadInt8x16(&[16]int8{0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1})
	half := archsimd.BroadcastUint32x4(weightOne / 2)
	for ; done+4 <= len(dst) && int(start[done+3])+16 <= len(row); done += 4 {
		s, w := (*[4]int32)(start[done:]), weights[4*done:4*done+16]
		a := archsimd.LoadUint8x16Slice(row[s[0]:]).ExtendLo4ToUint32().Mul(archsimd.LoadUint32x4Slice(w))
		b := archsimd.LoadUint8x16Slice(row[s[1]:]).ExtendLo4ToUint32().Mul(archsimd.LoadUint32x4Slice(w[4:]))
		c := archsimd.LoadUint8x16Slice(row[s[2]:]).ExtendLo4ToUint32().Mul(archsimd.LoadUint32x4Slice(w[8:]))
		d := archsimd.LoadUint8x16Slice(row[s[3]:]).ExtendLo4ToUint32().Mul(archsimd.LoadUint32x4Slice(w[12:]))
		sums := a.AddPairs(b).AddPairs(c.AddPairs(d)).Add(half).ShiftAllRight(weightBits)
		binary.LittleEndian.PutUint32(dst[done:], sums.AsUint8x16().PermuteOrZero(first).AsUint32x4().GetElem(0))
	}
	return done
}

// downVectors is the loop of table.down with four taps. Each lane holds four neighbouring pixels,
// which are processed one after another.
func downVectors(dst, a, b, c, d []uint8, k0, k1, k2, k3 uint32) (done int) {
	if !vectors {
		return 0
	}
	w0, w1 := archsimd.BroadcastUint32x8(k0), archsimd.BroadcastUint32x8(k1)
	w2, w3 := archsimd.BroadcastUint32x8(k2), archsimd.BroadcastUint32x8(k3)
	half, low := archsimd.BroadcastUint32x8(weightOne/2), archsimd.BroadcastUint32x8(0xff)
	for ; done+32 <= len(dst); done += 32 {
		p0, p1 := archsimd.LoadUint8x32Slice(a[done:]).AsUint32x8(), archsimd.LoadUint8x32Slice(b[done:]).AsUint32x8()
		p2, p3 := archsimd.LoadUint8x32Slice(c[done:]).AsUint32x8(), archsimd.LoadUint8x32Slice(d[done:]).AsUint32x8()
		var out archsimd.Uint32x8
		for shift := uint64(0); shift < 32; shift += 8 {
			sum := p0.ShiftAllRight(shift).And(low).Mul(w0).Add(p1.ShiftAllRight(shift).And(low).Mul(w1)).Add(half)
			sum = sum.Add(p2.ShiftAllRight(shift).And(low).Mul(w2)).Add(p3.ShiftAllRight(shift).And(low).Mul(w3))
			out = out.Or(sum.ShiftAllRight(weightBits).ShiftAllLeft(shift))
		}
		out.AsUint8x32().StoreSlice(dst[done:])
	}
	archsimd.ClearAVXUpperBits()
	return done
}

// jfifVectors is the loop of jfifToRGB.
func jfifVectors(dst, y, cb, cr []uint8) (done int) {
	if !vectors {
		return 0
	}
	pack := archsimd.LoadInt8x16(&[16]int8{0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1})
	wide := archsimd.BroadcastInt32x8
	zero, top, middle, half := wide(0), wide(255), wide(128), wide(1<<15)
	rr, gb, gr, bb := wide(91881), wide(-22554), wide(-46802), wide(116130)
	for ; done+16 <= len(y); done += 8 {
		l := archsimd.LoadUint8x16Slice(y[done:]).ExtendLo8ToUint32().AsInt32x8().ShiftAllLeft(16).Add(half)
		u := archsimd.LoadUint8x16Slice(cb[done:]).ExtendLo8ToUint32().AsInt32x8().Sub(middle)
		v := archsimd.LoadUint8x16Slice(cr[done:]).ExtendLo8ToUint32().AsInt32x8().Sub(middle)
		r := l.Add(v.Mul(rr)).ShiftAllRight(16).Max(zero).Min(top)
		g := l.Add(u.Mul(gb)).Add(v.Mul(gr)).ShiftAllRight(16).Max(zero).Min(top)
		b := l.Add(u.Mul(bb)).ShiftAllRight(16).Max(zero).Min(top)
		rgb := r.Or(g.ShiftAllLeft(8)).Or(b.ShiftAllLeft(16)) // one pixel per lane; the stores overlap
		rgb.GetLo().AsUint8x16().PermuteOrZero(pack).StoreSlice(dst[3*done:])
		rgb.GetHi().AsUint8x16().PermuteOrZero(pack).StoreSlice(dst[3*done+12:])
	}
	archsimd.ClearAVXUpperBits()
	return done
}
