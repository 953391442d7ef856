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

// none is for functions that have no options yet.
type noOptions struct{}

// options decodes the options of a call over the defaults in o, a pointer to a struct.
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

// strict refuses what encoding/json would read as something else.
func strict(text string) error {
	if !utf8.ValidString(text) {
		return argError("options are not UTF-8")
	}
	if err := strictjson.Check([]byte(text)); err != nil {
		return argError("options %w", err)
	}
	return nil
}

// jsonError says what encoding/json finds wrong in words of JSON.
func jsonError(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return argError("options are not JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	default: // of a type that reads its own JSON
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

// keys lists the JSON keys of a struct, those of embedded structs among them, and in braces those of structs within.
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

// take removes some options from an object of options, and returns the rest; values are pointers to text, whole numbers or what reads
// its own JSON.
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

// toJSON hands out v as JSON text.
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
