package method

import "github.com/govpn/govpn/vpn/augment"

// PaperConfig is the paper's recipe for small networks (Section IV): 40 epochs, learning rate
// 0.001, batch 256, m = 1. The paper names no optimiser, no λ and no bounds of σ. Adam is our
// choice; λ = 0 and σ = |o| are those of the authors' public code.
func PaperConfig() Config {
	return Config{
		Base: "dnn3", Generator: "dnn3", Mode: "joint", Epochs: 40, BatchSize: 256, Accumulate: 1,
		Optimizer: "adam", LearningRate: 1e-3, Momentum: 0.9, Schedule: "constant",
		ComputeDType: "float32", NoisyBatchNorm: "shared",
		NoiseSamples: 1, NoiseDistribution: "normal", LabelFusion: "bias", LabelCoefficient: 0.01, LabelEncoding: "scaled",
		Std: "abs", StdRange: [2]float64{0.01, 0.3}, StdRMS: 0.1, FixedStd: 0.1,
		Normalize: Normalize{Where: "image"}, RestoreBest: true,
	}
}

// OfficialConfig is the recipe of the authors' public code: SGD with learning rate 0.1, momentum
// 0.9, weight decay 5e-4, and a cosine schedule over 200 epochs.
func OfficialConfig() Config {
	c := PaperConfig()
	c.Epochs, c.Optimizer, c.LearningRate, c.WeightDecay, c.Schedule = 200, "sgd", 0.1, 5e-4, "cosine"
	return c
}

// DefaultConfig is what validation data chose on Fashion-MNIST. docs/results.md has the figures.
func DefaultConfig() Config {
	c := PaperConfig()
	c.Epochs, c.Schedule, c.Std, c.LabelCoefficient = 20, "cosine", "bounded", 1
	return c
}

// AugmentedConfig is OfficialConfig with random crops and flips, with which ResNets on CIFAR are
// usually trained (K. He et al., CVPR 2016, Section 4.2). The authors' public code has both
// commented out.
func AugmentedConfig() Config {
	c := OfficialConfig()
	c.Augment = augment.List{augment.RandomCrop{Padding: augment.Ints{4}}, augment.RandomHorizontalFlip{P: 0.5}}
	return c
}

// The presets by the names that ParseConfig knows.
var presets = map[string]func() Config{
	"default": DefaultConfig, "paper": PaperConfig, "official": OfficialConfig, "augmented": AugmentedConfig,
}
