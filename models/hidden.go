package models

import (
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// HiddenHook is the graph parameter that holds a [Hook], in a model's scope or one above it.
const HiddenHook = "hidden_hook"

// Hook replaces the output h (N, …) of a model's hidden layer. layer counts from 1. The rest of the
// model gets what the Hook returns. That may hold another number of images; there are then as many
// logits.
type Hook func(layer int, h *Node) *Node

// The hidden layers whose output a Hook sees, by family of base models.
var hiddenLayers = map[string]struct {
	count int
	about string
}{
	"sr":     {0, "has no hidden layer"},
	"dnn":    {2, "has hidden layers 1 and 2, the outputs of its ReLUs (1024)"},
	"resnet": {4, "has hidden layers 1 to 4, the outputs of layer1 to layer4 (height, width, channels)"},
	"vit":    {12, "has hidden layers 1 to 12, the outputs of its blocks (tokens, width)"},
}

// HiddenLayers returns how many hidden layers of a base model a Hook sees. about describes them:
// "has hidden layers 1 and 2, …".
func HiddenLayers(base string) (count int, about string) {
	h := hiddenLayers[family(base)]
	return h.count, h.about
}

// family returns the family of a base model: "resnet" for "resnet18_3x3".
func family(base string) string {
	name, _, _ := strings.Cut(base, "_")
	return strings.TrimRight(name, "0123456789")
}

// hidden returns the output x of a hidden layer as the rest of the model gets it: x itself or, if
// the scope has a Hook, what the Hook returns. If dims are given, the Hook sees x in that shape.
func hidden(s *model.Scope, layer int, x *Node, dims ...int) *Node {
	hook := model.GetGraphParamOr[Hook](s, x.Graph(), HiddenHook, nil)
	if hook == nil {
		return x
	}
	if len(dims) == 0 {
		return hook(layer, x)
	}
	flat := slices.Clone(x.Shape().Dimensions)
	flat[0] = -1
	return Reshape(hook(layer, Reshape(x, dims...)), flat...)
}
