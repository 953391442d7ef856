package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
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

// A new file has what the umask leaves of 0666. A file that is replaced keeps its mode.
func TestModes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m")
	for umask, want := range map[int]fs.FileMode{0o077: 0o600, 0o027: 0o640, 0o002: 0o664} {
		old := syscall.Umask(umask)
		err := Write(path, text("new"))
		syscall.Umask(old)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode(), "umask %o", umask)
		for _, mode := range []fs.FileMode{0o600, 0o664, 0o444} {
			require.NoError(t, os.Chmod(path, mode))
			require.NoError(t, Write(path, text("newer")))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode())
		}
		require.NoError(t, os.Remove(path))
	}
}

// A file that root replaces stays its owner's.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root alone may give files away")
	}
	path := filepath.Join(t.TempDir(), "m")
	require.NoError(t, Write(path, text("old")))
	require.NoError(t, os.Chown(path, 12, 34))
	require.NoError(t, os.Chmod(path, 0o640))
	require.NoError(t, Write(path, text("new")))
	info, err := os.Stat(path)
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	require.Equal(t, []uint32{12, 34}, []uint32{owner.Uid, owner.Gid})
	require.Equal(t, fs.FileMode(0o640), info.Mode())
}

// A link stays, and what it leads to is written: an old file, a new one, through other links and
// through a folder that is a link itself.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(names ...string) string { return dir + "/" + strings.Join(names, "/") }
	require.NoError(t, os.MkdirAll(at("big", "deep"), 0o700))
	require.NoError(t, os.WriteFile(at("big", "m"), []byte("old"), 0o600))
	for link, target := range map[string]string{
		"latest": "big/m", "absolute": at("big", "m"), "again": "latest", "none": "big/new",
		"folder": "big/deep", "big/deep/up": "../m", "a": "b", "b": "a", "lost": "missing/m",
	} {
		require.NoError(t, os.Symlink(target, at(link)))
	}
	for link, written := range map[string]string{
		"latest": "big/m", "absolute": "big/m", "again": "big/m", "none": "big/new",
		"folder/up": "big/m", "folder/../m": "big/m", "folder/../new": "big/new",
	} {
		require.NoError(t, Write(at(link), text(link)))
		content, err := os.ReadFile(at(written))
		require.NoError(t, err)
		require.Equal(t, link, string(content))
	}
	err := Write(at("a"), text("x"))
	require.ErrorIs(t, err, fault.ErrIO)
	require.ErrorContains(t, err, "vpn: cannot write "+at("a")+": its symbolic links go round in a circle")
	require.ErrorIs(t, Write(at("lost"), text("x")), os.ErrNotExist)
	require.Equal(t, []string{"a", "absolute", "again", "b", "big", "folder", "latest", "lost", "none"}, names(t, dir))
	require.Equal(t, []string{"deep", "m", "new"}, names(t, at("big")))
	for _, link := range []string{"latest", "absolute", "again", "none"} {
		info, err := os.Lstat(at(link))
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&fs.ModeSymlink, link)
	}
	info, err := os.Stat(at("big", "m"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode(), "a link's own mode is none of ours")
}

// The longest name that a file may have works, too.
func TestLongName(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("m", 255)
	for range 2 {
		require.NoError(t, Write(filepath.Join(dir, long), text("x")))
		require.Equal(t, []string{long}, names(t, dir))
	}
}

func TestNoName(t *testing.T) {
	err := Write("", text("x"))
	require.ErrorIs(t, err, fault.ErrArgument)
	require.EqualError(t, err, `vpn: path is "", want the name of a file`)
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
