package engine

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/device"
	"github.com/govpn/govpn/vpn/method"
)

// On two devices, each of which holds half of the images, batch norm takes mean and variance of all
// images. The running statistics move from 0 and 1 by a tenth, see models.BatchNorm. The expected
// values are computed here.
func TestBatchNormOverDevices(t *testing.T) {
	backend, info, err := device.Open("cpu", device.Options{Several: true})
	if err != nil {
		golden.SkipDevice(t, info)
	}
	require.NoError(t, err)
	const images, pixels = 4, 6
	x := golden.Uniform("x", images*pixels)
	var mean, variance float64
	for i := range x {
		x[i] += float64(i / (2 * pixels)) // the halves differ by 1
		mean += x[i] / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}

	store := model.NewStore()
	p, err := NewProgram(backend, store, Spec{
		Name: "batch norm", Read: CurrentValue,
		Build: func(s *model.Scope, in []*Node) ([]*Node, []method.Update) {
			s.SetGraphParam(in[0].Graph(), models.Training, true)
			y := models.BatchNorm(s, in[0])
			var updates []method.Update
			for _, name := range []string{"running_mean", "running_var"} {
				v := s.GetVariable(name)
				updates = append(updates, method.Update{Variable: v, Value: v.NodeValue(y.Graph())})
			}
			return []*Node{y}, updates
		},
	})
	require.NoError(t, err)
	defer p.Close()
	s, err := NewSpread([]int{0, 1})
	require.NoError(t, err)
	p.SpreadOver(s, true)
	out, err := p.Call(golden.Tensor(x, dtypes.Float64, images, 2, 3, 1))
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{0.1 * mean}, golden.Float64s(out[1]), 1e-12)
	require.InDeltaSlice(t, []float64{0.9 + 0.1*variance}, golden.Float64s(out[2]), 1e-12)
	var sum float64
	for _, y := range golden.Float64s(out[0]) {
		sum += y
	}
	require.Len(t, golden.Float64s(out[0]), images*pixels)
	require.InDelta(t, 0, sum, 1e-9, "the mean of all images is gone")
}
