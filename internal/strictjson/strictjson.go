// Package strictjson finds what encoding/json lets pass: of a key that stands twice in an object it takes the last, and it
// takes keys of other case for those of a struct.
package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Check refuses a key that is twice in one object, or not in lower case, as all of govpn's are. What is no JSON is left to the
// reader of the values.
func Check(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var inside []map[string]bool // the keys of the objects, nil for lists, that lie around the next token
	isKey := false
	for {
		token, err := d.Token()
		if err != nil {
			return nil
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
