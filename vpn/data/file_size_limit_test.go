//go:build linux

package data

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Writing too much is an error before the system sends SIGXFSZ. Go programs survive that signal,
// but not every host of the library does (capi/testdata/faultfs.c).
func TestLimitedWriter(t *testing.T) {
	if os.Getenv("GOVPN_TEST_LIMIT") == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestLimitedWriter$", "-test.count=1")
		c.Env = append(os.Environ(), "GOVPN_TEST_LIMIT=1", "TMPDIR="+t.TempDir())
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: 1000}))
	s, err := newTempFile()
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Write(make([]byte, 600))
	require.NoError(t, err)
	require.NoError(t, s.flush())
	_, err = s.Write(make([]byte, 401))
	require.NoError(t, err)
	err = s.flush()
	require.ErrorIs(t, err, ErrIO)
	require.ErrorIs(t, err, syscall.EFBIG)
	require.ErrorContains(t, err, "at most 1000 bytes (RLIMIT_FSIZE, see ulimit -f)")
}
