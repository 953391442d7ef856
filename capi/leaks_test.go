//go:build govpn_test

package main

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// No function leaves anything on Go's heap, in the table of handles or running, whether it succeeds
// or fails: cycles.c sees the other heap.
func TestCallsLeaveNothing(t *testing.T) {
	c := fuzzedCall(t)
	const calls = 100
	for _, name := range optionExports {
		if name == "fit" { // keeps a row of history per epoch, as it must
			continue
		}
		for _, options := range optionSeeds[name] {
			heap, goroutines, live := int64(calls*50), 0, 0
			for round := 0; round < 6 && (heap >= calls*50 || goroutines > 0); round++ { // a leak is one in every round, a pool that fills up is not
				heap0, goroutines0, live0 := inUse()
				for range calls {
					c.call(name, options)
				}
				heap1, goroutines1, live1 := inUse()
				heap, goroutines, live = heap1-heap0, goroutines1-goroutines0, live1-live0
			}
			require.Less(t, heap, int64(calls*50), "bytes on Go's heap after %d × %s %s", calls, name, options)
			require.LessOrEqual(t, goroutines, 0, name)
			require.Zero(t, live, name)
		}
	}
}

// inUse is what is alive: bytes of Go's heap, goroutines, and handles.
func inUse() (heap int64, goroutines, live int) {
	var m runtime.MemStats
	for range 3 { // finalizers, and what sync.Pools hold
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	handles.Lock()
	defer handles.Unlock()
	return int64(m.HeapAlloc), runtime.NumGoroutine(), len(handles.live)
}

// All functions at once, on one model and one data set, from many threads: each does its work or
// says that the model is training. For the race detector, which cannot look into a shared library.
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
