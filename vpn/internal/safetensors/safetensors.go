// Package safetensors reads and writes the safetensors format of Hugging Face: 8 bytes
// little-endian header length, a JSON header, the tensors' bytes. It is own code, because GoMLX's
// go-huggingface reads files of its hub only and writes none.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/internal/files"
	"github.com/govpn/govpn/internal/hostmemory"
)

const maxHeader = 100 << 20 // as the reference implementation's limit

// File is the content of a safetensors file.
type File struct {
	Metadata map[string]string
	Tensors  map[string]*tensors.Tensor // by name
}

// entry is one tensor of the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// The dtypes that files may have, by the names in the header.
var dtypeByName = map[string]dtypes.DType{
	"F64": dtypes.Float64, "F32": dtypes.Float32, "F16": dtypes.Float16, "BF16": dtypes.BFloat16,
	"I64": dtypes.Int64, "I32": dtypes.Int32,
}

// dtypeName is the name of a dtype in the header.
func dtypeName(dtype dtypes.DType) string {
	for name, known := range dtypeByName {
		if known == dtype {
			return name
		}
	}
	return dtype.String()
}

// layout lists the tensors in the order of the file: by the size of their type, so that all lie
// aligned, then by name.
func (f *File) layout() []string {
	names := slices.Sorted(maps.Keys(f.Tensors))
	slices.SortStableFunc(names, func(a, b string) int { return f.Tensors[b].DType().Size() - f.Tensors[a].DType().Size() })
	return names
}

// Write writes the file to w.
func (f *File) Write(w io.Writer) error {
	header := map[string]any{}
	if len(f.Metadata) > 0 {
		header["__metadata__"] = f.Metadata
	}
	var offset int64
	for _, name := range f.layout() {
		t := f.Tensors[name]
		end := offset + t.ByteSize()
		header[name] = entry{
			DType: dtypeName(t.DType()), Shape: append([]int{}, t.Shape().Dimensions...), Offsets: [2]int64{offset, end},
		}
		offset = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte(" "), (8-len(text)%8)%8)...) // the data starts aligned
	if err := binary.Write(w, binary.LittleEndian, uint64(len(text))); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return f.EachBytes(func(_ string, b []byte) error {
		_, err := w.Write(b)
		return err
	})
}

// EachBytes calls fn for every tensor's bytes, in the order of the file.
func (f *File) EachBytes(fn func(name string, b []byte) error) error {
	for _, name := range f.layout() {
		var failed error
		if err := f.Tensors[name].ConstBytes(func(b []byte) { failed = fn(name, b) }); err != nil {
			return fault.Errorf(fault.ErrDevice, "vpn: %w", err)
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// Parse reads a file of size bytes. It trusts nothing: it checks sizes, types, offsets, gaps and
// overlaps before it allocates anything, and compares the tensors with the available memory.
func Parse(r io.ReaderAt, size int64) (*File, error) {
	header, start, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	f := &File{Tensors: map[string]*tensors.Tensor{}}
	entries := map[string]entry{}
	for name, raw := range header {
		if name == "__metadata__" {
			if err := json.Unmarshal(raw, &f.Metadata); err != nil {
				return nil, formatError("the metadata does not decode: %v", err)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, formatError("tensor %q does not decode: %v", name, err)
		}
		entries[name] = e
	}
	body := size - start
	if err := checkEntries(entries, body); err != nil {
		return nil, err
	}
	if have := hostmemory.Available(); body > have {
		return nil, fault.Errorf(fault.ErrMemory, "vpn: the tensors take %.1f GiB, %.1f GiB of memory are available",
			float64(body)/(1<<30), float64(have)/(1<<30))
	}
	for name, e := range entries {
		t := tensors.FromShape(shapes.Make(dtypeByName[e.DType], e.Shape...))
		var failed error
		if err := t.MutableBytes(func(b []byte) { failed = readAt(r, b, start+e.Offsets[0]) }); err != nil {
			return nil, err
		}
		if failed != nil {
			return nil, failed
		}
		f.Tensors[name] = t
	}
	return f, nil
}

// readHeader reads the JSON object at the beginning of a file. start is where the tensors begin.
func readHeader(r io.ReaderAt, size int64) (header map[string]json.RawMessage, start int64, err error) {
	if size < 8 {
		return nil, 0, formatError("the file has %d bytes, want at least 8", size)
	}
	var length [8]byte
	if err := readAt(r, length[:], 0); err != nil {
		return nil, 0, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader || n > uint64(size-8) {
		return nil, 0, formatError("the header claims %d bytes of the file's %d: not a safetensors file, or a truncated one",
			n, size)
	}
	text := make([]byte, n)
	if err := readAt(r, text, 8); err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, 0, formatError("the header is not JSON: %v", err)
	}
	return header, 8 + int64(n), nil
}

// readAt fills b from an offset of the file. The file may have become shorter meanwhile.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	if _, err := io.ReadFull(io.NewSectionReader(r, offset, int64(len(b))), b); err != nil {
		return fault.Errorf(fault.ErrIO, "vpn: reading %d bytes at byte %d: %w", len(b), offset, err)
	}
	return nil
}

// checkEntries checks that the tensors fill the body without gap or overlap, and that each has as
// many bytes as its shape needs.
func checkEntries(entries map[string]entry, body int64) error {
	names := slices.SortedFunc(maps.Keys(entries), func(a, b string) int {
		return int(min(1, max(-1, entries[a].Offsets[0]-entries[b].Offsets[0])))
	})
	var end int64
	for _, name := range names {
		e := entries[name]
		dtype, ok := dtypeByName[e.DType]
		if !ok {
			return fault.Errorf(fault.ErrUnsupported, "vpn: tensor %q has dtype %s, want F64, F32, F16, BF16, I64 or I32: convert it first",
				name, e.DType)
		}
		bytes := int64(dtype.Size())
		for _, d := range e.Shape {
			if d < 1 || bytes > body/int64(d) {
				return formatError("tensor %q has shape %v, which does not fit the file", name, e.Shape)
			}
			bytes *= int64(d)
		}
		if e.Offsets[0] != end || e.Offsets[1] != end+bytes {
			return formatError("tensor %q lies at %v, want [%d %d]: the file is damaged",
				name, e.Offsets, end, end+bytes)
		}
		end += bytes
	}
	if end != body {
		return formatError("the tensors take %d bytes, the file has %d: it is truncated or damaged", end, body)
	}
	return nil
}

func formatError(format string, args ...any) error {
	return fault.Errorf(fault.ErrFormat, "vpn: "+format, args...)
}

// Read reads the file at path. For a file of PyTorch or numpy the error says how to convert it.
func Read(path string) (*File, error) {
	if path == "" {
		return nil, fault.Errorf(fault.ErrArgument, "vpn: path is \"\", want the name of a file")
	}
	file, err := files.OpenRegular(path)
	if err != nil {
		return nil, fault.Errorf(fault.ErrIO, "vpn: cannot read: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fault.Errorf(fault.ErrIO, "vpn: cannot read: %w", err)
	}
	f, err := Parse(file, info.Size())
	if err == nil {
		return f, nil
	}
	if advice := conversion(path, file, info.Size()); advice != "" {
		return nil, formatError("%s", advice)
	}
	return nil, fmt.Errorf("%s: %w", path, err)
}
