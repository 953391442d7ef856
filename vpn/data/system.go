package data

import (
	"io"
	"os"

	"github.com/govpn/govpn/internal/files"
	"github.com/govpn/govpn/internal/hostmemory"
)

// AvailableMemory returns how many bytes this process can still get. It is math.MaxInt64 where
// nothing on the system says. A Go process that runs out of memory ends, so govpn compares large
// requests with this number first.
func AvailableMemory() int64 { return hostmemory.Available() }

// LimitedWriter writes a new file from its beginning. It returns an error before the file would
// exceed RLIMIT_FSIZE, where the system would also send SIGXFSZ, which ends most processes.
func LimitedWriter(file *os.File) io.Writer { return files.LimitedWriter(file) }

// OpenRegular opens a regular file to read. It refuses what blocks or has no end: pipes, devices.
func OpenRegular(path string) (*os.File, error) { return files.OpenRegular(path) }
