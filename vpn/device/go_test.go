package device_test

import (
	"testing"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/device"
)

// Many matrix products at the same time must not wait for each other's workers. With GoMLX's
// default pool this never ends.
func TestManyProductsAtOnce(t *testing.T) {
	backend, info, err := device.Open("go", device.Options{})
	require.NoError(t, err)
	require.Contains(t, info.Description, "parallelism=-1")
	exec := MustNewExec(backend, func(x *Node) *Node {
		sum := ReduceAllSum(x)
		for i := range 64 {
			left := AddScalar(x, i) // 64 products that do not depend on each other
			sum = Add(sum, ReduceAllSum(DotProduct(left, left)))
		}
		return sum
	})
	done := make(chan error)
	go func() {
		var err error
		for range 20 {
			_, err = exec.Call1(MustExecOnce(backend, func(g *Graph) *Node {
				return Ones(g, shapes.Make(dtypes.Float32, 256, 256))
			}))
		}
		done <- err
	}()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(2 * time.Minute):
		t.Fatal("the matrix products wait for one another")
	}
}
