//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A folder refuses writes for a while. Models and files survive. The program does not handle
// SIGXFSZ, which ends a process by default. A program that mounts gets namespaces of its own.
func TestFaultyFolders(t *testing.T) {
	t.Parallel()
	program := get(t, shipped).compile(t, "testdata/faultfs.c")
	for fault, mounts := range map[string]bool{"full": true, "read-only": true, "denied": false, "limited": false} {
		t.Run(fault, func(t *testing.T) {
			c := exec.Command(program, fault, t.TempDir())
			if mounts {
				c.SysProcAttr = &syscall.SysProcAttr{
					Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
					UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
					GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
				}
				if err := (&exec.Cmd{Path: "/bin/true", SysProcAttr: c.SysProcAttr}).Run(); err != nil {
					t.Skip("no user namespaces here: ", err)
				}
			}
			out, err := c.CombinedOutput()
			if c.ProcessState.ExitCode() == 77 {
				t.Skip(string(out))
			}
			require.NoError(t, err, "%s", out)
			require.Equal(t, "faultfs: ok\n", string(out))
		})
	}
}
