//go:build cgo

package device

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
)

// HasXLA says whether this build can open XLA plugins: it needs cgo.
const HasXLA = true

func init() { xla.EnableAutoInstall(false) }

// openXLA opens a plugin; cpu with so many devices.
func openXLA(name, plugin string, count int) (compute.Backend, error) {
	if err := checkLibrary(plugin); err != nil {
		return nil, err
	}
	options := pjrt.NamedValuesMap{}
	if name == "cpu" {
		options["cpu_device_count"] = int64(count) // the plugin's default is 4, whatever the cores
		defer setFlags(plugin)()
	}
	if err := checkVersion(plugin); err != nil {
		return nil, err
	}
	backend, err := xla.NewWithOptions(plugin, options)
	if err == nil && backend.NumDevices() == 0 {
		err = fmt.Errorf("it finds no %s device", name)
	}
	if err != nil && name == "cuda" {
		err = fmt.Errorf("%w (it wants an NVIDIA GPU, its driver, and CUDA's libraries: nvidia-smi shows the first two, "+
			"jax-cuda13-plugin[with-cuda] installs the last)", err)
	}
	if err != nil {
		return nil, err
	}
	return backend, nil
}

// ynnFlag chooses what XLA for CPU gives to YNNPACK. Products are faster there; reductions can end the process ("(0 <= -15) is
// statically false": a training step of vit with 256 images of 32×32×3), so they may not.
const (
	ynnFlag  = "--xla_cpu_experimental_ynn_fusion_type"
	ynnTypes = "individual_dot"
)

// setFlags tells a plugin that is about to open what XLA reads of the environment alone, once; undo restores the environment. An
// unknown flag would end the process.
func setFlags(plugin string) (undo func()) {
	const name = "XLA_FLAGS"
	old, was := os.LookupEnv(name)
	if strings.Contains(old, ynnFlag) || !contains(plugin, strings.TrimPrefix(ynnFlag, "--")) {
		return func() {}
	}
	_ = os.Setenv(name, strings.TrimSpace(old+" "+ynnFlag+"="+ynnTypes))
	return func() {
		if was {
			_ = os.Setenv(name, old)
		} else {
			_ = os.Unsetenv(name)
		}
	}
}

// contains says whether a text is somewhere in a file.
func contains(path, text string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<20)
	for {
		chunk, err := r.Peek(r.Size())
		if bytes.Contains(chunk, []byte(text)) {
			return true
		}
		if err != nil {
			return false
		}
		_, _ = io.CopyN(io.Discard, r, int64(len(chunk)-len(text)))
	}
}
