//go:build govpn_test

package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/device"
)

// optionSeeds are valid and invalid options of every function, the corpus that fuzzing starts from.
var optionSeeds = map[string][]string{
	"init":               {`{"plugin_paths": ["x"], "threads": 2, "log_level": "info", "sa_onstack": true}`, `{"threads": -1}`},
	"import":             {`{"shape": [2, 2, 1], "image_column": "image", "label_column": "label", "class_names": ["a"]}`, `{"shape": [-1, 2, 4611686018427387904]}`},
	"alloc":              {`{"shape": [2, 2, 2, 1], "dtype": "uint8", "device": "go"}`, `{"shape": [4, 1000000, 1000000, 9], "dtype": "uint8"}`},
	"open":               {`{"format": "idx", "images": "x", "labels": "y"}`, `{"format": "image-folder", "path": ".", "stream": true, "random_resized_crop": {"size": [4], "scale": [0.08, 1], "ratio": [0.75, 1.25]}}`},
	"set_labels":         {`{"class_names": ["a", "b", "c"]}`, `{"class_names": ["\ud800", null]}`},
	"split":              {`{"first": 3, "seed": 18446744073709551615}`, `{"first": 1e2}`},
	"export_stream":      {`{"batch_size": 2, "shuffle": true, "seed": 1, "epoch": 1, "columns": ["label"]}`, `{"columns": null}`},
	"create":             {`{"device": "go", "preset": "paper", "base": "sr", "image_shape": [2, 2, 1], "classes": 3, "std_range": [0.1, 0.2], "normalize": {"where": "image", "mean": [0.5], "std": [1]}}`, `{"base": "sr", "augment": [{"name": "random_crop", "padding": [1]}]}`, `{"base": "sr", "class_names": ["a", "b"], "labels": {"dtype": "int64", "values": [3, 5]}}`, `{"learning_rate": 1e999}`, "{\"device\": [\"\xff\"]}", "{\"base\": \"\xff\"}"},
	"estimate":           {`{"device": "go", "base": "sr", "image_shape": [2, 2, 1], "classes": 3, "images": 9}`, `{"image_shape": [2, 2, 1], "images": -1}`},
	"fit":                {`{"epochs": 1, "resume": true, "schedule": "constant"}`, `{"epochs": -1}`},
	"train_batch":        {`{}`, `[]`},
	"predict":            {`{"noise": "classwise", "samples": 2, "seed": 3, "output": "proba"}`, `{"noise": "label", "output": "logits"}`, `{"noise": "gaussian", "std": 0.1}`, `{"samples": 0.5}`, `{"noise": "gaussian", "std": "0.1"}`},
	"noise":              {`{"output": "sample", "samples": 3, "seed": 5}`, `{"output": "gradient"}`, `{"seed": -9223372036854775809}`},
	"evaluate":           {`{"noise": "none", "samples": 1, "seed": 1}`, `{"noise": "gaussian", "std": 0, "samples": 2}`, ` null `},
	"export_safetensors": {`{"part": "base"}`, `{"part": 3}`},
	"import_safetensors": {`{"replace_head": false}`, `{"replace_head": "yes"}`},
	"load":               {`{"device": "go"}`, `{"device": ["go"]}`},
	"set_weights":        {`{}`, `{"weights": [1]}`},
	"from_bytes":         {`{"device": "go"}`, `{"Device": "go", "device": "tpu"}`},
}

// A key of govpn_init that is there sets its value, also 0; one that is missing sets nothing.
func TestInit(t *testing.T) {
	runtime.SetDefaultGOMAXPROCS()
	all := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(all) })
	c := fuzzedCall(t)
	for _, step := range []struct {
		options string
		threads int
	}{
		{`{"threads": 1}`, 1}, {`{"log_level": "warning"}`, 1}, {`{}`, 1}, {`{"threads": 0}`, all}, {`{"threads": 3}`, 3},
	} {
		status, message, _ := c.call("init", step.options)
		require.Zero(t, status, message)
		require.Equal(t, step.threads, runtime.GOMAXPROCS(0), step.options)
	}
}

