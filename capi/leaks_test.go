//go:build govpn_test

package main

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A call leaves no memory on Go's heap, no handle and no goroutine, whether it succeeds or fails.
// cycles.c checks malloc's heap.
func TestCallsLeaveNothing(t *testing.T) {
	c := fuzzedCall(t)
	const calls = 100
	heap0, goroutines0, live0 := inUse()
	for _, name := range optionExports {
		if name == "fit" { // adds a row of history per epoch
			continue
		}
		for _, options := range optionSeeds[name] {
			heap, goroutines, live := int64(calls*50), 0, 0
			// A leak grows in every round. A pool grows only until it is full.
			for round := 0; round < 6 && (heap >= calls*50 || goroutines > 0); round++ {
				for range calls {
					c.call(name, options)
				}
				heap1, goroutines1, live1 := inUse()
				heap, goroutines, live = heap1-heap0, goroutines1-goroutines0, live1-live0
				heap0, goroutines0, live0 = heap1, goroutines1, live1
			}
			require.Less(t, heap, int64(calls*50), "bytes on Go's heap after %d × %s %s", calls, name, options)
			require.LessOrEqual(t, goroutines, 0, name)
			require.Zero(t, live, name)
		}
	}
}

// inUse returns the bytes alive on Go's heap, and the numbers of goroutines and of handles.
func inUse() (heap int64, goroutines, live int) {
	var m runtime.MemStats
	for range 3 { // one for finalizers, two for the contents of sync.Pools
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	handles.Lock()
	defer handles.Unlock()
	return int64(m.HeapAlloc), runtime.NumGoroutine(), len(handles.live)
}

// Many threads call all functions on one model and one data set. Each call succeeds or returns
// GOVPN_E_BUSY. The race detector watches this test; it cannot watch a shared library.
func TestConcurrentCalls(t *testing.T) {
	c := fuzzedCall(t)
	var threads sync.WaitGroup
	for thread := range 8 {
		threads.Go(func() {
			for i := range 4 * len(optionExports) {
				name := optionExports[(i*(thread+1)+thread)%len(optionExports)]
				status, message, wrong := c.call(name, optionSeeds[name][i%2])
				assert.Empty(t, wrong)
				if status != busy {
					assert.Less(t, status, busy-1, message)
				}
			}
		})
	}
	threads.Wait()
	status, message, _ := c.call("predict", "")
	require.Zero(t, status, message)
}

const busy = 10 // GOVPN_E_BUSY
