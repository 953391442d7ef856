//go:build cgo

package device

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/govpn/govpn/internal/pjrtabi"
)

// What go-xla v0.4.5 needs of a plugin. PJRT 0.57 put the table of functions into its present
// order; later versions only append to it. The last function that go-xla always calls is the 97th,
// PJRT_Executable_GetCompiledMemoryStats; 40 bytes come before the table (pjrt_c_api.h and XLA's
// xla/pjrt/c/CHANGELOG.md).
const (
	pjrtMinor = 57
	pjrtBytes = 40 + 97*8
)

// checkVersion asks a plugin for its version. This is the first of its code to run.
func checkVersion(path string) error {
	v, err := pjrtabi.Ask(path)
	switch {
	case err != nil && strings.Contains(err.Error(), "cannot open shared object file"):
		return fmt.Errorf(
			"a library that it needs is missing (%w): install it, or name its folder in LD_LIBRARY_PATH; "+
				"ldd %s lists what is missing",
			err,
			path,
		)
	case err != nil:
		return err
	case v.Bytes >= 40 && (v.Major != 0 || v.Minor < pjrtMinor):
		return fmt.Errorf(
			"it speaks PJRT API %d.%d, want 0.%d or a newer 0.x: another version of the plugin is needed", v.Major,
			v.Minor, pjrtMinor)
	case v.Bytes < pjrtBytes:
		return fmt.Errorf("it is damaged: its PJRT API has %d bytes, want at least %d", v.Bytes, pjrtBytes)
	}
	return nil
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// checkLibrary says in plain words why a file cannot be a plugin for this process. It runs before
// any of the file's code does: the system's loader waits for pipes, and crashes on files that are
// cut off.
func checkLibrary(path string) error {
	if strings.Contains(path, ",") {
		return errors.New("its path contains a comma, where go-xla separates options: make a link to it elsewhere")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no file: want a shared library (.so)")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if runtime.GOOS != "linux" {
		return nil // other formats are not checked
	}
	if magic := make([]byte, len(elf.ELFMAG)); !full(file, magic) || string(magic) != elf.ELFMAG {
		return fmt.Errorf("its %d bytes are no shared library", info.Size())
	}
	f, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("it is damaged or cut off (%w)", err)
	}
	return checkELF(f, info.Size())
}

func full(r io.ReaderAt, b []byte) bool {
	n, _ := r.ReadAt(b, 0)
	return n == len(b)
}

// checkELF checks that this process can load a library of size bytes.
func checkELF(f *elf.File, size int64) error {
	bits := map[elf.Class]int{elf.ELFCLASS32: 32, elf.ELFCLASS64: 64}[f.Class]
	if want, known := machines[runtime.GOARCH]; bits != strconv.IntSize || known && f.Machine != want {
		here := runtime.GOARCH
		if known {
			here = machineName(want)
		}
		return fmt.Errorf("it is a library for %s (%d-bit), this process is %s (%d-bit)", machineName(f.Machine),
			bits, here, strconv.IntSize)
	}
	if f.Type != elf.ET_DYN {
		return errors.New("it is a program or an object file, want a shared library")
	}
	for _, p := range f.Progs {
		if end := p.Off + p.Filesz; p.Type == elf.PT_LOAD && (end < p.Off || end > uint64(size)) {
			return fmt.Errorf("it is cut off: it has %d bytes, want at least %d", size, end)
		}
	}
	symbols, err := f.DynamicSymbols()
	exported := func(s elf.Symbol) bool { return s.Name == "GetPjrtApi" && s.Section != elf.SHN_UNDEF }
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) || err == nil && !slices.ContainsFunc(symbols, exported) {
		return errors.New("it exports no GetPjrtApi: it is a library, but no PJRT plugin")
	}
	return nil
}

// machineName returns the usual name of a machine: x86-64 for EM_X86_64.
func machineName(m elf.Machine) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(m.String(), "EM_"), "_", "-"))
}
