package main_test

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/golden"
	"github.com/govpn/govpn/vpn/device"
)

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if folder, err = os.MkdirTemp("", "govpn-capi-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// eachDevice runs a test as name/device on every device that is there, several at a time.
func eachDevice(t *testing.T, name string, test func(t *testing.T, d device.Info)) {
	for _, d := range device.List(device.Options{}) {
		t.Run(name+"/"+d.Name, func(t *testing.T) {
			if !d.Available {
				golden.SkipDevice(t, d)
			}
			t.Parallel()
			test(t, d)
		})
	}
}

// checking are the programs in testdata that check what they call and stop at the first surprise.
var checking = []string{"usage", "malformed", "misuse", "threads"}

func TestPrograms(t *testing.T) {
	t.Parallel()
	l := get(t, shipped)
	for _, name := range checking {
		program := l.compile(t, "testdata/"+name+".c")
		eachDevice(t, name, func(t *testing.T, d device.Info) {
			require.Equal(t, name+": ok\n", run(t, program, "GOVPN_TEST_DEVICE="+d.Name))
		})
	}
}

// Memory stays flat while models come and go: 2,000 on go (10,000 in the long form) and 100 on cpu.
func TestCycles(t *testing.T) {
	t.Parallel()
	cycles := "2000"
	if long {
		cycles = "10000"
	}
	program := get(t, shipped).compile(t, "testdata/cycles.c")
	eachDevice(t, "cycles", func(t *testing.T, d device.Info) {
		require.Equal(t, "cycles: ok\n", runWith(t, []string{cycles}, program, "GOVPN_TEST_DEVICE="+d.Name))
	})
}

// With a garbage collection at almost every allocation, Go would find a Go pointer that C keeps
// without pinning it.
func TestGarbageCollection(t *testing.T) {
	t.Parallel()
	program := get(t, shipped).compile(t, "testdata/usage.c")
	require.Equal(t, "usage: ok\n", run(t, program, "GOGC=1", "GODEBUG=invalidptr=1,cgocheck=1"))
}
