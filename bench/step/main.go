// Command step trains a model epoch by epoch on request, for bench/run.py: it answers every line on standard input
// with the time of one epoch as a line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/device"
)

func main() {
	log.SetFlags(0)
	dir := flag.String("data", "", "folder with images.u8 (N, 28, 28, 1) and labels.i32 (N)")
	name := flag.String("device", "auto", "go, cpu, cuda or auto")
	config := flag.String("config", "{}", "vpn.Config as JSON")
	flag.Parse()
	if err := run(*dir, *name, *config); err != nil {
		log.Fatal(err)
	}
}

func run(dir, name, config string) error {
	set, err := load(dir)
	if err != nil {
		return err
	}
	defer set.Close()
	backend, info, err := device.Open(name, device.Options{})
	if err != nil {
		return err
	}
	cfg, err := vpn.ParseConfig([]byte(config))
	if err != nil {
		return err
	}
	model, err := vpn.New(cfg, backend)
	if err != nil {
		return err
	}
	defer model.Close()

	answer := json.NewEncoder(os.Stdout)
	description := info.Description
	if info.Plugin != "" {
		description = filepath.Base(info.Plugin)
	}
	if err := answer.Encode(map[string]any{"ready": description}); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for epoch := 1; lines.Scan(); epoch++ {
		seconds, err := train(model, set, epoch)
		if err != nil {
			return err
		}
		last := model.History()[epoch-1]
		if err := answer.Encode(map[string]any{"seconds": seconds, "loss": last.Loss}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// train makes one more epoch and returns its wall time.
func train(model *vpn.Model, set *data.Dataset, epoch int) (seconds float64, err error) {
	var start time.Time
	err = model.Fit(context.Background(), set, nil, vpn.FitOptions{
		Epochs: epoch, Resume: true,
		Progress: func(p vpn.Progress) bool {
			if start.IsZero() {
				start = time.Now()
			}
			if p.Phase == "epoch" {
				seconds = time.Since(start).Seconds()
			}
			return false
		},
	})
	return seconds, err
}

func load(dir string) (*data.Dataset, error) {
	pixels, err := os.ReadFile(filepath.Join(dir, "images.u8"))
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "labels.i32"))
	if err != nil {
		return nil, err
	}
	labels := make([]int32, len(raw)/4)
	if _, err := binary.Decode(raw, binary.LittleEndian, labels); err != nil {
		return nil, fmt.Errorf("labels.i32: %w", err)
	}
	return data.FromUint8(pixels, len(labels), 28, 28, 1, data.Options{Labels: labels})
}
