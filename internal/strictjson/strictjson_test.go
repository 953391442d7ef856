package strictjson

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `3`, ``, `{"a": "a", "b": {"a": ["a", "a", {"a": 1}, {"a": 1}], "c": null}, "d": [[], "A"], "e": "É"}`, `{"a": 1`, `{"a" "a"}`, `]`,
	} {
		require.NoError(t, Check([]byte(text)), text)
	}
	for text, message := range map[string]string{
		`{"a": 1, "a": 1}`:                  `have the key "a" twice`,
		`{"a": {}, "b": [], "a": 1}`:        `have the key "a" twice`,
		`{"a": [1, {"b": 1, "\u0062": 2}]}`: `have the key "b" twice`,
		`{"a": ["b", null]}`:                `have null in a list, want values`,
		`[{"Epochs": 1}]`:                   `have the unknown key "Epochs": keys are in lower case`,
		`{"epochſ": 1}`:                     `have the unknown key "epochſ": keys are in lower case`,
	} {
		require.EqualError(t, Check([]byte(text)), message)
	}
}
