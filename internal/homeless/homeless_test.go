package homeless_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	_ "github.com/govpn/govpn/vpn/device" // links go-xla, where there is cgo
)

// TestNoHome starts this program without $HOME. Nothing may reach standard error, and $HOME must
// stay unset.
func TestNoHome(t *testing.T) {
	if os.Getenv("GOVPN_TEST_HOMELESS") != "" {
		_, set := os.LookupEnv("HOME")
		fmt.Println("HOME is set:", set)
		return
	}
	program := exec.Command(os.Args[0], "-test.run=^TestNoHome$")
	program.Env = []string{"GOVPN_TEST_HOMELESS=1"}
	var out, err strings.Builder
	program.Stdout, program.Stderr = &out, &err
	require.NoError(t, program.Run())
	assert.Contains(t, out.String(), "HOME is set: false")
	assert.Empty(t, err.String())
}
