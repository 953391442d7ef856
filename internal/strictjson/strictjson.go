// Package strictjson refuses what encoding/json accepts silently: a key that occurs twice in an
// object (it takes the last), a key that matches a struct's only in another case, and null in a list
// (it takes a zero).
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Check returns an error if an object has a key twice, or a key that is not in lower case, as all
// of govpn's are, or if a list has null. It ignores syntax errors, which the reader of the values reports.
func Check(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var inside []map[string]bool // the objects (their keys) and lists (nil) around the next token
	isKey := false
	for {
		token, err := d.Token()
		if err != nil {
			return nil
		}
		if token == nil && len(inside) > 0 && inside[len(inside)-1] == nil {
			return errors.New("have null in a list, want values")
		}
		if key, ok := token.(string); ok && isKey {
			keys := inside[len(inside)-1]
			if keys[key] {
				return fmt.Errorf("have the key %q twice", key)
			}
			if strings.ContainsFunc(key, func(r rune) bool { return r >= 'A' && r <= 'Z' || r > '~' }) {
				return fmt.Errorf("have the unknown key %q: keys are in lower case", key)
			}
			keys[key], isKey = true, false
			continue
		}
		switch token {
		case json.Delim('{'):
			inside = append(inside, map[string]bool{})
		case json.Delim('['):
			inside = append(inside, nil)
		case json.Delim('}'), json.Delim(']'):
			inside = inside[:len(inside)-1]
		}
		isKey = len(inside) > 0 && inside[len(inside)-1] != nil
	}
}
