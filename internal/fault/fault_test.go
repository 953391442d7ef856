package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// An error has its kind and all that it wraps, and its message names neither twice.
func TestErrorf(t *testing.T) {
	err := Errorf(ErrFormat, "reading x.png: %w", io.ErrUnexpectedEOF)
	require.EqualError(t, err, "reading x.png: unexpected EOF")
	require.ErrorIs(t, err, ErrFormat)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, err, ErrIO)
	require.ErrorIs(t, errors.Join(Errorf(ErrIO, "a"), err), ErrFormat, "through other errors")
	require.True(t, HasKind(fmt.Errorf("more: %w", err)))
	require.False(t, HasKind(io.EOF))
}
