package vpn

import (
	"context"

	"github.com/govpn/govpn/internal/fault"
)

// How calls claim a model: calls of inference wait for one another, and training keeps all others
// out.

// use begins a call of inference, which needs weights. done ends it.
func (m *Model) use() (done func(), err error) {
	m.mu.Lock()
	switch {
	case m.closed:
		err = argumentError("the model is closed, want an open one")
	case m.fitting:
		err = fault.Errorf(ErrBusy, "vpn: the model is training; wait until it ends, or cancel it")
	case !m.state.trained:
		err = argumentError("the model has no weights: fit it, or import weights, first")
	}
	if err != nil {
		m.mu.Unlock()
		return nil, err
	}
	return m.mu.Unlock, nil
}

// startTraining claims the model for training until end is called. Cancel cancels the context that
// it returns.
func (m *Model) startTraining(ctx context.Context) (cancellable context.Context, end func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, argumentError("the model is closed, want an open one")
	}
	if m.fitting {
		return nil, nil, fault.Errorf(ErrBusy, "vpn: the model is already training; wait until it ends, or cancel it")
	}
	m.fitting = true
	ctx, release := m.cancellable(ctx)
	return ctx, func() {
		release()
		m.mu.Lock()
		m.fitting = false
		m.mu.Unlock()
	}, nil
}

// cancellable returns a context that Cancel cancels, and a function that releases it.
func (m *Model) cancellable(ctx context.Context) (context.Context, func()) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithCancel(ctx)
	m.state.Lock()
	m.state.cancel = cancel
	m.state.Unlock()
	return ctx, cancel
}

// Cancel stops the running Fit, Predict, Noise or Evaluate within one step. That call then returns
// ErrCancelled.
func (m *Model) Cancel() {
	m.state.Lock()
	defer m.state.Unlock()
	if m.state.cancel != nil {
		m.state.cancel()
	}
}

// cancelled returns ErrCancelled if a context has ended.
func cancelled(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.Errorf(ErrCancelled, "vpn: stopped on request")
}
