package models

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// SoftmaxRegression ("sr") is multinomial logistic regression on the pixels: one linear layer d →
// classes with the parameters linear.weight and linear.bias.
func SoftmaxRegression(s *model.Scope, images *Node, classes int) *Node {
	return Linear(s.In("linear"), Flatten(images), classes, TorchUniform)
}
