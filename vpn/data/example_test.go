package data_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"github.com/govpn/govpn/vpn/data"
)

// Six images of 1×1×1 in two classes, split in proportion to the classes. Both sets are views of
// the same memory.
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

// A folder of images with one folder for each class. The images are decoded while their batches are
// used: resized, cropped, and in an order that the caller gives.
func ExampleOpen() {
	dir := photos()
	defer os.RemoveAll(dir)
	o := data.OpenOptions{Format: "image-folder", Path: dir, Stream: true}
	o.Resize, o.CenterCrop = []int{4}, []int{4}
	d, err := data.Open(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	h, w, c := d.Shape()
	fmt.Println(d.Len(), "images of", h, w, c, d.ClassNames(), d.Labels())

	batches, err := d.Batches(context.Background(), data.BatchOptions{Order: []int32{2, 0, 1}, Size: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer batches.Close()
	for {
		batch, err := batches.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.Positions, "begin with the pixel", batch.Uint8[:c])
		batch.Release()
	}
	// Output:
	// 3 images of 4 4 3 [cat dog] [0 0 1]
	// [2 0] begin with the pixel [200 0 0]
	// [1] begin with the pixel [100 0 0]
}

// photos makes a folder of three red images of 6×8 pixels: two cats and a dog.
func photos() string {
	dir, err := os.MkdirTemp("", "photos")
	for i, name := range []string{"cat/1.png", "cat/2.png", "dog/1.png"} {
		img := image.NewRGBA(image.Rect(0, 0, 8, 6))
		for p := range 48 {
			img.Set(p%8, p/8, color.RGBA{R: uint8(100 * i), A: 255})
		}
		path := filepath.Join(dir, name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700))
		file, createErr := os.Create(path)
		err = errors.Join(err, createErr, png.Encode(file, img), file.Close())
	}
	if err != nil {
		panic(err)
	}
	return dir
}
