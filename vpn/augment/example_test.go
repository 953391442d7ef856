package augment_test

import (
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/govpn/govpn/vpn/augment"
)

// Two images of 2×2 pixels are mirrored, and then turned by 90° counter-clockwise.
func Example() {
	var list augment.List
	text := `[{"name": "RandomHorizontalFlip", "p": 1}, {"name": "RandomRotation", "degrees": [90, 90]}]`
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		fmt.Println(err)
		return
	}
	backend, err := gobackend.New("")
	if err != nil {
		fmt.Println(err)
		return
	}
	images := [][][][]float32{
		{{{0.1}, {0.2}}, {{0.3}, {0.4}}},
		{{{0.5}, {0.6}}, {{0.7}, {0.8}}},
	}
	state, err := RNGStateFromSeed(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	augmented, err := CallOnce(backend, func(x, state *Node) *Node { return list.Apply(x, state) }, images, state)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(augmented.Value())
	// Output: [[[[0.1] [0.3]] [[0.2] [0.4]]] [[[0.5] [0.7]] [[0.6] [0.8]]]]
}
