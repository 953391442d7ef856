package vpn

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
)

const (
	killedMode, killedFile = "GOVPN_TEST_KILLED_MODE", "GOVPN_TEST_KILLED_FILE"
)

// killedTimes returns how often a training is killed.
func killedTimes() int {
	if golden.IsLong() {
		return 10
	}
	return 3
}

func killedConfig(mode string) Config {
	cfg := smallConfig(mode)
	cfg.BatchSize, cfg.LearningRate = 16, 0.001
	return cfg
}

// victim trains with checkpoints until it is killed. It prints each epoch that it is in or has
// saved.
func victim(t *testing.T, mode, path string) {
	m, err := Load(path, openDevice(t, "go"))
	if errors.Is(err, fs.ErrNotExist) {
		m, err = New(killedConfig(mode), openDevice(t, "go"))
	}
	require.NoError(t, err)
	d := stripes(t, 64, 1)
	say := func(p Progress) bool {
		fmt.Printf("%s %d\n", p.Phase, p.Epoch)
		return false
	}
	require.NoError(t, m.Fit(ctx, d, d, FitOptions{Resume: true, Epochs: 1 << 20, Checkpoint: path, Progress: say}))
}

// A training that is killed at any moment (kill -9) goes on from its last checkpoint, over and
// over. It ends bit for bit as one that was never killed. Killed writers leave at most one file
// each, and the next writer removes it. Checkpoints have 20 MB in mode joint and 5 kB in mode
// plain.
func TestKilledTraining(t *testing.T) {
	if mode := os.Getenv(killedMode); mode != "" {
		victim(t, mode, os.Getenv(killedFile))
		return
	}
	for _, mode := range []string{"joint", "plain"} {
		t.Run(mode, func(t *testing.T) { killOften(t, mode) })
	}
}

func killOften(t *testing.T, mode string) {
	path, backend := filepath.Join(t.TempDir(), "m"), openDevice(t, "go")
	epochs, torn := 0, 0
	for kill := range killedTimes() {
		said := killVictim(t, mode, path, kill == 0)
		left := names(t, filepath.Dir(path))
		require.Contains(t, left, "m")
		require.LessOrEqual(t, len(left), 2, "beside the model, what this writer left")
		torn += len(left) - 1
		m, err := Load(path, backend)
		require.NoError(t, err, "kill %d", kill)
		require.Len(t, m.History(), m.state.run.Epoch)
		require.GreaterOrEqual(t, m.state.run.Epoch, max(said, epochs), "kill %d: epochs whose checkpoint was written", kill)
		epochs = m.state.run.Epoch
		require.NoError(t, m.Close())
	}
	t.Logf("%d epochs, killed %d times, %d times while it wrote", epochs, killedTimes(), torn)

	d, all := stripes(t, 64, 1), epochs+2
	m, err := Load(path, backend)
	require.NoError(t, err)
	defer m.Close()
	require.NoError(t, m.Fit(ctx, d, d, FitOptions{Resume: true, Epochs: all, Checkpoint: path}))
	require.Equal(t, []string{"m"}, names(t, filepath.Dir(path)))
	undisturbed := newModel(t, killedConfig(mode), backend)
	require.NoError(t, undisturbed.Fit(ctx, d, d, FitOptions{Epochs: all}))
	require.Equal(t, state(t, undisturbed), state(t, m))
	require.Equal(t, untimed(undisturbed.History()), untimed(m.History()))
	require.Len(t, m.History(), all)
}

// killVictim starts a victim and kills it within 300 ms after training began, or after the first
// epoch. It returns the last epoch that the victim announced.
func killVictim(t *testing.T, mode, path string, afterEpoch bool) (said int) {
	c := exec.Command(os.Args[0], "-test.run=^TestKilledTraining$")
	c.Env = append(os.Environ(), killedMode+"="+mode, killedFile+"="+path)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	defer c.Process.Kill()
	var kill *time.Timer
	var other strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		_, err := fmt.Sscanf(lines.Text(), "epoch %d", &said)
		if kill == nil && (err == nil || !afterEpoch) {
			kill = time.AfterFunc(rand.N(300*time.Millisecond), func() { _ = c.Process.Kill() })
		}
		if err != nil {
			other.WriteString(lines.Text() + "\n")
		}
	}
	require.ErrorContains(t, c.Wait(), "signal: killed", &other)
	return said
}

// names returns the names in a folder, sorted.
func names(t *testing.T, folder string) (names []string) {
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
