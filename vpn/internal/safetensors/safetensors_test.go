package safetensors

import (
	"bytes"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/fault"
)

// written returns the bytes of a file with tensors of two types.
func written(t *testing.T) []byte {
	f := &File{Tensors: map[string]*tensors.Tensor{
		"a": tensors.FromValue([]float32{1}),
		"b": tensors.FromScalar(int64(7)),
		"c": tensors.FromValue([][]float32{{2, 3}}),
	}}
	var b bytes.Buffer
	require.NoError(t, f.Write(&b))
	return b.Bytes()
}

// Tensors of wider types come first, so that every tensor is aligned. The reference implementation
// writes them in this order.
func TestLayout(t *testing.T) {
	b := written(t)
	require.Contains(t, string(b), `{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},`+
		`"b":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"c":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]}}`)
	read, err := Parse(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	require.Equal(t, int64(7), read.Tensors["b"].Value())
	require.Equal(t, [][]float32{{2, 3}}, read.Tensors["c"].Value())
}

// A file that is cut off while it is read gives an error, not zeros.
func TestFileThatShrinks(t *testing.T) {
	b := written(t)
	for _, left := range []int{0, 7, 100, len(b) - 1} {
		_, err := Parse(bytes.NewReader(b[:left]), int64(len(b)))
		require.ErrorIs(t, err, fault.ErrIO, "%d bytes are left", left)
	}
}
