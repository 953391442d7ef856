package data

import (
	"context"
	"sync"
)

// queue keeps the memory of batches for the next Batches of the same size, and knows how much there is.
type queue struct {
	mu    sync.Mutex
	spare [][]uint8
	bytes int64 // in all batches
	most  int64
}

func (q *queue) take(size int) []uint8 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.spare) > 0 {
		last := q.spare[len(q.spare)-1]
		q.spare = q.spare[:len(q.spare)-1]
		if len(last) == size {
			return last
		}
		q.bytes -= int64(len(last)) // of batches of another size: garbage
	}
	q.bytes += int64(size)
	q.most = max(q.most, q.bytes)
	return make([]uint8, size)
}

// put takes the memory that lies in a channel.
func (q *queue) put(free chan []uint8) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(free) > 0 {
		if buffer := <-free; buffer != nil {
			q.spare = append(q.spare, buffer)
		}
	}
}

func receive[T any](ctx context.Context, from <-chan T) (v T, ok bool) {
	select {
	case v, ok = <-from:
		return v, ok
	case <-ctx.Done():
		return v, false
	}
}

func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}
