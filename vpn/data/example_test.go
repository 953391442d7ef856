package data_test

import (
	"fmt"

	"github.com/govpn/govpn/vpn/data"
)

// Six images of 1×1×1 in two classes, split in proportion; the parts are views of the same memory.
func Example() {
	d, err := data.FromUint8([]uint8{0, 10, 20, 30, 40, 50}, 6, 1, 1, 1, data.Options{
		Labels:     []int32{0, 1, 0, 1, 0, 1},
		ClassNames: []string{"even", "odd"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	train, valid, err := data.Split(d, 4, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer train.Close()
	defer valid.Close()
	fmt.Println(train.Len(), "images:", train.Labels())
	fmt.Println(valid.Len(), "images:", valid.Labels())
	fmt.Println("bytes copied:", d.Info().BytesCopied)
	// Output:
	// 4 images: [0 1 1 0]
	// 2 images: [0 1]
	// bytes copied: 0
}
