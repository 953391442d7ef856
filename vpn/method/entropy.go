package method

import . "github.com/gomlx/gomlx/core/graph"

// entropyFloor is added to σ before the logarithm. It keeps the logarithm finite, and its slope
// below 1/entropyFloor, where σ = |o| touches 0. It is in units of σ, and so small that it changes
// the logarithm of a σ of 0.01 by 1e-4.
const entropyFloor = 1e-6

// entropyLoss is loss − β·mean(log(σ + entropyFloor)), β = Config.EntropyWeight. The mean is over
// images, weighted, and over the values of σ.
//
// It rewards the entropy of the noise, which is ½·log(2πe) + mean(log σ) nats per value for
// N(0, diag σ²), and another constant plus mean(log σ) for any other z (T. Cover, J. Thomas,
// Elements of Information Theory, 2006, Theorems 8.4.1 and 8.6.4). Without it, cross-entropy alone
// drives σ to where it costs nothing.
func (n *Network) entropyLoss(loss, std, weights *Node) *Node {
	if n.Config.EntropyWeight == 0 {
		return loss
	}
	return Sub(loss, MulScalar(weightedMean(Log(AddScalar(std, entropyFloor)), weights), n.Config.EntropyWeight))
}
