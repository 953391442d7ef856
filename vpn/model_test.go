package vpn

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewRefuses(t *testing.T) {
	_, err := New(DefaultConfig(), nil)
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, "backend is nil")
	_, err = New(Config{}, openDevice(t, "go"))
	require.ErrorContains(t, err, `Base is ""`)
}
