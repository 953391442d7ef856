// Package homeless lets go-xla start without $HOME.
//
// Where $HOME is unset, go-xla's package pjrt writes an error to standard error while it is
// initialised, which is before any code of govpn can tell klog to be quiet. This package gives $HOME
// a value for that time, and Restore removes it. Go initialises packages whose imports are ready in
// the order of their paths (go.dev/ref/spec#Program_initialization), so this package, which imports
// the standard library alone, comes before k8s.io/klog, and klog before pjrt.
package homeless

import "os"

// nowhere is Debian's home folder of users who have none. It does not exist.
const nowhere = "/nonexistent"

var given = give()

func give() bool {
	if _, ok := os.LookupEnv("HOME"); ok {
		return false
	}
	return os.Setenv("HOME", nowhere) == nil
}

// Restore unsets $HOME again if it was unset.
func Restore() {
	if given {
		given = false
		os.Unsetenv("HOME")
	}
}
