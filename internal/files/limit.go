package files

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// LimitedWriter returns a writer to a new file. It fails before the file exceeds the size that the
// process may write (RLIMIT_FSIZE). Otherwise the system would send SIGXFSZ, which ends a process
// that has no handler for it. Go programs have one; hosts of the C library may not.
func LimitedWriter(file *os.File) io.Writer { return &limitedWriter{file: file, limit: fileLimit()} }

type limitedWriter struct {
	file          *os.File
	limit, offset uint64
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if uint64(len(p)) > w.limit-w.offset {
		return 0, fmt.Errorf("a file of this process may have at most %d bytes (RLIMIT_FSIZE, see ulimit -f): %w",
			w.limit, syscall.EFBIG)
	}
	n, err := w.file.Write(p)
	w.offset += uint64(n)
	return n, err
}
