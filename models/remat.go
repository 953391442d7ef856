package models

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Remat is the graph parameter (bool), in a model's scope or one above it, under which blocks keep
// only their inputs for the gradient. The gradient computes the values inside a block again: less
// memory, more time (T. Chen et al., 2016, arXiv 1604.06174).
const Remat = "remat"

// remat returns block(x). s is the scope of the model.
func remat(s *model.Scope, x *Node, block func(x *Node) *Node) *Node {
	if !model.GetGraphParamOr(s, x.Graph(), Remat, false) {
		return block(x)
	}
	return block(x.Checkpoint()).StopCheckpoint()
}
