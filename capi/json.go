package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/govpn/govpn/internal/strictjson"
	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

// noOptions decodes the options of a function that has none yet: every key is an error.
type noOptions struct{}

// decodeOptions decodes the JSON options of a call into o, a pointer to a struct that holds the
// defaults. Empty text leaves the defaults.
func decodeOptions(text string, o any) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if err := strict(text); err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(o); err != nil {
		if _, key, ok := strings.Cut(err.Error(), "unknown field "); ok {
			return argError("options have the unknown key %s, want %s", key, keys(reflect.TypeOf(o).Elem()))
		}
		return jsonError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return argError("options have text after their JSON object")
	}
	return nil
}

// strict returns an error for text that encoding/json would accept but read in another way than it
// is written, such as a key that occurs twice.
func strict(text string) error {
	if !utf8.ValidString(text) {
		return argError("options are not UTF-8")
	}
	if err := strictjson.Check([]byte(text)); err != nil {
		return argError("options %w", err)
	}
	return nil
}

// jsonError turns an error of encoding/json into a message in JSON's terms: "a list", not "a
// slice".
func jsonError(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return argError("options are not JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	default: // the error of an UnmarshalJSON, which says all
		return argError("%w", err)
	}
	name, want := "options", "an object"
	if wrong.Field != "" {
		name = wrong.Field
	}
	switch wrong.Type.Kind() {
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Slice, reflect.Array:
		want = "a list"
	case reflect.Int, reflect.Int64:
		want = "a whole number"
	case reflect.Float64:
		want = "a number"
	case reflect.Uint64:
		want = "a whole number, not negative"
	}
	return argError("%s is of type %s, want %s", name, wrong.Value, want)
}

// keys lists the JSON keys of a struct for messages. The keys of an embedded struct join the list;
// those of a struct field follow its key in braces.
func keys(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.Anonymous && name == "":
			names = append(names, keys(inner))
		case name == "" || name == "-":
		case inner.Kind() == reflect.Struct:
			names = append(names, name+" {"+keys(inner)+"}")
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// takeOptions decodes the options named in values and returns the others as JSON text. values maps
// a name to a pointer: to a string, to an int, or to a type with an UnmarshalJSON of its own.
func takeOptions(text string, values map[string]any) (rest string, err error) {
	if strings.TrimSpace(text) == "" {
		return "{}", nil
	}
	if err := strict(text); err != nil {
		return "", err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return "", jsonError(err)
	}
	for name, to := range values {
		if raw, ok := all[name]; ok {
			if err := json.Unmarshal(raw, to); err != nil {
				want := "a whole number"
				if _, ok := to.(*string); ok {
					want = "a string such as \"auto\""
				}
				if _, ok := to.(json.Unmarshaler); ok {
					return "", argError("%w", err)
				}
				return "", argError("%s is %s, want %s", name, raw, want)
			}
			delete(all, name)
		}
	}
	left, err := json.Marshal(all)
	return string(left), err
}

// toJSON writes v as JSON text to *out, in malloc'ed memory that the host frees.
func toJSON(v any, out **C.char) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return data.Errorf(vpn.ErrInternal, "govpn: writing JSON: %w", err)
	}
	*out = C.CString(strings.TrimSuffix(b.String(), "\n"))
	return nil
}
