package files

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// LimitedWriter writes a new file from its beginning. It returns an error before the file would
// exceed RLIMIT_FSIZE. There the system would also send SIGXFSZ. That signal ends a process without
// a handler for it, and Go installs none when it is a library.
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
