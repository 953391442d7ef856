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

// The numbers are those of govpn.h.
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

// After a defect a model can only be freed.
func TestDefectMakesModelUnusable(t *testing.T) {
	h := put(&vpn.Model{}, "go")
	e, _, err := acquire[*vpn.Model](h, "model")
	require.NoError(t, err)
	e.fail(errors.New("index out of range"))
	_, _, err = acquire[*vpn.Model](h, "model")
	require.ErrorIs(t, err, vpn.ErrInternal)
	require.EqualError(t, err, "govpn: model is unusable since an earlier failure (index out of range) and can only be freed")
	handles.Lock()
	delete(handles.live, h)
	handles.Unlock()
	e.users-- // of acquire; this model has nothing to close
}

// A freed object lives until its last user is done; its handle does not.
func TestFreeInUse(t *testing.T) {
	closed := 0
	d, err := data.FromUint8(make([]uint8, 4), 1, 2, 2, 1, data.Options{Release: func() { closed++ }})
	require.NoError(t, err)
	h := put(d, "")
	require.NoError(t, use(h, "data", func(d *data.Dataset) error {
		require.NoError(t, free[*data.Dataset](h, "data"))
		require.ErrorIs(t, free[*data.Dataset](h, "data"), errHandle)
		require.Zero(t, closed)
		return nil
	}))
	require.Equal(t, 1, closed)
	require.ErrorIs(t, use(h, "data", func(*data.Dataset) error { return nil }), errHandle)
	require.NoError(t, free[*data.Dataset](0, "data"))
}

func TestOptions(t *testing.T) {
	type o struct {
		Samples int    `json:"samples"`
		Output  string `json:"output"`
	}
	got := o{Output: "label"}
	require.NoError(t, options("", &got))
	require.NoError(t, options(` {"samples": 3} `, &got))
	require.Equal(t, o{3, "label"}, got)
	for text, want := range map[string]string{
		`{"samples": 3, "samples": 3}`: `govpn: options have the key "samples" twice`,
		`{"Samples": 3}`:               `govpn: options have the unknown key "Samples": keys are in lower case`,
		`{"sample": 3}`:                `govpn: options have the unknown key "sample", want samples, output`,
		`{"samples": "3"}`:             `govpn: samples is of type string, want a whole number`,
		`{"samples": 1.5}`:             `govpn: samples is of type number 1.5, want a whole number`,
		`[1]`:                          `govpn: options is of type array, want an object`,
		`{"samples": 3} []`:            `govpn: options have text after their JSON object`,
		"{\"output\": \"\xff\"}":       `govpn: options are not UTF-8`,
		`samples=3`:                    `govpn: options are not JSON: invalid character 's' looking for beginning of value`,
	} {
		require.EqualError(t, options(text, &o{}), want)
		require.ErrorIs(t, options(text, &o{}), vpn.ErrArgument)
	}
}

func TestTake(t *testing.T) {
	device, images := "auto", 0
	values := map[string]any{"device": &device, "images": &images}
	rest, err := take(`{"device": "cpu", "epochs": 3, "seed": 9007199254740993, "images": 7}`, values)
	require.NoError(t, err)
	require.Equal(t, []any{"cpu", 7}, []any{device, images})
	require.JSONEq(t, `{"epochs": 3, "seed": 9007199254740993}`, rest)
	require.Contains(t, rest, "9007199254740993")
	rest, err = take("", values)
	require.NoError(t, err)
	require.Equal(t, []any{"{}", "cpu", 7}, []any{rest, device, images})
	_, err = take(`{"images": 1.5}`, values)
	require.EqualError(t, err, "govpn: images is 1.5, want a whole number")
}
