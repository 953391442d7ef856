package models

import (
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// HiddenHook is the graph parameter, of a model's scope or of one above it, that holds a Hook.
const HiddenHook = "hidden_hook"

// Hook takes the place of the output h (N, …) of a model's hidden layer number layer, from 1: what it returns goes on through the
// rest. It may hold another number of images, of which there then are as many logits.
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

// HiddenLayers is how many hidden layers a base model shows to a Hook, and which they are, as in "has hidden layers 1 and 2, …".
func HiddenLayers(base string) (count int, about string) {
	h := hiddenLayers[family(base)]
	return h.count, h.about
}

// family is that of a base model: "resnet" of "resnet18_3x3".
func family(base string) string {
	name, _, _ := strings.Cut(base, "_")
	return strings.TrimRight(name, "0123456789")
}

// hidden is the output x of hidden layer number layer as the rest of the model gets it: itself, or what the Hook of the scope makes of
// it, which sees it in dims, where given.
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
