//go:build govpn_sanitize

package main

// This file puts the C files of this package, and no others, under AddressSanitizer and
// UndefinedBehaviorSanitizer.

// #cgo CFLAGS: -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined
// #cgo LDFLAGS: -fsanitize=address,undefined
import "C"
