package data

import (
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Arrow and Parquet files state how large their buffers are. While a file is read, it gets at most
// minTable bytes plus maxTable times its own size, and no more than the system has. Encoded images
// hardly compress, but labels do.
const (
	minTable = 64 << 20
	maxTable = 64
)

// boundedAllocator panics if more memory is asked for than is left. table.readFile turns the panic
// into an error.
type boundedAllocator struct {
	memory.Allocator
	left atomic.Int64
}

func newBoundedAllocator(size int64) *boundedAllocator {
	a := &boundedAllocator{Allocator: memory.DefaultAllocator}
	a.left.Store(minTable + maxTable*size)
	return a
}

func (a *boundedAllocator) take(n int64) {
	if a.left.Add(-n) < 0 {
		a.left.Add(n)
		panic(
			Errorf(ErrFormat, "a part of it needs %d bytes, more than the rest of %d MiB and %d times the file's size",
				n, minTable>>20, maxTable),
		)
	}
	if n > minTable && n > AvailableMemory() {
		a.left.Add(n)
		panic(
			Errorf(ErrMemory,
				"a part of it needs %d bytes, which are not available: write smaller record batches or row groups",
				n),
		)
	}
}

func (a *boundedAllocator) Allocate(size int) []byte {
	if size < 0 {
		panic(Errorf(ErrFormat, "a part of it has %d bytes", size))
	}
	a.take(int64(size))
	return a.Allocator.Allocate(size)
}

func (a *boundedAllocator) Reallocate(size int, b []byte) []byte {
	if size < 0 {
		panic(Errorf(ErrFormat, "a part of it has %d bytes", size))
	}
	if grown := size - len(b); grown > 0 {
		a.take(int64(grown))
	} else {
		a.left.Add(int64(-grown))
	}
	return a.Allocator.Reallocate(size, b)
}

func (a *boundedAllocator) Free(b []byte) {
	a.left.Add(int64(len(b)))
	a.Allocator.Free(b)
}
