package models

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Remat is the graph parameter (bool), of a model's scope or of one above it, under which blocks keep their inputs alone for the
// gradient, which computes what is within them again: less memory, more time (T. Chen et al., 2016, arXiv 1604.06174).
const Remat = "remat"

// remat is block(x), of a model's scope.
func remat(s *model.Scope, x *Node, block func(x *Node) *Node) *Node {
	if !model.GetGraphParamOr(s, x.Graph(), Remat, false) {
		return block(x)
	}
	return block(x.Checkpoint()).StopCheckpoint()
}
