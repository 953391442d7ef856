package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/fault"
)

func text(s string) func(w io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func names(t *testing.T, folder string) (names []string) {
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A write removes temporary files that killed processes have left, and nothing else. It leaves the
// file that another writer has open.
func TestLeftovers(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("no file locks here, so that nothing is removed")
	}
	dir := t.TempDir()
	for _, name := range []string{".m.1.tmp", ".m.4294967295.tmp", ".m.notes.tmp", ".m.x.7.tmp", "m.1.tmp", ".m.1.tmp~"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("left"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".m.2.tmp"), 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, ".m.3.tmp"), 0o600))
	path := filepath.Join(dir, "m")
	require.NoError(t, Write(path, func(w io.Writer) error {
		require.NoError(t, Write(path, text("inner")), "another writer meanwhile")
		return text("outer")(w)
	}))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "outer", string(content))
	left := []string{".m.1.tmp~", ".m.2.tmp", ".m.3.tmp", ".m.notes.tmp", ".m.x.7.tmp", "m", "m.1.tmp"}
	require.Equal(t, left, names(t, dir))
}

// Writers of one path do not disturb each other. In the end the file holds what one of them wrote.
func TestConcurrentWrites(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m")
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for range 20 {
				assert.NoError(t, Write(path, func(w io.Writer) error {
					for range 100 {
						if err := text(strconv.Itoa(i))(w); err != nil {
							return err
						}
					}
					return nil
				}))
			}
		})
	}
	writers.Wait()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, content, 100)
	for _, c := range content {
		require.Equal(t, content[0], c)
	}
	require.Equal(t, []string{"m"}, names(t, dir))
}

// Write replaces regular files alone, even for root.
func TestNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, dir, os.DevNull} {
		err := Write(path, func(io.Writer) error { return errors.New("must not be called") })
		require.ErrorIs(t, err, fault.ErrIO)
		require.EqualError(t, err, "vpn: cannot write "+path+": it is a folder, a device or a pipe, want a file")
	}
	require.Equal(t, []string{"pipe"}, names(t, dir))
}

// A write that fails leaves the old file, and no other file beside it.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.govpn")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	err := Write(path, func(w io.Writer) error {
		_, _ = w.Write([]byte("half of the n"))
		return errors.New("disk full")
	})
	require.ErrorIs(t, err, fault.ErrIO)
	require.ErrorContains(t, err, "disk full")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(content))
}
