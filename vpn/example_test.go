package vpn_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/device"
)

// corners returns 40 images of 2×2×1 in two classes: light above dark, and dark above light.
func corners() *data.Dataset {
	var pixels []uint8
	var labels []int32
	for i := range 40 {
		light, dark := uint8(255-i), uint8(i)
		if i%2 == 0 {
			pixels = append(pixels, light, light, dark, dark)
		} else {
			pixels = append(pixels, dark, dark, light, light)
		}
		labels = append(labels, int32(i%2))
	}
	d, err := data.FromUint8(pixels, 40, 2, 2, 1, data.Options{Labels: labels, ClassNames: []string{"day", "night"}})
	if err != nil {
		panic(err)
	}
	return d
}

// trained returns a model that classifies corners.
func trained() *vpn.Model {
	cfg := vpn.DefaultConfig()
	cfg.Base, cfg.Epochs, cfg.BatchSize, cfg.LearningRate = "sr", 5, 8, 0.05
	backend, _, err := device.Open("go", device.Options{})
	if err != nil {
		panic(err)
	}
	m, err := vpn.New(cfg, backend)
	if err != nil {
		panic(err)
	}
	if err := m.Fit(context.Background(), corners(), nil, vpn.FitOptions{}); err != nil {
		panic(err)
	}
	return m
}

func Example() {
	ctx := context.Background()
	backend, _, err := device.Open("go", device.Options{}) // "auto" takes the fastest there is
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := vpn.DefaultConfig()
	cfg.Base, cfg.Epochs, cfg.BatchSize, cfg.LearningRate = "sr", 5, 8, 0.05
	m, err := vpn.New(cfg, backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	d := corners()
	defer d.Close()
	if err := m.Fit(ctx, d, nil, vpn.FitOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	for _, noise := range []string{"none", "classwise"} {
		e, err := m.Evaluate(ctx, d, vpn.EvalOptions{Noise: noise})
		fmt.Println(noise, e.Accuracy, err)
	}
	// Output:
	// none 1 <nil>
	// classwise 1 <nil>
}

func ExampleParseConfig() {
	c, err := vpn.ParseConfig([]byte(`{"preset": "paper", "base": "sr", "epochs": 10}`))
	fmt.Println(c.Base, c.Generator, c.Epochs, c.BatchSize, c.Optimizer, c.Std, err)
	_, err = vpn.ParseConfig([]byte(`{"epochs": 0}`))
	fmt.Println(err)
	// Output:
	// sr dnn3 10 256 adam abs <nil>
	// vpn: Epochs is 0, want 1 to 2³¹−1
}

func ExampleModel_Predict() {
	m := trained()
	defer m.Close()
	images, err := data.FromUint8([]uint8{
		250, 250, 10, 10, // light above
		10, 10, 250, 250, // light below
	}, 2, 2, 2, 1, data.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer images.Close()
	names := m.Config().ClassNames
	p, err := m.Predict(context.Background(), images, vpn.PredictOptions{Noise: "classwise", Samples: 3})
	fmt.Println(names[p.Labels[0]], names[p.Labels[1]], err)
	// Output: day night <nil>
}

func ExampleModel_Noise() {
	m := trained()
	defer m.Close()
	d := corners()
	defer d.Close()
	sigma, dims, err := m.Noise(context.Background(), d, vpn.NoiseOptions{})
	fmt.Println(len(sigma), dims, err) // one σ per pixel
	_, dims, err = m.Noise(context.Background(), d, vpn.NoiseOptions{Output: "sample", Samples: 5})
	fmt.Println(dims, err)
	// Output:
	// 160 [40 2 2 1] <nil>
	// [5 40 2 2 1] <nil>
}

func ExampleUnmarshal() {
	m := trained()
	defer m.Close()
	packed, err := m.Marshal() // Save writes the same to a file
	if err != nil {
		fmt.Println(err)
		return
	}
	backend, _, err := device.Open("go", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := vpn.Unmarshal(packed, backend)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer again.Close()
	fmt.Println(again.Describe().Parameters, len(again.History()), "epochs")
	_, err = vpn.Unmarshal(packed[:1000], backend)
	fmt.Println("an end that is missing:", errors.Is(err, vpn.ErrFormat))
	// Output:
	// map[base:10 generator:1058820] 5 epochs
	// an end that is missing: true
}
