package method

import (
	"maps"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// stdFunc turns the generator's output o (N, H, W, C) into σ of the same shape, in units of the
// pixel range. For a hidden layer the shape is (N, height, width, channels), (N, tokens, width) or
// (N, width), and the units are that layer's.
type stdFunc func(c *Config, o *Node) *Node

// The parametrisations of σ (Config.Std).
var stdByName = map[string]stdFunc{
	// σ = |o|, the authors' public code. It has no bound: cross-entropy alone drives it to 0.
	"abs": func(_ *Config, o *Node) *Node { return abs(o) },

	// σ = lo + (hi−lo)·sigmoid(o): the paper's restriction C1 ≤ ‖Σ‖ ≤ C2. [lo, hi] is
	// Config.StdRange, because the paper gives no values.
	"bounded": func(c *Config, o *Node) *Node {
		return AddScalar(MulScalar(Logistic(o), c.StdRange[1]-c.StdRange[0]), c.StdRange[0])
	},

	// σ = |o|·r/RMS(o) per image and channel, so that the RMS of σ is r = Config.StdRMS (the
	// authors' later code). Single pixels reach many times r. For tokens, the mean is over the
	// tokens; for a vector, over its values. ε = Config.StdEpsilon stands inside the root, so that o
	// = 0 gives σ = 0. It is far below any other o: generator dnn3 starts near 5e-5.
	"rms": func(c *Config, o *Node) *Node {
		positions := []int{1, 2}[:max(1, o.Rank()-2)]
		rms := Sqrt(AddScalar(ReduceAndKeep(Square(o), ReduceMean, positions...), c.StdEpsilon)) // (N, 1, 1, C)
		return Div(MulScalar(abs(o), c.StdRMS), rms)
	},
}

// abs is |o| with PyTorch's gradient, which is 0 at o = 0. That of GoMLX's Abs is 1 there. A generator
// whose biases are 0 starts there for a black image of class 0, where "rms" divides by √ε.
func abs(o *Node) *Node { return Mul(o, StopGradient(Sign(o))) }

// StdNames lists the parametrisations of σ, sorted.
func StdNames() []string { return slices.Sorted(maps.Keys(stdByName)) }
