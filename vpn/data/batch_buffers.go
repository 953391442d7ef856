package data

import "sync"

// bufferPool keeps the memory of closed Batches for the next Batches with the same batch size. It
// also counts how much memory batches have.
type bufferPool struct {
	mu    sync.Mutex
	spare [][]uint8
	bytes int64 // of all buffers, in use or spare
	most  int64
}

func (p *bufferPool) take(size int) []uint8 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.spare) > 0 {
		last := p.spare[len(p.spare)-1]
		p.spare = p.spare[:len(p.spare)-1]
		if len(last) == size {
			return last
		}
		p.bytes -= int64(len(last)) // a buffer of another size: left to the garbage collector
	}
	p.bytes += int64(size)
	p.most = max(p.most, p.bytes)
	return make([]uint8, size)
}

// put keeps the buffers in the channel free.
func (p *bufferPool) put(free chan []uint8) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(free) > 0 {
		if buffer := <-free; buffer != nil {
			p.spare = append(p.spare, buffer)
		}
	}
}
