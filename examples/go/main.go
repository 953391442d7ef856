// Command go trains a classifier together with learned noise (variational positive-incentive
// noise). It prints the test accuracy without noise, and with noise for every class.
//
// GOEXPERIMENT=simd makes it faster on amd64. On small synthetic images, it takes a few seconds:
//
//	GOEXPERIMENT=simd go run ./examples/go
//
// On Fashion-MNIST, from a folder of its IDX files:
//
//	GOEXPERIMENT=simd go run ./examples/go -data path/to/fashion-mnist -base dnn3
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/device"
)

func main() {
	folder := flag.String("data", "", "folder with Fashion-MNIST's IDX files; empty for synthetic images")
	base := flag.String("base", "sr", "base classifier: sr or dnn3")
	epochs := flag.Int("epochs", 10, "epochs to train")
	name := flag.String("device", "auto", "auto, go, cpu or cuda")
	flag.Parse()
	if err := run(os.Stdout, *folder, *base, *epochs, *name); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer, folder, base string, epochs int, deviceName string) error {
	backend, info, err := device.Open(deviceName, device.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "device %s (%s)\n", info.Name, info.Why)
	train, valid, test, err := load(folder)
	if err != nil {
		return err
	}

	cfg := vpn.DefaultConfig()
	cfg.Base, cfg.Epochs = base, epochs
	if folder == "" { // 800 images want smaller batches than 50,000
		cfg.BatchSize = 32
	}
	model, err := vpn.New(cfg, backend)
	if err != nil {
		return err
	}
	defer model.Close()
	err = model.Fit(context.Background(), train, valid, vpn.FitOptions{Progress: func(p vpn.Progress) (stop bool) {
		if p.Phase == "epoch" {
			fmt.Fprintf(out, "epoch %d/%d: loss %.3f, accuracy %.3f\n", p.Epoch, p.Epochs, p.Loss, p.Accuracy)
		}
		return false
	}})
	if err != nil {
		return err
	}

	for _, noise := range []string{"none", "classwise"} {
		e, err := model.Evaluate(context.Background(), test, vpn.EvalOptions{Noise: noise})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "test accuracy, noise %-9s  %.3f  (σ: mean %.3f, min %.3f, max %.3f)\n",
			noise, e.Accuracy, e.StdMean, e.StdMin, e.StdMax)
	}
	for _, warning := range model.Warnings() {
		fmt.Fprintln(out, "warning:", warning)
	}
	return nil
}

// load returns training, validation and test images: Fashion-MNIST from folder, or synthetic ones
// if it is empty.
func load(folder string) (train, valid, test *data.Dataset, err error) {
	first := 800
	if folder == "" {
		if train, err = squares(1000, 1); err == nil {
			test, err = squares(500, 2)
		}
	} else {
		first = 50_000
		if train, err = data.FashionMNIST(folder, "train"); err == nil {
			test, err = data.FashionMNIST(folder, "test")
		}
	}
	if err != nil {
		return nil, nil, nil, err
	}
	train, valid, err = data.Split(train, first, 1)
	return train, valid, test, err
}

// squares draws n images of 8×8×1 in four classes. One quarter of an image is brighter: its class.
func squares(n int, seed uint64) (*data.Dataset, error) {
	rng, pixels, labels := rand.New(rand.NewPCG(seed, 0)), make([]uint8, n*64), make([]int32, n)
	for i := range pixels {
		image, row, column := i/64, i/8%8, i%8
		pixels[i] = uint8(rng.IntN(192))
		labels[image] = int32(image % 4)
		if row/4*2+column/4 == image%4 {
			pixels[i] += 64
		}
	}
	return data.FromUint8(pixels, n, 8, 8, 1, data.Options{
		Labels: labels, ClassNames: []string{"top left", "top right", "bottom left", "bottom right"},
	})
}
