package imaging

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkDecode decodes on one core: photographs to 224×224, and Tiny ImageNet.
// GOVPN_BENCH_PHOTOS and GOVPN_BENCH_TINY are patterns that name files. Without them it decodes the
// fixtures.
func BenchmarkDecode(b *testing.B) {
	for _, bench := range []struct {
		name, pattern, fixture string
		transform              Transform
		size                   int
	}{
		{"photo", os.Getenv("GOVPN_BENCH_PHOTOS"), "photo.jpg", Transform{Resize: []int{256}, CenterCrop: []int{224}}, 224},
		{"tiny", os.Getenv("GOVPN_BENCH_TINY"), "420.jpg", Transform{CenterCrop: []int{64}}, 64},
		{"random", os.Getenv("GOVPN_BENCH_PHOTOS"), "photo.jpg", Transform{RandomResizedCrop: &RandomResizedCrop{Size: []int{224}}}, 224},
	} {
		b.Run(bench.name, func(b *testing.B) {
			files := [][]byte{fixture(b, bench.fixture)}
			if paths, _ := filepath.Glob(bench.pattern); len(paths) > 0 {
				files = nil
				for _, path := range paths[:min(len(paths), 1000)] {
					data, err := os.ReadFile(path)
					require.NoError(b, err)
					files = append(files, data)
				}
			}
			var d Decoder
			out := make([]uint8, bench.size*bench.size*3)
			rng := seeded(1)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := d.Decode(out, bench.size, bench.size, 3, files[i%len(files)], &bench.transform,
					rng); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
