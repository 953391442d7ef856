package augment

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/device"
)

func eachDevice(t *testing.T, test func(t *testing.T, backend compute.Backend)) {
	for _, name := range []string{"go", "cpu"} {
		t.Run(name, func(t *testing.T) {
			backend, info, err := device.Open(name, device.Options{})
			if err != nil {
				golden.SkipDevice(t, info)
			}
			test(t, backend)
		})
	}
}

const draws = 24000

// requireUniform fails if values are not independent draws from [low, high). It compares their
// distribution function with the uniform one. The largest distance exceeds 2.5/√n by chance once in
// 130,000 times (Kolmogorov).
func requireUniform(t *testing.T, low, high float64, values []float64) {
	sorted, n := slices.Sorted(slices.Values(values)), float64(len(values))
	require.GreaterOrEqual(t, sorted[0], low)
	require.LessOrEqual(t, sorted[len(sorted)-1], high)
	for i, v := range sorted {
		require.InDelta(t, (v-low)/(high-low), float64(i)/n, 2.5/math.Sqrt(n), "value %d of %g is %g", i, n, v)
	}
}

// requireCounts fails unless there are k different values, each as often as chance allows: within
// five standard deviations.
func requireCounts[T comparable](t *testing.T, k int, values []T) {
	counts, n := map[T]int{}, float64(len(values))
	for _, v := range values {
		counts[v]++
	}
	require.Len(t, counts, k)
	p := 1 / float64(k)
	for v, count := range counts {
		require.InDelta(t, n*p, count, 5*math.Sqrt(n*p*(1-p)), "%v", v)
	}
}

// requireIndependent fails if two sequences of draws are correlated.
func requireIndependent(t *testing.T, a, b []float64) {
	mean := func(x []float64, f func(i int) float64) (sum float64) {
		for i := range x {
			sum += f(i) / float64(len(x))
		}
		return sum
	}
	ma, mb := mean(a, func(i int) float64 { return a[i] }), mean(b, func(i int) float64 { return b[i] })
	covariance := mean(a, func(i int) float64 { return (a[i] - ma) * (b[i] - mb) })
	va := mean(a, func(i int) float64 { return (a[i] - ma) * (a[i] - ma) })
	vb := mean(b, func(i int) float64 { return (b[i] - mb) * (b[i] - mb) })
	require.InDelta(t, 0, covariance/math.Sqrt(va*vb), 5/math.Sqrt(float64(len(a))))
}

func TestDrawsAreUniform(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for _, c := range []struct {
			a      Augmentation
			param  int
			bounds [2]float64
		}{
			{RandomRotation{Degrees: Floats{15}}, 0, [2]float64{-15, 15}},
			{RandomRotation{Degrees: Floats{-10, 45}}, 0, [2]float64{-10, 45}},
			{RandomAffine{Degrees: Floats{30}}, 0, [2]float64{-30, 30}},
			{RandomAffine{Degrees: Floats{0}, Scale: Floats{0.5, 2}}, 3, [2]float64{0.5, 2}},
			{RandomAffine{Degrees: Floats{0}, Shear: Floats{20}}, 4, [2]float64{-20, 20}},
			{RandomAffine{Degrees: Floats{0}, Shear: Floats{1, 2}}, 4, [2]float64{1, 2}},
			{RandomAffine{Degrees: Floats{0}, Shear: Floats{1, 2, -5, 8}}, 5, [2]float64{-5, 8}},
			{ColorJitter{Brightness: Floats{0.4}}, 0, [2]float64{0.6, 1.4}},
			{ColorJitter{Brightness: Floats{3}}, 0, [2]float64{0, 4}},
			{ColorJitter{Contrast: Floats{0.5, 0.7}}, 1, [2]float64{0.5, 0.7}},
			{ColorJitter{Saturation: Floats{0.1}}, 2, [2]float64{0.9, 1.1}},
			{ColorJitter{Hue: Floats{0.2}}, 3, [2]float64{-0.2, 0.2}},
			{ColorJitter{Hue: Floats{0.1, 0.5}}, 3, [2]float64{0.1, 0.5}},
			{GaussianBlur{KernelSize: Ints{3}}, 0, [2]float64{0.1, 2}},
			{GaussianBlur{KernelSize: Ints{3}, Sigma: Floats{1, 1.5}}, 0, [2]float64{1, 1.5}},
		} {
			require.NoError(t, c.a.validate())
			requireUniform(t, c.bounds[0], c.bounds[1], drawn(t, backend, c.a, 1, draws, 8, 8, 1)[c.param])
		}
		require.Equal(t, constant(1.7, draws),
			drawn(t, backend, GaussianBlur{KernelSize: Ints{3}, Sigma: Floats{1.7}}, 1, draws, 8, 8, 1)[0])
	})
}

