package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	flatbuffers "github.com/google/flatbuffers/go"
)

// arrowFooter is the footer of an Arrow file: its schema, and where its messages lie. Only the
// footer tells: writers may put anything between the magic number and the messages, and polars
// writes a schema there that is no message.
//
// A file is ARROW1, 2 zero bytes, the messages, the footer, its length (4 bytes), ARROW1: see
// arrow.apache.org/docs/format/Columnar.html#ipc-file-format.
type arrowFooter struct {
	schema []byte  // as a message
	blocks []int64 // where the messages begin: dictionaries first, then record batches
}

var (
	errFooterEnd  = errors.New("is truncated: it does not end as an Arrow file does")
	errFooterLies = errors.New("is damaged: its footer is")
)

// readArrowFooter reads the footer of a file of size bytes.
func readArrowFooter(r io.ReaderAt, size int64) (f *arrowFooter, err error) {
	defer func() {
		if p := recover(); p != nil { // flatbuffers panics if an offset is out of bounds
			f, err = nil, fmt.Errorf("%w: %v", errFooterLies, p)
		}
	}()
	tail := make([]byte, 4+len(arrowMagic))
	if size < int64(8+len(tail)) {
		return nil, errFooterEnd
	}
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil {
		return nil, Errorf(ErrIO, "cannot be read: %w", bare(err))
	}
	if string(tail[4:]) != string(arrowMagic) {
		return nil, errFooterEnd
	}
	length := int64(int32(binary.LittleEndian.Uint32(tail)))
	if length < 8 || length > maxText || length > size-8-int64(len(tail)) {
		return nil, fmt.Errorf("%w %d bytes long", errFooterLies, length)
	}
	content := make([]byte, length)
	start := size - int64(len(tail)) - length
	if _, err := r.ReadAt(content, start); err != nil {
		return nil, Errorf(ErrIO, "cannot be read: %w", bare(err))
	}
	f = &arrowFooter{}
	// Footer: version, schema, dictionaries, recordBatches, custom_metadata
	footer := flatbuffers.Table{Bytes: content, Pos: flatbuffers.GetUOffsetT(content)}
	at := flatbuffers.UOffsetT(footer.Offset(6))
	if at == 0 {
		return nil, errors.New("is damaged: its footer has no schema")
	}
	f.schema = schemaMessage(content, footer.Indirect(footer.Pos+at), footer.GetInt16Slot(4, 0))
	left := start // bytes that blocks may take in all: then none is read twice
	for _, slot := range []flatbuffers.VOffsetT{8, 10} {
		at := flatbuffers.UOffsetT(footer.Offset(slot))
		if at == 0 {
			continue
		}
		vector := footer.Vector(at)
		for i := range footer.VectorLen(at) {
			// Block: offset, metaDataLength, 4 bytes of padding, bodyLength
			block := content[int(vector)+24*i:]
			offset := int64(binary.LittleEndian.Uint64(block))
			metadata := int64(int32(binary.LittleEndian.Uint32(block[8:])))
			body := int64(binary.LittleEndian.Uint64(block[16:]))
			if offset < 8 || offset > start || metadata < 0 || body < 0 || body > start ||
				offset+metadata+body > start || metadata+body > left {
				return nil, fmt.Errorf("%w wrong about message %d: %d and %d bytes at %d", errFooterLies, len(f.blocks),
					metadata, body, offset)
			}
			left -= metadata + body
			f.blocks = append(f.blocks, offset)
		}
	}
	return f, nil
}

// schemaMessage returns the metadata of a message whose header is the Schema table at position at
// of content. It puts a Message table in front of the content, since offsets only point forwards.
func schemaMessage(content []byte, at flatbuffers.UOffsetT, version int16) []byte {
	const (
		vtable  = 4
		table   = 16
		header  = table + 4
		numbers = table + 8
		front   = 32 // a multiple of 8 keeps the alignment of the content
	)
	message := make([]byte, front, front+len(content))
	order := binary.LittleEndian
	order.PutUint32(message, table)
	for i, v := range []uint16{12, 16, numbers - table, numbers - table + 2, header - table, 0} {
		// The sizes of vtable and table, then where version, header_type, header and bodyLength are.
		order.PutUint16(message[vtable+2*i:], v)
	}
	order.PutUint32(message[table:], table-vtable)
	order.PutUint32(message[header:], uint32(front-header)+uint32(at))
	order.PutUint16(message[numbers:], uint16(version))
	message[numbers+2] = 1 // Schema
	return append(message, content...)
}
