//go:build goexperiment.simd && amd64

package jpeg

import (
	"encoding/binary"
	"simd/archsimd"
)

// lanes holds one row or one column.
type lanes = archsimd.Int32x8

func init() {
	if archsimd.X86.AVX2() {
		inverse = inverseAVX2
	}
}

// inverseAVX2 is inverseGo with eight columns, then eight rows, at the same time.
func inverseAVX2(b *[64]int32, last int, dst []uint8, stride int) {
	if last == 0 {
		inverseGo(b, last, dst, stride)
		return
	}
	var x [8]lanes
	for i := range x {
		x[i] = archsimd.LoadInt32x8((*[8]int32)(b[8*i:]))
	}
	transformLanes(&x, 1<<(down-1))
	for i := range x {
		x[i] = x[i].ShiftAllRight(down)
	}
	transpose(&x)
	transformLanes(&x, 128<<shift+1<<(shift-1))
	zero, top := archsimd.BroadcastInt32x8(0), archsimd.BroadcastInt32x8(255)
	for i := range x {
		x[i] = x[i].ShiftAllRight(shift).Max(zero).Min(top)
	}
	// Lane r holds row r. Its samples 0 to 3 become one number, 4 to 7 another.
	left := x[0].Or(x[1].ShiftAllLeft(8)).Or(x[2].ShiftAllLeft(16).Or(x[3].ShiftAllLeft(24)))
	right := x[4].Or(x[5].ShiftAllLeft(8)).Or(x[6].ShiftAllLeft(16).Or(x[7].ShiftAllLeft(24)))
	var rows [8]uint64 // rows 0, 1, 4, 5, then 2, 3, 6, 7
	left.InterleaveLoGrouped(right).AsUint64x4().Store((*[4]uint64)(rows[:4]))
	left.InterleaveHiGrouped(right).AsUint64x4().Store((*[4]uint64)(rows[4:]))
	for i, at := range [8]int{0, 1, 4, 5, 2, 3, 6, 7} {
		binary.LittleEndian.PutUint64(dst[at*stride:], rows[i])
	}
}

// transformLanes is transform8 for eight columns or rows.
func transformLanes(x *[8]lanes, dc int32) {
	c := archsimd.BroadcastInt32x8
	x0, x1, x2, x3, x4, x5, x6, x7 := x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
	z := x2.Add(x6).Mul(c(c0541))
	e2 := z.Sub(x6.Mul(c(c1847)))
	e3 := z.Add(x2.Mul(c(c0765)))
	e0 := x0.Add(x4).ShiftAllLeft(scaleBits).Add(c(dc))
	e1 := x0.Sub(x4).ShiftAllLeft(scaleBits).Add(c(dc))
	a0, a3 := e0.Add(e3), e0.Sub(e3)
	a1, a2 := e1.Add(e2), e1.Sub(e2)

	z5 := x7.Add(x3).Add(x5.Add(x1)).Mul(c(c1175))
	z1 := x7.Add(x1).Mul(c(-c0899))
	z2 := x5.Add(x3).Mul(c(-c2562))
	z3 := z5.Sub(x7.Add(x3).Mul(c(c1961)))
	z4 := z5.Sub(x5.Add(x1).Mul(c(c0390)))
	b0 := x7.Mul(c(c0298)).Add(z1).Add(z3)
	b1 := x5.Mul(c(c2053)).Add(z2).Add(z4)
	b2 := x3.Mul(c(c3072)).Add(z2).Add(z3)
	b3 := x1.Mul(c(c1501)).Add(z1).Add(z4)
	x[0], x[1], x[2], x[3] = a0.Add(b3), a1.Add(b2), a2.Add(b1), a3.Add(b0)
	x[4], x[5], x[6], x[7] = a3.Sub(b0), a2.Sub(b1), a1.Sub(b2), a0.Sub(b3)
}

// transpose exchanges rows and columns.
func transpose(x *[8]lanes) {
	lo32 := func(i, j int) archsimd.Int64x4 { return x[i].InterleaveLoGrouped(x[j]).AsInt64x4() }
	hi32 := func(i, j int) archsimd.Int64x4 { return x[i].InterleaveHiGrouped(x[j]).AsInt64x4() }
	a0, a1, a2, a3 := lo32(0, 1), hi32(0, 1), lo32(2, 3), hi32(2, 3)
	a4, a5, a6, a7 := lo32(4, 5), hi32(4, 5), lo32(6, 7), hi32(6, 7)
	// Columns 0 and 4, 1 and 5, 2 and 6, 3 and 7: u of the upper four rows, l of the lower.
	u0, u1, u2, u3 := a0.InterleaveLoGrouped(a2), a0.InterleaveHiGrouped(a2), a1.InterleaveLoGrouped(
		a3), a1.InterleaveHiGrouped(
		a3,
	)
	l0, l1, l2, l3 := a4.InterleaveLoGrouped(a6), a4.InterleaveHiGrouped(a6), a5.InterleaveLoGrouped(
		a7), a5.InterleaveHiGrouped(
		a7,
	)
	x[0], x[4] = u0.Select128FromPair(0, 2, l0).AsInt32x8(), u0.Select128FromPair(1, 3, l0).AsInt32x8()
	x[1], x[5] = u1.Select128FromPair(0, 2, l1).AsInt32x8(), u1.Select128FromPair(1, 3, l1).AsInt32x8()
	x[2], x[6] = u2.Select128FromPair(0, 2, l2).AsInt32x8(), u2.Select128FromPair(1, 3, l2).AsInt32x8()
	x[3], x[7] = u3.Select128FromPair(0, 2, l3).AsInt32x8(), u3.Select128FromPair(1, 3, l3).AsInt32x8()
}
