package augment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// UnmarshalJSON reads a list such as [{"name": "RandomCrop", "padding": 4}, …] and validates it.
// Parameters that are left out get torchvision's defaults. An unknown name or parameter is an
// error.
func (l *List) UnmarshalJSON(text []byte) error {
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return argumentError(`%s is no list of augmentations such as [{"name": "RandomHorizontalFlip", "p": 0.5}]`,
			shorten(text))
	}
	if items == nil {
		*l = nil
		return nil
	}
	list := make(List, len(items))
	for i, item := range items {
		var err error
		if list[i], err = parse(item); err != nil {
			return err
		}
	}
	if err := list.Validate(); err != nil {
		return err
	}
	*l = list
	return nil
}

// parse reads one augmentation.
func parse(item map[string]json.RawMessage) (Augmentation, error) {
	var name string
	if item["name"] == nil || json.Unmarshal(item["name"], &name) != nil {
		return nil, argumentError(`an augmentation's "name" is %s, want one of %s`, shorten(item["name"]),
			oneOf(Names()...))
	}
	base, err := New(name)
	if err != nil {
		return nil, err
	}
	into := reflect.New(reflect.TypeOf(base)).Elem()
	into.Set(reflect.ValueOf(base))
	for _, key := range slices.Sorted(maps.Keys(item)) {
		if key == "name" {
			continue
		}
		i := slices.Index(keys(into.Type()), key)
		if i < 0 {
			return nil, argumentError("%s has no parameter %q, want one of %s", name, key, oneOf(keys(into.Type())...))
		}
		field := reflect.New(into.Field(i).Type())
		// Package json would read null as 0.
		none := string(item[key]) == "null" && into.Field(i).Kind() != reflect.Slice
		if err := json.Unmarshal(item[key], field.Interface()); err != nil || none {
			return nil, argumentError("%s.%s is %s, want %s", name, key, shorten(item[key]), wanted(field.Interface()))
		}
		into.Field(i).Set(field.Elem())
	}
	return into.Interface().(Augmentation), nil
}

// keys returns the JSON names of a struct's fields.
func keys(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("json")
	}
	return names
}

func wanted(field any) string {
	switch field.(type) {
	case *Floats:
		return "a number or a list of numbers"
	case *Ints:
		return "a whole number or a list of them"
	case *string:
		return "text"
	case *bool:
		return "true or false"
	default:
		return "a number"
	}
}

// shorten returns JSON text for an error message.
func shorten(text []byte) string {
	switch {
	case text == nil:
		return "missing"
	case len(text) > 80:
		return strings.ToValidUTF8(string(text[:77]), "") + "…"
	default:
		return string(text)
	}
}

// MarshalJSON writes every parameter of every augmentation.
func (l List) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("null"), nil
	}
	items := make([][]byte, len(l))
	for i, a := range l {
		text, err := json.Marshal(a)
		if err != nil {
			return nil, err
		}
		items[i] = fmt.Appendf(nil, `{"name":%q,%s`, a.Name(), text[1:]) // every augmentation has a parameter
	}
	return fmt.Appendf(nil, "[%s]", bytes.Join(items, []byte(","))), nil
}
