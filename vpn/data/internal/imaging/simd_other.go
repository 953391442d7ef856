//go:build !amd64 || !goexperiment.simd

package imaging

func acrossVectors(_, _ []uint8, _ []int32, _ []uint32) int    { return 0 }
func downVectors(_, _, _, _, _ []uint8, _, _, _, _ uint32) int { return 0 }
func jfifVectors(_, _, _, _ []uint8) int                       { return 0 }
