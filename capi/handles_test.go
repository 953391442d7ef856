package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

// After a defect a model can only be freed.
func TestDefectMakesModelUnusable(t *testing.T) {
	h := put(&vpn.Model{}, "go")
	e, _, err := acquire[*vpn.Model](h, "model")
	require.NoError(t, err)
	e.fail(errors.New("index out of range"))
	_, _, err = acquire[*vpn.Model](h, "model")
	require.ErrorIs(t, err, vpn.ErrInternal)
	require.EqualError(t, err, "govpn: model is unusable since an earlier failure (index out of range) and can only be freed")
	handles.Lock()
	delete(handles.live, h)
	handles.Unlock()
	e.users-- // undoes acquire without drop: this model cannot be closed
}

// A freed object lives until its last user is done; its handle does not.
func TestFreeInUse(t *testing.T) {
	closed := 0
	d, err := data.FromUint8(make([]uint8, 4), 1, 2, 2, 1, data.Options{Release: func() { closed++ }})
	require.NoError(t, err)
	h := put(d, "")
	require.NoError(t, use(h, "data", func(d *data.Dataset) error {
		require.NoError(t, free[*data.Dataset](h, "data"))
		require.ErrorIs(t, free[*data.Dataset](h, "data"), errHandle)
		require.Zero(t, closed)
		return nil
	}))
	require.Equal(t, 1, closed)
	require.ErrorIs(t, use(h, "data", func(*data.Dataset) error { return nil }), errHandle)
	require.NoError(t, free[*data.Dataset](0, "data"))
}
