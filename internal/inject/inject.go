//go:build govpn_inject

// Package inject makes govpn panic where a test wants it to, in builds with the tag govpn_inject.
package inject

import (
	"errors"
	"os"
	"runtime"
	"strings"
)

// Armed returns where to panic: names of functions, separated by commas. After the prefix "error:",
// Panic panics with an ordinary error, as graph code does. Without it, Panic follows a nil pointer.
var Armed = func() string { return os.Getenv("GOVPN_INJECT") }

// Panic panics if all of those functions are on the stack.
func Panic() {
	where, ordinary := strings.CutPrefix(Armed(), "error:")
	if where == "" || !onStack(strings.Split(where, ",")) {
		return
	}
	if ordinary {
		panic(errors.New("injected"))
	}
	var none *int
	*none = 1
}

// onStack reports whether each name is part of the name of a function on the stack.
func onStack(names []string) bool {
	callers := make([]uintptr, 100)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	var stack strings.Builder
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		stack.WriteString(f.Function + "\n")
	}
	for _, name := range names {
		if !strings.Contains(stack.String(), name) {
			return false
		}
	}
	return true
}
