package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

// Every kind of failure gets its status, whose number is that of govpn.h.
func TestStatus(t *testing.T) {
	var nothing []int
	for _, c := range []struct {
		name string
		body func() error
		want int
	}{
		{"success", func() error { return nil }, 0},
		{"argument", func() error { return argError("x is 1, want 2") }, 1},
		{"handle", func() error { return data.Errorf(errHandle, "x") }, 2},
		{"unsupported", func() error { return data.Errorf(vpn.ErrUnsupported, "x") }, 3},
		{"cancelled", func() error { return fmt.Errorf("x: %w", context.Canceled) }, 4},
		{"file", func() error { return &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist} }, 5},
		{"format", func() error { return fmt.Errorf("x: %w", data.Errorf(vpn.ErrFormat, "y")) }, 6},
		{"memory", func() error { return data.Errorf(vpn.ErrMemory, "x") }, 7},
		{"device", func() error { return data.Errorf(vpn.ErrDevice, "x") }, 8},
		{"busy", func() error { return data.Errorf(vpn.ErrBusy, "x") }, 10},
		{"defect", func() error { _ = nothing[len(nothing)]; return nil }, 11},
		{"graph code's panic", func() error { panic(errors.New("shapes differ")) }, 1},
		{"panic with text", func() error { panic("text") }, 1},
		{"an error of several kinds", func() error { return data.Errorf(vpn.ErrArgument, "%w", data.Errorf(vpn.ErrMemory, "x")) }, 7},
	} {
		require.Equal(t, c.want, int(call(c.body)), c.name)
	}
}
