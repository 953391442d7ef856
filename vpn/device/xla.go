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
	"github.com/govpn/govpn/internal/homeless"
)

// HasXLA reports whether this build can open XLA plugins, which needs cgo.
const HasXLA = true

func init() {
	xla.EnableAutoInstall(false)
	homeless.Restore()
}

// openXLA opens a plugin. For cpu, count is the number of devices.
func openXLA(name, plugin string, count int) (compute.Backend, error) {
	if err := checkLibrary(plugin); err != nil {
		return nil, err
	}
	options := pjrt.NamedValuesMap{}
	if name == "cpu" {
		options["cpu_device_count"] = int64(count) // the plugin's default is 4, however many cores there are
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
		err = fmt.Errorf(
			"%w (it wants an NVIDIA GPU, its driver, and CUDA's libraries: nvidia-smi shows the first two, "+
				"jax-cuda13-plugin[with-cuda] installs the last)",
			err,
		)
	}
	if err != nil {
		return nil, err
	}
	return backend, nil
}

// ynnFlag says what XLA for CPU gives to YNNPACK. Products are faster there. Reductions are
// excluded: they can end the process ("(0 <= -15) is statically false": a training step of vit with
// 256 images of 32×32×3).
const (
	ynnFlag  = "--xla_cpu_experimental_ynn_fusion_type"
	ynnTypes = "individual_dot"
)

// setFlags sets flags that XLA reads only from the environment, and only once, while a plugin
// opens. undo restores the environment. A flag that the plugin does not know would end the process,
// so only known flags are set.
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

// contains reports whether a file contains a text.
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
