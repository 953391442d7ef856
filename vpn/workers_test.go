package vpn

import (
	"slices"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/method"
)

// meeting adds up the values that several goroutines bring.
type meeting struct {
	sync.Mutex
	*sync.Cond
	workers, come, left int
	total               []float32
}

func newMeeting(workers int) *meeting {
	m := &meeting{workers: workers}
	m.Cond = sync.NewCond(&m.Mutex)
	return m
}

func (m *meeting) sum(values []float32) bool {
	m.Lock()
	defer m.Unlock()
	for m.left > 0 { // some have not left the last meeting
		m.Wait()
	}
	if m.come == 0 {
		m.total = make([]float32, len(values))
	}
	for i, v := range values {
		m.total[i] += v
	}
	if m.come++; m.come == m.workers {
		m.come, m.left = 0, m.workers
		m.Broadcast()
	}
	for m.left == 0 {
		m.Wait()
	}
	copy(values, m.total)
	m.left--
	m.Broadcast()
	return true
}

// shared trains several models together, each in a goroutine of its own that runs calls.
func shared(
	t *testing.T, cfg Config, backend compute.Backend, workers int, calls func(m *Model) error,
) (models []*Model) {
	together, errs := newMeeting(workers), make([]error, workers)
	var done sync.WaitGroup
	for rank := range workers {
		m := newModel(t, cfg, backend)
		require.NoError(t, m.SetShare(&Share{Rank: rank, Workers: workers, Sum: together.sum}))
		models = append(models, m)
		done.Go(func() { errs[rank] = calls(m) })
	}
	done.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return models
}

// Models that share batches make the steps of one model with the whole batch, and their weights are
// equal bit for bit: with noise, augmentation, weights of images, shares in parts, and a last epoch
// that is resumed. On cpu, where XLA compiles for seconds, an ordinary run takes one row.
func TestShare(t *testing.T) {
	train, valid := weighted(t, stripes(t, 100, 1), 1, 2, 3, 4), stripes(t, 20, 2)
	eachDevice(t, func(t *testing.T, backend compute.Backend) {
		for i, test := range []struct {
			base, mode, optimizer string
			workers, accumulate   int
		}{
			{base: "sr", mode: "joint", optimizer: "adam", workers: 2, accumulate: 1},
			{base: "dnn3", mode: "joint", optimizer: "sgd", workers: 2, accumulate: 2},
			{base: "sr", mode: "gaussian", optimizer: "sgd", workers: 4, accumulate: 1},
			{base: "sr", mode: "plain", optimizer: "adam", workers: 2, accumulate: 1},
		} {
			if i > 0 && method.Fuses(backend) && !golden.IsLong() {
				continue
			}
			cfg := smallConfig(test.mode)
			cfg.Base, cfg.Optimizer, cfg.NoiseSamples = test.base, test.optimizer, 2
			cfg.Augment = augment.List{
				augment.RandomCrop{Padding: augment.Ints{1}, PaddingMode: "constant", Fill: augment.Floats{0}},
			}
			fit := func(m *Model) error {
				if err := m.Fit(ctx, train, valid, FitOptions{Epochs: 2}); err != nil {
					return err
				}
				return m.Fit(ctx, train, valid, FitOptions{Epochs: 3, Resume: true})
			}
			whole := newModel(t, cfg, backend)
			require.NoError(t, fit(whole))
			cfg.Accumulate = test.accumulate
			models := shared(t, cfg, backend, test.workers, fit)
			requireSame(t, whole, models[0], 1e-5)
			for _, m := range models[1:] {
				require.Equal(t, valuesOf(t, models[0]), valuesOf(t, m))
				require.Equal(t, untimed(models[0].History()), untimed(m.History()))
			}
		}
	})
}

// Models that share batches have equal weights also where batch norm sees each share alone, and
// after a single batch.
func TestShareBatchNorm(t *testing.T) {
	cfg := resNetConfig("plain")
	cfg.BatchSize = 8
	train := stripes(t, 16, 1)
	backend := openDevice(t, "go")
	models := shared(t, cfg, backend, 2, func(m *Model) error {
		if _, err := m.TrainBatch(ctx, train); err != nil {
			return err
		}
		return m.Fit(ctx, train, nil, FitOptions{Epochs: 1, Resume: true})
	})
	require.Equal(t, valuesOf(t, models[0]), valuesOf(t, models[1]))
	require.Equal(t, []float64{3}, valuesOf(t, models[1])["base.bn1.num_batches_tracked"])
}

// A share may be spread over devices.
func TestShareOnDevices(t *testing.T) {
	train, cfg := stripes(t, 64, 1), smallConfig("gaussian")
	cfg.BatchSize = 16
	backend := openSeveral(t)
	whole := newModel(t, cfg, backend)
	require.NoError(t, whole.Fit(ctx, train, nil, FitOptions{Epochs: 2}))
	models := shared(t, cfg, backend, 2, func(m *Model) error {
		if err := m.SetDevices(0, 1); err != nil {
			return err
		}
		return m.Fit(ctx, train, nil, FitOptions{Epochs: 2})
	})
	requireSame(t, whole, models[0], 1e-5)
	require.Equal(t, valuesOf(t, models[0]), valuesOf(t, models[1]))
}

// Each worker takes its part of every batch in an order.
func TestShareOfOrder(t *testing.T) {
	order := []int32{5, 4, 3, 2, 1, 0, 9, 8}
	require.Equal(t, []int32{5, 4, 1, 0}, (&Share{Rank: 0, Workers: 2}).of(order, 4))
	require.Equal(t, []int32{3, 2, 9, 8}, (&Share{Rank: 1, Workers: 2}).of(order, 4))
	require.Empty(t, (&Share{Rank: 1, Workers: 2}).of(nil, 4))
	require.True(t, slices.Equal(order, (*Share)(nil).of(order, 4)))
}

func TestShareRefuses(t *testing.T) {
	m := newModel(t, smallConfig("joint"), openDevice(t, "go"))
	sum := func([]float32) bool { return true }
	for _, wrong := range []Share{
		{Rank: 2, Workers: 2, Sum: sum}, {Rank: -1, Workers: 2, Sum: sum}, {Sum: sum}, {Workers: 2},
	} {
		err := m.SetShare(&wrong)
		require.ErrorIs(t, err, ErrArgument)
		require.ErrorContains(t, err, "want Rank from 0 to Workers − 1, and a Sum")
	}
	require.NoError(t, m.SetShare(&Share{Workers: 4, Sum: sum}))
	_, err := m.TrainBatch(ctx, stripes(t, 18, 1))
	require.ErrorContains(t, err, "a batch of 18 images has no 4 parts of one size: "+
		"want a number of images that is a multiple of Accumulate times 4 workers")
	require.NoError(t, m.SetShare(&Share{Workers: 2, Sum: func([]float32) bool { return false }}))
	require.ErrorIs(t, m.Fit(ctx, stripes(t, 20, 1), nil, FitOptions{}), ErrCancelled)
	require.NoError(t, m.SetShare(nil))
	require.NoError(t, m.Fit(ctx, stripes(t, 18, 1), nil, FitOptions{}))

	cfg := smallConfig("joint")
	cfg.ComputeDType = "float64"
	m = newModel(t, cfg, openDevice(t, "go"))
	require.ErrorContains(t, m.SetShare(&Share{Workers: 1, Sum: sum}), "ComputeDType is float64")
}