// FuzzOptions passes any text as the options of any function. The function succeeds or tells what
// is wrong. Options are skipped if they would take long, much memory, or files outside the folder.
func FuzzOptions(f *testing.F) {
	for number, name := range optionExports {
		require.NotEmpty(f, optionSeeds[name], name)
		for _, text := range optionSeeds[name] {
			f.Add(uint8(number), text)
		}
	}
	c := fuzzedCall(f)
	f.Fuzz(func(t *testing.T, number uint8, text string) {
		name := optionExports[int(number)%len(optionExports)]
		if strings.ContainsRune(text, 0) || tooMuch(text) {
			t.Skip()
		}
		status, message, wrong := c.call(name, text)
		settings.Lock()
		settings.device = device.Options{}
		settings.Unlock()
		runtime.GOMAXPROCS(2)
		require.Empty(t, wrong)
		// The status is none of GOVPN_E_FORKED, GOVPN_E_BUSY, GOVPN_E_INTERNAL and GOVPN_E_HANDLE.
		require.Less(t, status, 9, "%s: %s", name, message)
		require.NotEqual(t, 2, status, message)
		if status != 0 {
			require.NotEmpty(t, message)
			require.True(t, utf8.ValidString(message), "%q", message)
		} else if strings.TrimSpace(text) != "" {
			require.True(t, json.Valid([]byte(text)), "%s takes %q", name, text)
		}
	})
}

// fuzzedCall makes an empty folder the current one and returns a trained model, its data and files
// there.
func fuzzedCall(f testing.TB) *optionCall {
	dir := f.TempDir()
	f.Chdir(dir)
	backend, _, err := device.Open("go", device.Options{})
	require.NoError(f, err)
	config, err := vpn.ParseConfig([]byte(`{"base": "sr", "epochs": 1, "batch_size": 3}`))
	require.NoError(f, err)
	m, err := vpn.New(config, backend)
	require.NoError(f, err)
	d, err := data.FromUint8([]uint8{0: 255, 5: 128, 23: 9}, 6, 2, 2, 1, data.Options{Labels: []int32{0, 1, 2, 0, 1, 2}})
	require.NoError(f, err)
	require.NoError(f, m.Fit(context.Background(), d, nil, vpn.FitOptions{}))
	bytes, err := m.Marshal()
	require.NoError(f, err)
	saved, base := filepath.Join(dir, "saved"), filepath.Join(dir, "base")
	require.NoError(f, m.Save(saved))
	require.NoError(f, m.ExportSafetensors(base, vpn.ExportOptions{}))
	return newOptionCall(m, d, bytes, saved, base)
}

// tooMuch returns true for options that ask for a large model, many samples, or a file outside the
// folder.
func tooMuch(text string) bool {
	var o struct {
		Path, Images, Labels, Checkpoint string
		PluginPaths                      []string `json:"plugin_paths"`
		Shape                            []int64
		ImageShape                       []int64 `json:"image_shape"`
		Size                             []int64
		Resize                           []int64
		CenterCrop                       []int64 `json:"center_crop"`
		Classes, Samples                 int64
		Base, Generator                  string
	}
	_ = json.Unmarshal([]byte(text), &o) // what does not decode stays zero
	for _, path := range append(o.PluginPaths, o.Path, o.Images, o.Labels, o.Checkpoint) {
		if filepath.IsAbs(path) || strings.Contains(path, "..") {
			return true
		}
	}
	size := max(1, o.Classes)
	for _, n := range o.ImageShape {
		size = max(size, size*max(1, min(n, 1<<20)))
	}
	bytes := int64(1)
	for _, n := range o.Shape {
		bytes = max(bytes, bytes*max(1, min(n, 1<<15)))
	}
	large := slices.Contains([]string{"", "sr", "dnn3"}, o.Base)
	return size > 1<<16 || bytes > 1<<26 && bytes < 1<<45 || o.Samples > 100 || !large
}
