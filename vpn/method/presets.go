package method

import (
	"slices"

	"github.com/govpn/govpn/vpn/augment"
)

// PaperConfig is the paper's recipe for its shallow networks (Section IV): 40 epochs, learning rate
// 0.001, batch 256, m = 1. PaperConfigOf is that for other bases. The paper names no optimiser, no
// λ and no bounds of σ. Adam, without weight decay, is our choice: the public code's default is SGD,
// and its Adam has weight decay 5e-4. λ = 0, κ = 0.01 and σ = |o| are those of the public code.
func PaperConfig() Config {
	return Config{
		Base: "dnn3", Generator: "dnn3", Mode: "joint", InitialValues: "torchvision",
		Epochs: 40, BatchSize: 256, Accumulate: 1,
		Optimizer: "adam", LearningRate: 1e-3, Momentum: 0.9, Schedule: "constant",
		ComputeDType: "float32", NoisyBatchNorm: "shared",
		NoiseSamples: 1, NoiseDistribution: "normal", LabelFusion: "bias", LabelCoefficient: 0.01, LabelEncoding: "scaled",
		Std: "abs", StdRange: [2]float64{0.01, 0.3}, StdRMS: 0.1, StdEpsilon: 1e-16, FixedStd: 0.1,
		Normalize: Normalize{Where: "image"}, RestoreBest: true,
	}
}

// shallow are the bases that the paper trains for 40 epochs. It trains ResNets for 100 (Section IV),
// and so are ViTs here.
var shallow = []string{"sr", "dnn3"}

// PaperConfigOf is the paper's recipe for a base, one of models.Names(). Tiny ImageNet, which has
// batch 128 there, is left to the caller.
func PaperConfigOf(base string) Config {
	c := PaperConfig()
	c.Base = base
	if !slices.Contains(shallow, base) {
		c.Epochs = 100
	}
	return c
}

// OfficialConfig is the recipe of the authors' public code: SGD with learning rate 0.1, momentum
// 0.9, weight decay 5e-4, a cosine schedule over 200 epochs, and ResNets that start from PyTorch's
// default values.
func OfficialConfig() Config {
	c := PaperConfig()
	c.InitialValues = "torch"
	c.Epochs, c.Optimizer, c.LearningRate, c.WeightDecay, c.Schedule = 200, "sgd", 0.1, 5e-4, "cosine"
	return c
}

// DefaultConfig is what validation data chose on Fashion-MNIST. docs/results.md has the figures.
func DefaultConfig() Config {
	c := PaperConfig()
	c.Epochs, c.Schedule, c.Std, c.LabelCoefficient = 20, "cosine", "bounded", 1
	return c
}

// AugmentedConfig is OfficialConfig, initial values included, with random crops and flips, with
// which ResNets on CIFAR are usually trained (K. He et al., CVPR 2016, Section 4.2). The authors'
// public code has both commented out.
func AugmentedConfig() Config {
	c := OfficialConfig()
	c.Augment = augment.List{augment.RandomCrop{Padding: augment.Ints{4}}, augment.RandomHorizontalFlip{P: 0.5}}
	return c
}

// The presets by the names that ParseConfig knows. They get the base that the caller names, "" for
// none.
var presets = map[string]func(base string) Config{
	"default":   func(string) Config { return DefaultConfig() },
	"official":  func(string) Config { return OfficialConfig() },
	"augmented": func(string) Config { return AugmentedConfig() },
	"paper": func(base string) Config {
		if base == "" {
			return PaperConfig()
		}
		return PaperConfigOf(base)
	},
}
