package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out, "", "sr", 10, "go"))
	require.Contains(t, out.String(), "epoch 10/10")
	require.Regexp(t, `noise none +(1\.000|0\.[89])`, out.String()) // chance: 0.25
	require.Regexp(t, `noise classwise +(1\.000|0\.[89])`, out.String())
	require.Error(t, run(&out, t.TempDir(), "sr", 1, "go"), "a folder without data")
}
