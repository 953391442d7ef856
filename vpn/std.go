package vpn

import (
	"maps"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// rmsEpsilon stands inside the root of the "rms" parametrisation: the generator's output starts near 5e-5.
const rmsEpsilon = 1e-6

// stdFunc turns the generator's output o (N, H, W, C) into σ of the same shape, in units of the pixel range; so for a hidden layer's
// (N, height, width, channels), (N, tokens, width) or (N, width), in its units.
type stdFunc func(c *Config, o *Node) *Node

// The parametrisations of σ (Config.Std).
var stdByName = map[string]stdFunc{
	// σ = |o|, the authors' public code. It has no bound: cross-entropy alone drives it to 0.
	"abs": func(_ *Config, o *Node) *Node { return Abs(o) },

	// σ = lo + (hi−lo)·sigmoid(o): the paper's restriction C1 ≤ ‖Σ‖ ≤ C2, its values being Config.StdRange.
	"bounded": func(c *Config, o *Node) *Node {
		return AddScalar(MulScalar(Logistic(o), c.StdRange[1]-c.StdRange[0]), c.StdRange[0])
	},

	// σ = |o|·r/RMS(o) per image and channel, so that the RMS of σ is r = Config.StdRMS (the authors' later code).
	// Single pixels reach many times r. Tokens are positions of as many channels as they are wide; a vector is one channel.
	"rms": func(c *Config, o *Node) *Node {
		positions := []int{1, 2}[:max(1, o.Rank()-2)]
		rms := Sqrt(AddScalar(ReduceAndKeep(Square(o), ReduceMean, positions...), rmsEpsilon)) // (N, 1, 1, C)
		return Div(MulScalar(Abs(o), c.StdRMS), rms)
	},
}

// StdNames lists the parametrisations of σ, sorted.
func StdNames() []string { return slices.Sorted(maps.Keys(stdByName)) }
