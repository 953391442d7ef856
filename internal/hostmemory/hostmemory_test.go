package hostmemory

import (
	"fmt"
	"math"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// machine returns a file system that holds the given files.
func machine(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range files {
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

const meminfo = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n"

// The smallest of the limits counts.
func TestAvailable(t *testing.T) {
	page := int64(os.Getpagesize())
	pages := fmt.Sprintf("%d 9 8 7 0 %d 0\n", 10, 5)
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is known", nil, math.MaxInt64},
		{"the system", map[string]string{"proc/meminfo": meminfo}, 600 << 10},
		{"a group of version 2, whose cache of files may go", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/b/memory.current": "77\n", "sys/fs/cgroup/a/memory.max": "5000\n",
			"sys/fs/cgroup/a/memory.current": "4000\n", "sys/fs/cgroup/a/memory.stat": "anon 3000\nfile 900\ninactive_file 700\n",
		}, 1700},
		{"a group of version 1, at the mount's root, as a container sees it", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "3:cpu:/x\n2:hugetlb,memory:/docker/0123\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9000\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "8500\n",
			"sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 20\n",
		}, 520},
		{"a group that is over its limit", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "5\n", "sys/fs/cgroup/memory.current": "9\n"}, 0},
		{"the address space", map[string]string{"proc/self/statm": pages, "proc/self/limits": fmt.Sprintf(
			"Limit  Soft Limit  Hard Limit  Units\nMax address space   %d   unlimited   bytes\nMax data size   unlimited unlimited bytes\n", 25*page)},
			15 * page},
		{"the data size", map[string]string{"proc/self/statm": pages, "proc/self/limits": fmt.Sprintf(
			"Max address space   unlimited   unlimited   bytes\nMax data size   %d unlimited bytes\n", 6*page)}, page},
		{"nonsense", map[string]string{"proc/meminfo": "MemAvailable: lots\n", "proc/self/cgroup": "a\n0::/..\n", "proc/self/statm": "",
			"proc/self/limits": "Max address space\n"}, math.MaxInt64},
	} {
		require.Equal(t, test.want, available(machine(test.files)), test.name)
	}
}

func TestAvailableHere(t *testing.T) {
	require.Positive(t, Available())
}
