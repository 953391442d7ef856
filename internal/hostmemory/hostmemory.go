// Package hostmemory says how much memory the process can still get.
package hostmemory

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Available returns how many bytes this process can still allocate. That is the least of what
// three limits leave: the system's memory, the process's control groups (containers), and its own
// limits RLIMIT_AS and RLIMIT_DATA. It is math.MaxInt64 if none of them is known.
//
// Large requests are compared with it first, since a Go process ends when it runs out of memory.
func Available() int64 { return available(os.DirFS("/")) }

func available(root fs.FS) int64 {
	return min(systemMemory(root), groupMemory(root), processMemory(root))
}

func systemMemory(root fs.FS) int64 {
	if kib, ok := numberIn(readText(root, "proc/meminfo"), "MemAvailable:", 0); ok {
		return kib << 10
	}
	return math.MaxInt64
}

// groupMemory returns what the control groups leave, of version 1 or 2, from the process's own
// group up to the root. Inactive file pages are counted as used there, but the kernel frees them
// when memory runs short, so they count as available.
func groupMemory(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	for line := range strings.Lines(readText(root, "proc/self/cgroup")) { // hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, cache := "sys/fs/cgroup/memory", "total_inactive_file"
		limit, usage := "memory.limit_in_bytes", "memory.usage_in_bytes"
		if parts[1] == "" {
			mount, cache = "sys/fs/cgroup", "inactive_file"
			limit, usage = "memory.max", "memory.current"
		} else if !strings.Contains(","+parts[1]+",", ",memory,") {
			continue
		}
		// Inside a container the group's own folder may be missing, but the mount's root exists.
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			dir := path.Join(mount, group)
			most, limited := parseDecimal(readText(root, path.Join(dir, limit)))
			used, known := parseDecimal(readText(root, path.Join(dir, usage)))
			reclaimable, _ := numberIn(readText(root, path.Join(dir, "memory.stat")), cache+" ", 0)
			if limited && known {
				least = min(least, max(0, most-used+reclaimable))
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}

// processMemory returns what the limits of the process leave of its address space and its data.
func processMemory(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	limits := readText(root, "proc/self/limits")
	pages := readText(root, "proc/self/statm") // total, resident, shared, text, lib, data
	for name, at := range map[string]int{"Max address space": 0, "Max data size": 5} {
		most, limited := numberIn(limits, name, 0)
		used, known := numberIn(pages, "", at)
		if limited && known {
			least = min(least, max(0, most-used*int64(os.Getpagesize())))
		}
	}
	return least
}

func readText(root fs.FS, name string) string {
	b, _ := fs.ReadFile(root, name)
	return string(bytes.TrimSpace(b))
}

// numberIn finds the line that starts with name, and returns the number in the given column of the
// rest of that line.
func numberIn(text, name string, column int) (int64, bool) {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, name); found {
			if fields := strings.Fields(rest); len(fields) > column {
				return parseDecimal(fields[column])
			}
		}
	}
	return 0, false
}

func parseDecimal(text string) (int64, bool) { // fails for "max" and "unlimited"
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}
