package models

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/support/exceptions"
	"github.com/stretchr/testify/require"
)

// shapesOf builds a base model without values for RGB images, so that its variables can be counted.
func shapesOf(name string, height, width, classes int) (store *model.Store, err error) {
	store = model.NewStore()
	store.SetParam("/"+ShapesOnly, true)
	g := NewGraph(gobackend.GetBackend(), name)
	defer g.Finalize()
	err = exceptions.TryCatch[error](func() {
		byName[name](store.RootScope(), Zeros(g, shapes.Make(dtypes.Float32, 1, height, width, 3)), classes)
	})
	return store, err
}

// From timm 1.0.31: sum(p.numel() for p in timm.create_model("vit_tiny_patch16_224").parameters()),
// and so on.
func TestViTParameters(t *testing.T) {
	for name, want := range map[string]int{
		"vit_tiny_patch16": 5_717_416, "vit_small_patch16": 22_050_664, "vit_base_patch16": 86_567_656,
	} {
		store, err := shapesOf(name, 224, 224, 1000)
		require.NoError(t, err)
		require.Equal(t, want, store.NumParameters(), name)
	}
}

// The tokens are the class and the patches. vit cuts 28×28 into 7×7 patches of side 4, 64×64 into
// 8×8 of side 8, and 96×80 into 6×5 of side 16.
func TestViTPatch(t *testing.T) {
	for tokens, size := range map[int][2]int{1 + 7*7: {28, 28}, 1 + 8*8: {64, 64}, 1 + 6*5: {96, 80}} {
		store, err := shapesOf("vit", size[0], size[1], 10)
		require.NoError(t, err)
		require.Equal(t, []int{1, tokens, 192}, store.GetVariable("/pos_embed").Shape().Dimensions)
	}
}

func TestViTImageSize(t *testing.T) {
	_, err := shapesOf("vit_small_patch16", 40, 32, 10)
	require.ErrorAs(t, err, new(ArgumentError))
	require.ErrorContains(t, err, "base vit_small_patch16 is given images of 40×32, want sides that are multiples of 16, "+
		"or base vit_small_patch4, or base vit_small_patch8")
	_, err = shapesOf("vit", 30, 30, 10)
	require.ErrorContains(t, err, "base vit_tiny_patch4 is given images of 30×30, want sides that are multiples of 4")
}

// This kernel picks channel 1 of the pixel in row 2, column 3 of each patch.
func TestViTPatchOrder(t *testing.T) {
	store, weight, images := model.NewStore(), make([]float32, 2*4*4), make([]float32, 8*8*2)
	weight[1*16+2*4+3] = 1
	for i := range images {
		row, column, channel := i/16, i/2%8, i%2
		images[i] = float32(100*row + 10*column + channel)
	}
	store.VariableWithValue("/weight", tensors.FromFlatDataAndDimensions(weight, 1, 2, 4, 4))
	store.VariableWithValue("/bias", []float32{0})
	got := model.MustCallOnce(gobackend.GetBackend(), store, func(s *model.Scope, images *Node) *Node {
		return vit{width: 1, patch: 4}.patches(s, images)
	}, tensors.FromFlatDataAndDimensions(images, 1, 8, 8, 2))
	require.Equal(t, [][][]float32{{{231}, {271}, {631}, {671}}}, got.Value())
}
