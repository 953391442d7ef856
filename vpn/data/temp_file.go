package data

import (
	"bufio"
	"os"
)

// tempFile is a nameless temporary file in the folder TMPDIR (default /tmp). It is written from
// front to back and then read by offset. The system frees it when it is closed or when the process
// ends.
type tempFile struct {
	file   *os.File
	buffer *bufio.Writer
	size   int64
}

func newTempFile() (*tempFile, error) {
	file, err := os.CreateTemp("", "govpn-*")
	if err != nil {
		return nil, Errorf(ErrIO, "data: making a temporary file (TMPDIR names the folder for it): %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, Errorf(ErrIO, "data: unlinking a temporary file: %w", err)
	}
	return &tempFile{file: file, buffer: bufio.NewWriterSize(LimitedWriter(file), 1<<20)}, nil
}

func (s *tempFile) Write(p []byte) (int, error) {
	n, err := s.buffer.Write(p)
	s.size += int64(n)
	if err != nil {
		return n, Errorf(ErrIO, "data: writing a temporary file (TMPDIR names the folder for it): %w", err)
	}
	return n, nil
}

// flush ends the writing.
func (s *tempFile) flush() error {
	if err := s.buffer.Flush(); err != nil {
		return Errorf(ErrIO, "data: writing a temporary file (TMPDIR names the folder for it): %w", err)
	}
	return nil
}

// ReadAt reads what was written before flush. It may be called from any goroutine.
func (s *tempFile) ReadAt(p []byte, offset int64) (int, error) { return s.file.ReadAt(p, offset) }

func (s *tempFile) Close() error { return s.file.Close() }
