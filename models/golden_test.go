package models_test

import (
	"encoding/json"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/golden/networks"
	"github.com/govpn/govpn/models"
)

// The expected values in this file are PyTorch's, torchvision's and timm's. vpn/method/testdata/golden.py
// computes them.

func TestGoldenModels(t *testing.T) {
	networks.Test(t, "base", func(config json.RawMessage, s *model.Scope, images *Node) *Node {
		var c struct {
			Base    string
			Classes int
		}
		parse(config, &c)
		build, err := models.ByName(c.Base)
		if err != nil {
			panic(err)
		}
		return build(s, images, c.Classes)
	})
}

func TestGoldenLayers(t *testing.T) {
	networks.Test(t, "layer", func(config json.RawMessage, s *model.Scope, x *Node) *Node {
		var c struct {
			Layer               string
			Out, Kernel, Stride int
			To                  [2]int
		}
		parse(config, &c)
		switch c.Layer {
		case "conv":
			return models.Conv(s, x, c.Out, c.Kernel, c.Stride, models.KaimingFanOut)
		case "max_pool":
			return models.MaxPool3x3(x)
		case "upsample":
			return models.Upsample(x, c.To[0], c.To[1])
		default:
			return models.BatchNorm(s, x)
		}
	})
}

func parse(config json.RawMessage, to any) {
	if err := json.Unmarshal(config, to); err != nil {
		panic(err)
	}
}
