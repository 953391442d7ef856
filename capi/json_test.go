package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn"
)

func TestOptions(t *testing.T) {
	type o struct {
		Samples int    `json:"samples"`
		Output  string `json:"output"`
	}
	got := o{Output: "label"}
	require.NoError(t, decodeOptions("", &got))
	require.NoError(t, decodeOptions(` {"samples": 3} `, &got))
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
		require.EqualError(t, decodeOptions(text, &o{}), want)
		require.ErrorIs(t, decodeOptions(text, &o{}), vpn.ErrArgument)
	}
}

func TestTake(t *testing.T) {
	device, images := "auto", 0
	values := map[string]any{"device": &device, "images": &images}
	rest, err := takeOptions(`{"device": "cpu", "epochs": 3, "seed": 9007199254740993, "images": 7}`, values)
	require.NoError(t, err)
	require.Equal(t, []any{"cpu", 7}, []any{device, images})
	require.JSONEq(t, `{"epochs": 3, "seed": 9007199254740993}`, rest)
	require.Contains(t, rest, "9007199254740993")
	rest, err = takeOptions("", values)
	require.NoError(t, err)
	require.Equal(t, []any{"{}", "cpu", 7}, []any{rest, device, images})
	_, err = takeOptions(`{"images": 1.5}`, values)
	require.EqualError(t, err, "govpn: images is 1.5, want a whole number")
}
