package vpn

import (
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"
)

// Everything random in a run follows from Config.Seed, a stream and a counter, so that a run
// resumes from the seed and the number of its steps. Saved models depend on these bits.

// Streams keep the random numbers of different purposes apart.
const (
	streamTrain uint64 = iota + 1
	streamClasswise
	streamSample
	streamShuffle
	streamAugment
	streamNoisy
)

// randomState returns the state (3 × uint64) of the device's generator for draw number counter of a
// stream.
func randomState(seed int64, stream uint64, counter int64) *tensors.Tensor {
	rng := rand.New(rand.NewPCG(uint64(seed), stream<<56|uint64(counter)))
	return tensors.FromFlatDataAndDimensions([]uint64{rng.Uint64(), rng.Uint64(), rng.Uint64()}, 3)
}

// permutation returns the order of n images in an epoch.
func permutation(seed int64, epoch, n int) []int32 {
	order := sequence(n)
	rng := rand.New(rand.NewPCG(uint64(seed), streamShuffle<<56|uint64(epoch)))
	rng.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// sequence is 0 … n−1.
func sequence(n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}