func TestDrawsOfWholePixels(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		crop := drawn(t, backend, RandomCrop{Padding: Ints{1, 2, 3, 4}}, 1, draws, 8, 8, 1)
		requireCounts(t, 2+4+1, crop[0]) // rows: padding at top and bottom
		requireCounts(t, 1+3+1, crop[1])
		require.Equal(t, 0., slices.Min(crop[0]))
		require.Equal(t, 6., slices.Max(crop[0]))

		// Shifts are at most 0.25·10 columns and 0.5·8 rows, rounded: −2 to 2 and −4 to 4.
		shift := drawn(t, backend, RandomAffine{Degrees: Floats{0}, Translate: Floats{0.25, 0.5}}, 1, draws, 8, 10, 1)
		for i, most := range []float64{2, 4} {
			require.Equal(t, -most, slices.Min(shift[1+i]))
			require.Equal(t, most, slices.Max(shift[1+i]))
		}
		inner := slices.DeleteFunc(slices.Clone(shift[1]), func(v float64) bool { return math.Abs(v) == 2 })
		requireCounts(t, 3, inner)
		// These are the draws in −1.5 to 1.5, out of −2.5 to 2.5.
		require.InDelta(t, draws*0.6, len(inner), 5*math.Sqrt(draws*0.6*0.4))

		for _, p := range []float64{0, 0.3, 1} {
			flips := drawn(t, backend, RandomHorizontalFlip{P: p}, 1, draws, 8, 8, 1)[0]
			count := 0.
			for _, f := range flips {
				count += f
			}
			require.InDelta(t, draws*p, count, 5*math.Sqrt(draws*p*(1-p)), "p = %g", p)
		}
	})
}

// An image's draw for one parameter is independent of its other parameters.
func TestDrawsAreIndependent(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for _, a := range []Augmentation{
			RandomCrop{Padding: Ints{4}},
			RandomAffine{Degrees: Floats{9}, Translate: Floats{1, 1}, Scale: Floats{1, 2}, Shear: Floats{-9, 9, -9, 9}},
			ColorJitter{Brightness: Floats{1}, Contrast: Floats{1}, Saturation: Floats{1}, Hue: Floats{0.5}},
		} {
			params := drawn(t, backend, a, 1, draws, 32, 32, 3)
			for i := range params {
				for j := range i {
					requireIndependent(t, params[i], params[j])
				}
				requireIndependent(t, params[i][1:], params[i][:draws-1]) // and of the next image's draw
			}
		}
	})
}

// The four adjustments occur in all 24 orders, whatever their factors are.
func TestColorOrderIsUniform(t *testing.T) {
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		params := drawn(t, backend, ColorJitter{Brightness: Floats{0.4}, Hue: Floats{0.1}}, 1, draws, 8, 8, 3)
		orders := make([]string, draws)
		for i := range orders {
			places := []int{0, 1, 2, 3}
			slices.SortFunc(places, func(a, b int) int { return int(math.Copysign(1, params[4+a][i]-params[4+b][i])) })
			orders[i] = fmt.Sprint(places)
		}
		requireCounts(t, 24, orders)
	})
}

func TestNoise(t *testing.T) {
	const n, h, w, c = 40, 20, 30, 3
	golden.EachDevice(t, func(t *testing.T, backend compute.Backend, dtype dtypes.DType) {
		for _, a := range []GaussianNoise{{Mean: 0.1, Sigma: 0.2, Fraction: 1}, {Sigma: 0.3, Fraction: 0.25}, {Mean: -1, Sigma: 0.1}} {
			noisy := augmenter(t, backend, List{a}, dtype, n, h, w, c)(constant(0.5, n*h*w*c), 1)
			var values []float64
			perImage := make([]float64, n)
			for pixel := range n * h * w {
				got := noisy[pixel*c : (pixel+1)*c]
				if got[0] == 0.5 && got[1] == 0.5 && got[2] == 0.5 {
					continue
				}
				require.NotContains(t, got, 0.5, "all channels of a pixel together")
				values = append(values, got...)
				perImage[pixel/(h*w)]++
			}
			count, p := float64(len(values)), a.Fraction
			require.InDelta(t, n*h*w*p, count/c, 5*math.Sqrt(n*h*w*p*(1-p)))
			for _, selected := range perImage {
				require.InDelta(t, h*w*p, selected, 5*math.Sqrt(h*w*p*(1-p)))
			}
			if p == 0 {
				continue
			}
			var mean, square float64
			for _, v := range values {
				mean += (v - 0.5) / count
			}
			for _, v := range values {
				square += (v - 0.5 - mean) * (v - 0.5 - mean) / count
			}
			require.InDelta(t, a.Mean, mean, 5*a.Sigma/math.Sqrt(count))
			require.InDelta(t, a.Sigma*a.Sigma, square, 5*a.Sigma*a.Sigma*math.Sqrt(2/count))
		}
	})
}

// A draw close to 1 stays in range.
func TestBelowOne(t *testing.T) {
	const most = 70
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		out := call(t, backend, func(u *Node) []*Node {
			var numbers []*Node
			for n := 1; n <= most; n++ {
				numbers = append(numbers, below(u, n))
			}
			return numbers
		}, []float64{0, 0.999, math.Nextafter(1, 0)})
		for i, numbers := range out {
			require.Equal(t, []float64{0, float64(i), float64(i)}, golden.Float64s(numbers))
		}
	})
}
