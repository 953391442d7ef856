// Package vpn trains image classifiers with Variational Positive-incentive Noise (VPN): H. Zhang, S. Huang, Y. Guo,
// X. Li, "Variational Positive-incentive Noise: How Noise Benefits Models", IEEE T-PAMI 2025, arXiv 2306.07651.
//
// A generator g looks at an image x and its label y and returns the standard deviation σ of a zero-mean Gaussian per
// pixel; the base classifier f learns from x + σ⊙z, z ~ N(0, I). Both are trained to maximise the variational bound
// E log q(y|x, ε) on what the noise tells about the task, with q the base classifier itself.
//
//	paper                         here
//	f, q(y|x, ε) = softmax f(x+ε) package models, network.logits
//	g, θ                          generator.go, network.std
//	Σ = diag σ²                   σ: Noise with Output "std"; parametrisations in std.go, Config.Std
//	ε = σ⊙z                       noise.go, network.noisy
//	ε at a hidden layer           Config.NoiseLayer, hidden.go (not in the paper)
//	m (Eq. 12)                    Config.NoiseSamples
//	L_VPN (Eq. 12), L (Eq. 13)    objective.go
//	λ                             Config.BaseLossWeight
//	Algorithm 1 (training)        Model.Fit, train.go
//	Algorithm 2 (inference)       Model.Predict with Noise "classwise", network.classwise
//	"No Noise"                    Model.Predict with Noise "none"
//	−log q(y|x, ε), ε ~ p(ε|x, y) Model.Predict with Noise "label", network.onePass: for analysis, it reads the label
//	frozen base (Table IV)        Config.Mode "frozen"
//
// Where this package departs from the paper or from the authors' public code:
//   - The paper leaves λ and what it multiplies open; here L = L_VPN + λ·CE(f(x), y). The public code is λ = 0.
//   - The label enters as κ·y/(K−1) (the public code, "scaled") or κ·y (the paper's prose, "index"); or in ways that tell labels
//     apart without an order among them (Config.LabelFusion, fusion.go).
//   - σ = |o| (the public code, "abs") has no bounds; "bounded" is the paper's restriction C1 ≤ ‖Σ‖ ≤ C2, whose
//     values the paper does not give: here [0.01, 0.3], an option. "rms" is the authors' later code.
//   - Normalisation is inside the base model by default, after the noise, so that σ is in units of the pixel range.
//   - Config.Augment changes x before anything else does: the paper compares with augmentation, and does not say whether VPN's
//     own rows use it. It is off by default.
//   - Noisy pixels are not clipped, as in the paper; Config.ClipNoisy does.
//   - A frozen base runs in inference mode, receives no gradient and stays bit-identical.
//   - A last partial batch of an epoch is left out; evaluation sees every image.
//   - Clean and noisy images pass a base with batch norms as one batch, so that these see both; or, with Config.NoisyBatchNorm
//     "separate", noisy ones have batch norms of their own. The paper says nothing of it.
//   - Noise may enter at a hidden layer in place of the pixels (Config.NoiseLayer, hidden.go); by default it does not.
//   - L may reward the noise's entropy (Config.EntropyWeight, entropy.go), which the paper does not; by default it does not.
//   - z may also be Laplace's or uniform (Config.NoiseDistribution), and labels smoothed (Config.LabelSmoothing); neither is by default.
//   - Labels may be probabilities ([data.Dataset.SoftLabels]): the loss is their cross-entropy, and the generator gets their mean Σ_k Y_k·k̄.
//   - Weights of the base start as those of PyTorch, torchvision and timm do; those of the dnn3 generator from
//     N(0, 0.002²), biases 0; those of the resnet18 generator as torchvision's.
//
// The same seed gives the same result on the same device: initial weights follow from the seed and their names, the
// order of the images from the seed and the epoch, noise and augmentation from the seed and the step.
package vpn
