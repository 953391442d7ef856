package vpn

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHistory(t *testing.T) {
	train, valid := stripes(t, 100, 1), stripes(t, 50, 2) // 3 batches of 32, and one of 4
	for _, mode := range []string{"joint", "plain", "gaussian"} {
		t.Run(mode, func(t *testing.T) {
			m := fitted(t, smallConfig(mode), train, valid)
			history := m.History()
			require.Len(t, history, 3)
			for i, e := range history {
				require.Equal(t, i+1, e.Epoch)
				require.Greater(t, float64(e.Seconds), 0.)
				require.InEpsilon(t, 100/float64(e.Seconds), float64(e.ImagesPerSecond), 1e-9)
				for _, v := range []Float{e.Loss, e.ValLoss} {
					require.GreaterOrEqual(t, float64(v), 0.) // false for NaN
					require.Less(t, float64(v), 10.)
				}
				for _, v := range []Float{e.Accuracy, e.ValAccuracy} {
					require.GreaterOrEqual(t, float64(v), 0.)
					require.LessOrEqual(t, float64(v), 1.)
				}
				switch mode {
				case "joint": // bounded: within StdRange, up to rounding
					require.True(t, 0.00999 < e.StdMin && e.StdMin < e.StdMean && e.StdMean < e.StdMax && e.StdMax < 0.30001, e)
				case "gaussian": // FixedStd
					for _, v := range []Float{e.StdMin, e.StdMean, e.StdMax} {
						require.InEpsilon(t, 0.1, float64(v), 1e-5)
					}
				default:
					require.True(t, e.StdMin != e.StdMin && e.StdMean != e.StdMean && e.StdMax != e.StdMax, "NaN")
				}
			}
			require.Less(t, history[2].ValLoss, history[0].ValLoss)
			evaluation, err := m.Evaluate(ctx, valid, EvalOptions{})
			require.NoError(t, err)
			best := history[m.Describe().BestEpoch-1]
			require.Equal(t, best.ValAccuracy, evaluation.Accuracy)
			require.Equal(t, best.ValLoss, evaluation.CrossEntropy)
		})
	}
}

func TestHistoryWithoutValidation(t *testing.T) {
	m := fitted(t, smallConfig("plain"), stripes(t, 20, 1), nil) // one batch, smaller than 32
	require.Len(t, m.History(), 3)
	for _, e := range m.History() {
		require.True(t, e.ValLoss != e.ValLoss && e.ValAccuracy != e.ValAccuracy, "NaN")
		require.InEpsilon(t, 20/float64(e.Seconds), float64(e.ImagesPerSecond), 1e-9)
	}
	require.Equal(t, 0, m.Describe().BestEpoch)
	require.Equal(t, 3, m.Describe().Epochs)
	require.Equal(t, int64(3), m.state.run.Step, "the steps that Adam's averages and the noise are counted by")
}
