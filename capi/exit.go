package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

// goCancelAll cancels every call that can be cancelled. stub.c calls it while the process exits.
//
//export goCancelAll
func goCancelAll() {
	_ = protect(func() error {
		cancelOpening()
		for _, m := range openModels() {
			m.Cancel()
		}
		return nil
	})
}
