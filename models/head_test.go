package models

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/stretchr/testify/require"
)

// In every base model, exactly the head depends on the number of classes.
func TestHead(t *testing.T) {
	for _, name := range Names() {
		build, err := ByName(name)
		require.NoError(t, err)
		store := model.NewStore()
		store.SetParam("/"+ShapesOnly, true)
		g := NewGraph(gobackend.GetBackend(), name)
		build(store.RootScope(), Zeros(g, shapes.Make(dtypes.Float32, 1, 32, 32, 3)), 7)
		weight := store.GetVariable("/" + Head(name) + "/weight")
		require.NotNil(t, weight, name)
		require.Equal(t, 7, weight.Shape().Dim(0), name)
		g.Finalize()
	}
}
