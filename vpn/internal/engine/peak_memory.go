package engine

import (
	"cmp"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// peakBytes estimates how many bytes the values of a program take at most at the same time, outputs
// included. It does not compile the program, but walks over its nodes in the order in which the
// device computes them. On a device that fuses, a value that only element-wise operations read is
// never stored: what it is computed from stays alive instead.
func peakBytes(outputs []*Node, fuses bool) int64 {
	w := walk{fuses: fuses, users: map[*Node][]*Node{}, last: map[*Node]int{}, at: map[*Node]int{}}
	for _, n := range outputs {
		w.visit(n)
		w.last[n] = math.MaxInt
	}
	if !fuses {
		w.byDepth()
	}
	for i, n := range w.order {
		w.at[n] = i
		if fuses && (w.virtual(n) || w.last[n] == math.MaxInt) { // computed as soon as its inputs are there
			w.at[n] = 0
			for _, in := range n.Inputs() {
				w.at[n] = max(w.at[n], w.at[in])
			}
		}
	}
	for _, n := range slices.Backward(w.order) {
		w.last[n] = max(w.last[n], w.lastUse(n))
	}
	return w.peak()
}

// walk is the state of one pass over a program.
type walk struct {
	fuses bool
	order []*Node // those that the outputs need, inputs first
	users map[*Node][]*Node
	at    map[*Node]int // position in order
	last  map[*Node]int // position of the last node that reads it
}

// visit adds a node and all that it needs to the order.
func (w *walk) visit(root *Node) {
	needed := map[*Node]bool{}
	for stack := []*Node{root}; len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if _, seen := w.users[n]; seen || needed[n] {
			continue
		}
		needed[n] = true
		stack = append(stack, n.Inputs()...)
	}
	for n := range needed {
		w.users[n] = nil
		w.order = append(w.order, n)
	}
	for n := range needed {
		for _, in := range n.Inputs() {
			w.users[in] = append(w.users[in], n)
		}
	}
	slices.SortFunc(w.order, func(a, b *Node) int { return cmp.Compare(a.Id(), b.Id()) })
}

// byDepth sorts the nodes as the pure-Go backend does: those farthest from an output come first.
func (w *walk) byDepth() {
	depth := map[*Node]int{}
	for _, n := range slices.Backward(w.order) {
		for _, user := range w.users[n] {
			depth[n] = max(depth[n], depth[user]+1)
		}
	}
	slices.SortStableFunc(w.order, func(a, b *Node) int { return cmp.Compare(depth[b], depth[a]) })
}

func (w *walk) lastUse(n *Node) (last int) {
	for _, user := range w.users[n] {
		if w.virtual(user) {
			last = max(last, w.last[user])
		} else {
			last = max(last, w.at[user])
		}
	}
	return last
}

// virtual says whether a value has no memory of its own, because it is a view of its input or is
// computed where it is read.
func (w *walk) virtual(n *Node) bool {
	switch n.Type() {
	case NodeTypeParameter, NodeTypeConstant, NodeTypeReshape, NodeTypeIdentity, NodeTypeBitcast, NodeTypeOptimizationBarrier:
		return true
	}
	if !w.fuses || w.last[n] == math.MaxInt {
		return false
	}
	if n.Type() == NodeTypeTranspose {
		return !slices.ContainsFunc(w.users[n], func(user *Node) bool { return !w.readsLoops(user) && user.Shape().Rank() > 2 })
	}
	if len(w.users[n]) > 1 && expensive(n) {
		return false
	}
	return elementwise(n) && !slices.ContainsFunc(w.users[n], func(user *Node) bool { return !w.readsLoops(user) })
}

// readsLoops says whether a fusing device computes the inputs of a node within that node's loop. A
// view of a value does so if all who read it do.
func (w *walk) readsLoops(n *Node) bool {
	switch n.Type() {
	case NodeTypeReduceSum, NodeTypeReduceMax, NodeTypeReduceMin, NodeTypeReduceProduct, NodeTypeArgMinMax:
		return true
	case NodeTypeReshape, NodeTypeIdentity, NodeTypeBitcast, NodeTypeOptimizationBarrier:
		return w.last[n] != math.MaxInt && !slices.ContainsFunc(w.users[n], func(user *Node) bool { return !w.readsLoops(user) })
	}
	return elementwise(n)
}

// expensive says whether a fusing device computes an element-wise node once, not again for each
// node that reads it.
func expensive(n *Node) bool {
	switch n.Type() {
	case NodeTypeDiv, NodeTypeExp, NodeTypeExpm1, NodeTypeErf, NodeTypeLog, NodeTypeLog1p, NodeTypeLogistic, NodeTypePow,
		NodeTypeRsqrt, NodeTypeSqrt, NodeTypeTanh, NodeTypeSin, NodeTypeCos, NodeTypeRem:
		return true
	}
	return false
}

// elementwise says whether each value of a node is computed from one value of each input.
func elementwise(n *Node) bool {
	switch n.Type() {
	case NodeTypeDotGeneral, NodeTypeConvGeneral, NodeTypeGather, NodeTypeScatterSum, NodeTypeScatterMax, NodeTypeScatterMin,
		NodeTypeReduceWindow, NodeTypeSelectAndScatterMax, NodeTypeSelectAndScatterMin, NodeTypeRNGBitGenerator, NodeTypeSplitNode,
		NodeTypeReduceSum, NodeTypeReduceMax, NodeTypeReduceMin, NodeTypeReduceProduct, NodeTypeArgMinMax, NodeTypeCumSum,
		NodeTypeConcatenate, NodeTypeFusedDense, NodeTypeFusedSoftmax, NodeTypeFusedGelu, NodeTypeFusedLayerNorm,
		NodeTypeFusedScaledDotProductAttention, NodeTypeFusedAttentionQKVProjection, NodeTypeFusedScaledDotProductAttentionVJP:
		return false
	}
	return true
}

// peak walks through the program and returns the most bytes that are alive at once.
func (w *walk) peak() int64 {
	freed := map[int]int64{} // bytes by the position after which nobody reads them
	var live, most, outs int64
	for i, n := range w.order {
		bytes := w.bytes(n)
		if w.fuses && w.last[n] == math.MaxInt {
			outs += bytes
			bytes = 0
		}
		if elementwise(n) { // the result may take the place of an input
			live -= freed[i]
			delete(freed, i)
		}
		live += bytes
		most = max(most, live)
		freed[max(i, w.last[n])] += bytes
		live -= freed[i]
	}
	return most + outs
}

func (w *walk) bytes(n *Node) int64 {
	if w.virtual(n) || n.NumOutputs() != 1 {
		return 0
	}
	return int64(n.Shape().ByteSize())
}
