// Package models holds the base classifiers of govpn and the layers they share.
//
// A model is one function that builds a GoMLX graph. Its parameters are variables of the given
// scope, with the names and layouts of PyTorch's state dictionary: in scope "base", variable
// "fc1/weight" is PyTorch's "base.fc1.weight" of shape (out, in). The package knows nothing of
// noise.
package models

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Func builds a classifier in scope s: images (N, H, W, C) → logits (N, classes), in the dtype of
// the images.
type Func func(s *model.Scope, images *Node, classes int) *Node

// ArgumentError is what a model panics with if it cannot be built for the given images.
type ArgumentError string

func (e ArgumentError) Error() string { return string(e) }

// OneValueError is what a batch norm in training mode panics with if it would see one value per
// channel, which has no variance.
type OneValueError string

func (e OneValueError) Error() string { return string(e) }

func panicArgument(format string, args ...any) {
	panic(ArgumentError(fmt.Sprintf("models: "+format, args...)))
}

var byName = map[string]Func{
	"sr":   SoftmaxRegression,
	"dnn3": DNN3,
}

func init() {
	maps.Copy(byName, resNetRows())
	maps.Copy(byName, vitRows())
}

// Names returns the names of the base models, sorted.
func Names() []string { return slices.Sorted(maps.Keys(byName)) }

// HasBatchNorm reports whether a base model has batch norm. In training mode, an image's logits
// then depend on the whole batch.
func HasBatchNorm(name string) bool { return strings.HasPrefix(name, "resnet") }

// ByName returns the base model of that name.
func ByName(name string) (Func, error) {
	if f, ok := byName[name]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("models: base model is %q, want one of %s", name, strings.Join(Names(), ", "))
}
