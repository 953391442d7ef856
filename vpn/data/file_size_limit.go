package data

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// LimitedWriter writes a new file from its beginning. Beyond the size that the process may give a file (RLIMIT_FSIZE) it fails,
// where the system would also send SIGXFSZ: that ends a process which did not think of it, and a library has none of Go's
// handlers for it.
func LimitedWriter(file *os.File) io.Writer { return &limitedWriter{file: file, limit: fileLimit()} }

type limitedWriter struct {
	file          *os.File
	limit, offset uint64
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if uint64(len(p)) > w.limit-w.offset {
		return 0, fmt.Errorf("a file of this process may have at most %d bytes (RLIMIT_FSIZE, see ulimit -f): %w", w.limit, syscall.EFBIG)
	}
	n, err := w.file.Write(p)
	w.offset += uint64(n)
	return n, err
}
