package vpn

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

	"github.com/govpn/govpn/vpn/data"
)

// The safetensors format (Hugging Face): 8 bytes little-endian header length, a JSON header, the tensors' bytes. Own
// code, because GoMLX's go-huggingface reads files of its hub only and writes none.

const maxSafetensorsHeader = 100 << 20 // as the reference implementation's limit

// tensorFile is the content of a safetensors file.
type tensorFile struct {
	metadata map[string]string
	tensors  map[string]*tensors.Tensor
}

// tensorEntry is one tensor of the header.
type tensorEntry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

var safetensorsDTypes = map[string]dtypes.DType{
	"F64": dtypes.Float64, "F32": dtypes.Float32, "F16": dtypes.Float16, "BF16": dtypes.BFloat16,
	"I64": dtypes.Int64, "I32": dtypes.Int32,
}

func safetensorsDType(dtype dtypes.DType) string {
	for name, known := range safetensorsDTypes {
		if known == dtype {
			return name
		}
	}
	return dtype.String()
}

// layout is the order of the tensors in the file: by size of their type, so that all lie aligned, then by name.
func (f *tensorFile) layout() []string {
	names := slices.Sorted(maps.Keys(f.tensors))
	slices.SortStableFunc(names, func(a, b string) int { return f.tensors[b].DType().Size() - f.tensors[a].DType().Size() })
	return names
}

// write writes the file.
func (f *tensorFile) write(w io.Writer) error {
	header := map[string]any{}
	if len(f.metadata) > 0 {
		header["__metadata__"] = f.metadata
	}
	var offset int64
	for _, name := range f.layout() {
		t := f.tensors[name]
		end := offset + t.ByteSize()
		header[name] = tensorEntry{safetensorsDType(t.DType()), append([]int{}, t.Shape().Dimensions...), [2]int64{offset, end}}
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
	return f.eachBytes(func(_ string, b []byte) error {
		_, err := w.Write(b)
		return err
	})
}

// eachBytes calls fn for every tensor's bytes, in the order of the file.
func (f *tensorFile) eachBytes(fn func(name string, b []byte) error) error {
	for _, name := range f.layout() {
		var failed error
		if err := f.tensors[name].ConstBytes(func(b []byte) { failed = fn(name, b) }); err != nil {
			return graphError(err, ErrDevice)
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// parseTensorFile reads a file of so many bytes. It trusts nothing: sizes, types, offsets, gaps and overlaps are checked
// before anything is allocated for them, and the tensors against the memory that is available.
func parseTensorFile(r io.ReaderAt, size int64) (*tensorFile, error) {
	header, start, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	f := &tensorFile{tensors: map[string]*tensors.Tensor{}}
	entries := map[string]tensorEntry{}
	for name, raw := range header {
		if name == "__metadata__" {
			if err := json.Unmarshal(raw, &f.metadata); err != nil {
				return nil, formatError("the metadata does not decode: %v", err)
			}
			continue
		}
		var e tensorEntry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, formatError("tensor %q does not decode: %v", name, err)
		}
		entries[name] = e
	}
	body := size - start
	if err := checkEntries(entries, body); err != nil {
		return nil, err
	}
	if have := data.AvailableMemory(); body > have {
		return nil, data.Errorf(ErrMemory, "vpn: the tensors take %.1f GiB, %.1f GiB of memory are available", float64(body)/(1<<30), float64(have)/(1<<30))
	}
	for name, e := range entries {
		t := tensors.FromShape(shapes.Make(safetensorsDTypes[e.DType], e.Shape...))
		var failed error
		if err := t.MutableBytes(func(b []byte) { failed = readAt(r, b, start+e.Offsets[0]) }); err != nil {
			return nil, err
		}
		if failed != nil {
			return nil, failed
		}
		f.tensors[name] = t
	}
	return f, nil
}

// readHeader reads the JSON object at the file's beginning; the tensors start at start.
func readHeader(r io.ReaderAt, size int64) (header map[string]json.RawMessage, start int64, err error) {
	if size < 8 {
		return nil, 0, formatError("the file has %d bytes, want at least 8", size)
	}
	var length [8]byte
	if err := readAt(r, length[:], 0); err != nil {
		return nil, 0, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxSafetensorsHeader || n > uint64(size-8) {
		return nil, 0, formatError("the header claims %d bytes of the file's %d: not a safetensors file, or a truncated one", n, size)
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

// readAt fills b from an offset of the file, which may have become shorter meanwhile.
func readAt(r io.ReaderAt, b []byte, offset int64) error {
	if _, err := io.ReadFull(io.NewSectionReader(r, offset, int64(len(b))), b); err != nil {
		return data.Errorf(ErrIO, "vpn: reading %d bytes at byte %d: %w", len(b), offset, err)
	}
	return nil
}

// checkEntries checks that the tensors fill the body without gap or overlap, each with the bytes that its shape needs.
func checkEntries(entries map[string]tensorEntry, body int64) error {
	names := slices.SortedFunc(maps.Keys(entries), func(a, b string) int {
		return int(min(1, max(-1, entries[a].Offsets[0]-entries[b].Offsets[0])))
	})
	var end int64
	for _, name := range names {
		e := entries[name]
		dtype, ok := safetensorsDTypes[e.DType]
		if !ok {
			return data.Errorf(ErrUnsupported, "vpn: tensor %q has dtype %s, want F64, F32, F16, BF16, I64 or I32: convert it first", name, e.DType)
		}
		bytes := int64(dtype.Size())
		for _, d := range e.Shape {
			if d < 1 || bytes > body/int64(d) {
				return formatError("tensor %q has shape %v, which does not fit the file", name, e.Shape)
			}
			bytes *= int64(d)
		}
		if e.Offsets[0] != end || e.Offsets[1] != end+bytes {
			return formatError("tensor %q lies at %v, want [%d %d]: the file is damaged", name, e.Offsets, end, end+bytes)
		}
		end += bytes
	}
	if end != body {
		return formatError("the tensors take %d bytes, the file has %d: it is truncated or damaged", end, body)
	}
	return nil
}

func formatError(format string, args ...any) error {
	return data.Errorf(ErrFormat, "vpn: "+format, args...)
}

// readTensorFile reads the file at path.
func readTensorFile(path string) (*tensorFile, error) {
	file, err := data.OpenRegular(path)
	if err != nil {
		return nil, data.Errorf(ErrIO, "vpn: cannot read: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, data.Errorf(ErrIO, "vpn: cannot read: %w", err)
	}
	f, err := parseTensorFile(file, info.Size())
	if err == nil {
		return f, nil
	}
	if advice := conversion(path, file, info.Size()); advice != "" {
		return nil, formatError("%s", advice)
	}
	return nil, fmt.Errorf("%s: %w", path, err)
}
