// Package method is Variational Positive-incentive Noise (VPN) as graph code: H. Zhang, S. Huang,
// Y. Guo, X. Li, "Variational Positive-incentive Noise: How Noise Benefits Models", IEEE T-PAMI
// 2025, arXiv 2306.07651. It knows no data set, file or device; package vpn trains with it.
//
// A generator g looks at an image x and its label y and returns a standard deviation σ for every
// pixel. The base classifier f learns from x + σ⊙z, with z ~ N(0, I) drawn anew at every step. Both
// networks minimise the mean of −log q(y|x, ε), where q(y|x, ε) = softmax f(x + ε)_y. That mean is
// an upper bound of H(T|E), the entropy of the label given image and noise. So training maximises a
// lower bound of I(T, E) = H(T) − H(T|E). The paper calls noise with I(T, E) > 0
// positive-incentive.
//
//	paper                             here
//	f                                 package models; Network.Logits is f(x)
//	q(y|x, ε)                         softmax of Network.NoisyLogits
//	g, θ                              generator.go
//	u = x + κ·ȳ                       label_fusion.go; Config.LabelFusion, Config.LabelCoefficient
//	Σ = diag σ²                       Network.Std is σ; std.go has its parametrisations, Config.Std
//	z ~ N(0, I)                       Network.draw, noise.go
//	x + ε, ε = σ⊙z                    Network.noisy, noise.go
//	m (Eq. 12)                        Config.NoiseSamples
//	L_VPN (Eq. 12), L (Eq. 13)        Network.objective, objective.go
//	λ (Eq. 13)                        Config.BaseLossWeight
//	Algorithm 1, one step             Network.Step, training_step.go; optimizer.go
//	Algorithm 2                       Network.Classwise, classwise.go
//	a frozen base (Table IV)          Config.Mode "frozen"
//	the paper's recipe (Section IV)   PaperConfig, presets.go
//
// Images are (N, H, W, C) with values from 0 to 1; Network.Pixels makes them from stored ones.
//
// # Where the paper leaves a choice
//
//   - λ, and what it multiplies, are open. Here L = L_VPN + λ·CE(f(x), y), and λ = 0 by default.
//   - The label enters as κ·y/(K−1) ("scaled", the public code) or κ·y ("index", the paper's text).
//     The public code has κ = 0.01. The default is 1, so that σ depends on the label.
//   - The bounds C1 ≤ ‖Σ‖ ≤ C2 have no values in the paper. "bounded", the default, keeps σ within
//     Config.StdRange, [0.01, 0.3]. The public code's "abs", σ = |o|, has no bounds, and σ can
//     vanish.
//   - Noisy pixels are not clipped, as in the paper. Config.ClipNoisy clips them to [0, 1].
//   - Clean and noisy images pass a base with batch norms as one batch, so that the statistics are
//     those of both. With Config.NoisyBatchNorm "separate", noisy images have batch norms of their
//     own.
//   - Normalisation happens inside f by default, after the noise, so that σ is in units of the
//     pixel range. The public code normalises before generator and noise, for ImageNet: Where
//     "input".
//   - A frozen base runs in inference mode, receives no gradient and stays bit-identical.
//   - Config.Augment changes clean images before they get noise. The paper compares with
//     augmentation and does not say whether VPN's own rows use it. It is off by default.
//
// # What is not in the paper
//
// All of it is off by default.
//
//   - Noise at a hidden layer in place of the pixels: Config.NoiseLayer, hidden.go.
//   - Other ways of the label into the generator, which put no order on the classes:
//     Config.LabelFusion "plane", "embedding" and "film", label_fusion.go.
//   - Laplace and uniform z: Config.NoiseDistribution.
//   - A reward for the entropy of the noise in L: Config.EntropyWeight, entropy.go.
//   - Label smoothing: Config.LabelSmoothing.
//   - Probabilities as labels. The loss is their cross-entropy, and the generator gets the mean
//     label Σ_k Y_k·k̄.
//   - Weights of images, which multiply what each adds to the loss.
//
// # Fidelity to the authors' public code
//
// With their unmodified modules, their weights and the same noise, logits, σ and the scores of
// Algorithm 2 agree to 8e-7, all predicted classes agree, and one step of SGD agrees to the
// rounding of float32. What differs:
//
//  1. Initial values of ResNets. Theirs are PyTorch's defaults, uniform with standard deviation
//     1/√(3·fan_in), in base and generator. OfficialConfig has these. The other presets have
//     torchvision's, N(0, 2/fan_out), about 2.45 times larger: Config.InitialValues.
//  2. PaperConfig. The paper gives the learning rate and no optimiser. The public code's default is
//     SGD, and its "--optim adam" keeps weight decay 5e-4. Adam without weight decay is a choice of
//     this package. PaperConfigOf has the paper's epochs: 40 for sr and dnn3, 100 for ResNets. The
//     paper trains Tiny ImageNet with batch size 128. OfficialConfig is the public code's recipe.
//  3. λ. The public code has an option --lamda, 1e-4 by default, and never uses it. It is the only
//     hint at a value.
//  4. The public code has no frozen mode (its --pretrain trains both networks), no ViT, no
//     baselines, no rows to compare with and no validation split. It looks at the test accuracy 40
//     times in 200 epochs. Here validation data choose the epoch.
//  5. Std "rms". In the authors' later code r = 0.1 is in units normalised for CLIP, about 0.027 of
//     the pixel range, and a learned mean of RMS 0.1 stands beside σ. Here r is in units of the
//     pixel range, and the mean is 0.
//  6. Perceptrons flatten colour images as (C, H, W) there and as (H, W, C) here. This concerns the
//     weights of sr, dnn3 and generator dnn3. Their shapes are equal, so that files say which order
//     they have. Package vpn reorders weights when it imports or exports them.
//  7. Their weight files are pickled modules, which this library does not read. They hold an unused
//     fc_mean, and other names: shortcut for downsample, linear for a ResNet's fc, conv1.0 for
//     conv1, fc_variance for the generator's last layer.
package method
