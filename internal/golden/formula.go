package golden

import (
	"hash/crc32"
	"math"
	"strings"

	"github.com/gomlx/gomlx/ml/model"
)

// mix is the 32-bit hash of networks.py.
func mix(x uint32) uint32 {
	x = (x ^ x>>16) * 0x7FEB352D
	x = (x ^ x>>15) * 0x846CA68B
	return x ^ x>>16
}

// hashes returns the hash function of a name: i → mix(2654435761·i + crc32(name)), as in
// networks.py.
func hashes(name string) func(i int) uint32 {
	offset := crc32.ChecksumIEEE([]byte(name))
	return func(i int) uint32 { return mix(uint32(i)*2654435761 + offset) }
}

// Uniform returns the n values in [−1, 1) that belong to a name: see networks.py.
func Uniform(name string, n int) []float64 {
	hash, values := hashes(name), make([]float64, n)
	for i := range values {
		values[i] = 2*float64(hash(i))/(1<<32) - 1
	}
	return values
}

// Formula returns the values of a variable, from its PyTorch name and its shape, as networks.py
// does.
func Formula(name string, dims []int) []float64 {
	size := 1
	for _, dim := range dims {
		size *= dim
	}
	leaf := name[strings.LastIndex(name, ".")+1:]
	mean, scale := 0.0, 0.2
	switch {
	case leaf == "weight" && len(dims) > 1:
		scale = math.Sqrt(6 / float64(size/dims[0]))
	case leaf == "weight":
		mean = 1
	case leaf == "running_var":
		mean, scale = 1, 0.5
	}
	values := Uniform(name, size)
	for i, u := range values {
		values[i] = mean + scale*u
	}
	return values
}

// Name returns the PyTorch name of a variable: "base.fc1.weight" for /base/fc1/weight.
func Name(v *model.Variable) string {
	return strings.ReplaceAll(strings.TrimPrefix(v.Path(), "/"), "/", ".")
}
