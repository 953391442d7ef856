package data

import (
	"bytes"
	"math"
	"os"
	"strconv"
)

// AvailableMemory is how many bytes the system can still give, math.MaxInt64 where it does not say. Running out of
// memory ends the process in Go, so large requests are compared with it first.
func AvailableMemory() int64 {
	meminfo, _ := os.ReadFile("/proc/meminfo")
	_, rest, found := bytes.Cut(meminfo, []byte("MemAvailable:"))
	if fields := bytes.Fields(rest); found && len(fields) > 0 {
		if kib, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
			return kib << 10
		}
	}
	return math.MaxInt64
}
