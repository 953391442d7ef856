package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

// goCancelAll stops what can be stopped, while the process exits.
//
//export goCancelAll
func goCancelAll() {
	_ = protect(func() error {
		openingContext(true)
		for _, m := range openModels() {
			m.Cancel()
		}
		return nil
	})
}
