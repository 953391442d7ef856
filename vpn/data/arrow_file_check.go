package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
)

// arrowMessages reads the messages of an Arrow stream, and checks each before arrow-go reads it.
// Arrow-go allocates what a message claims, and follows a type that contains itself until the stack
// overflows. Neither can be recovered from.
//
// With a footer, the messages are those that it names. A message is 0xffffffff, the length of the
// metadata (0: end of stream), the metadata, the body: see
// arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format.
type arrowMessages struct {
	r      *io.SectionReader
	mem    memory.Allocator
	limit  int64 // the most values that an array may have
	last   *ipc.Message
	fields int          // how many more fields the schema may have
	footer *arrowFooter // nil: the messages follow one another from the beginning

	schema       arrowCounts // what every record batch must describe
	dictionaries map[int64]arrowCounts
}

// arrowCounts is how many arrays a record batch must describe, and how many of them are views.
// Arrow-go reads past the end if a batch describes fewer.
type arrowCounts struct{ arrays, views int }

const (
	maxArrowFields = 1 << 16
	maxArrowDepth  = 32
)

func newArrowMessages(r io.ReaderAt, size, limit int64, mem memory.Allocator) *arrowMessages {
	return &arrowMessages{r: io.NewSectionReader(r, 0, size), mem: mem, limit: limit, fields: maxArrowFields,
		dictionaries: map[int64]arrowCounts{}}
}

func (m *arrowMessages) Retain() {}

func (m *arrowMessages) Release() {
	if m.last != nil {
		m.last.Release()
		m.last = nil
	}
}

// Message returns the next message, or io.EOF at the end. The message is valid until the next call.
func (m *arrowMessages) Message() (message *ipc.Message, err error) {
	defer func() {
		if p := recover(); p != nil { // flatbuffers panics if an offset is out of bounds
			message, err = nil, fmt.Errorf("a message is damaged: %v", p)
		}
	}()
	metadata, err := m.next()
	if err != nil {
		return nil, err
	}
	length, err := m.check(metadata)
	if err != nil {
		return nil, err
	}
	if length < 0 || length > m.left() {
		return nil, io.ErrUnexpectedEOF
	}
	body := memory.NewResizableBuffer(m.mem)
	defer body.Release()
	body.Resize(int(length))
	if _, err := io.ReadFull(m.r, body.Bytes()); err != nil {
		return nil, notEOF(err)
	}
	m.Release()
	m.last = ipc.NewMessage(memory.NewBufferBytes(metadata), body)
	return m.last, nil
}

// next returns the metadata of the next message. Its body follows at the reader's position.
func (m *arrowMessages) next() ([]byte, error) {
	f := m.footer
	switch {
	case f == nil:
		return m.metadata()
	case f.schema != nil:
		schema := f.schema
		f.schema = nil
		return schema, nil
	case len(f.blocks) == 0:
		return nil, io.EOF
	}
	at := f.blocks[0]
	f.blocks = f.blocks[1:]
	if _, err := m.r.Seek(at, io.SeekStart); err != nil {
		return nil, err
	}
	metadata, err := m.metadata()
	return metadata, notEOF(err)
}

// left returns how many bytes follow.
func (m *arrowMessages) left() int64 {
	at, _ := m.r.Seek(0, io.SeekCurrent)
	return m.r.Size() - at
}

// notEOF turns io.EOF, which would mean the end of the stream, into io.ErrUnexpectedEOF.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// metadata reads the metadata of the next message.
func (m *arrowMessages) metadata() ([]byte, error) {
	var word [4]byte
	if _, err := io.ReadFull(m.r, word[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(word[:])
	if length == 0xffffffff { // before Arrow 0.15, the length came without this mark
		if _, err := io.ReadFull(m.r, word[:]); err != nil {
			return nil, notEOF(err)
		}
		length = binary.LittleEndian.Uint32(word[:])
	}
	switch {
	case length == 0:
		return nil, io.EOF
	case length < 8:
		return nil, errors.New("a message is damaged")
	case int64(length) > m.left():
		return nil, io.ErrUnexpectedEOF
	}
	metadata := make([]byte, length)
	_, err := io.ReadFull(m.r, metadata)
	return metadata, err
}

// check checks the metadata of a message and returns the length of its body.
//
// The comments name the fields of each table in order; see
// github.com/apache/arrow/tree/main/format. Field k of a table is in slot 4 + 2k.
func (m *arrowMessages) check(metadata []byte) (bodyLength int64, err error) {
	// Message: version, header_type, header, bodyLength, custom_metadata
	message := flatbuffers.Table{Bytes: metadata, Pos: flatbuffers.GetUOffsetT(metadata)}
	if err := checkVectors(message, 12); err != nil {
		return 0, err
	}
	var header flatbuffers.Table
	if at := message.Offset(8); at != 0 {
		message.Union(&header, flatbuffers.UOffsetT(at))
	} else {
		return 0, errors.New("a message is damaged: it has no header")
	}
	switch message.GetByteSlot(6, 0) {
	case 1: // Schema: endianness, fields, custom_metadata
		if err = checkVectors(header, 8); err == nil {
			m.schema, err = m.checkFields(header, 6, 0)
		}
	case 2: // DictionaryBatch: id, data
		var batch flatbuffers.Table
		if at := flatbuffers.UOffsetT(header.Offset(6)); at != 0 {
			batch = flatbuffers.Table{Bytes: metadata, Pos: header.Indirect(header.Pos + at)}
			err = m.checkBatch(batch, m.dictionaries[header.GetInt64Slot(4, 0)])
		}
	case 3:
		err = m.checkBatch(header, m.schema)
	}
	return message.GetInt64Slot(10, 0), err
}

// checkVectors checks the lengths of the vectors of tables in these slots.
func checkVectors(t flatbuffers.Table, slots ...flatbuffers.VOffsetT) error {
	for _, slot := range slots {
		if at := flatbuffers.UOffsetT(t.Offset(slot)); at != 0 && t.VectorLen(at) > len(t.Bytes)/4 {
			return errors.New("a message is damaged: a list in it is longer than it")
		}
	}
	return nil
}

// checkFields checks a vector of Field tables, and returns how many arrays they have. A Field:
// name, nullable, type_type, type, dictionary, children, custom_metadata.
func (m *arrowMessages) checkFields(
	parent flatbuffers.Table,
	slot flatbuffers.VOffsetT,
	depth int,
) (all arrowCounts, err error) {
	at := flatbuffers.UOffsetT(parent.Offset(slot))
	if at == 0 {
		return all, nil
	}
	n, vector := parent.VectorLen(at), parent.Vector(at)
	if depth > maxArrowDepth {
		return all, fmt.Errorf("has types nested more than %d deep", maxArrowDepth)
	}
	if m.fields -= n; m.fields < 0 {
		return all, fmt.Errorf("has a schema of more than %d fields", maxArrowFields)
	}
	for i := range n {
		field := flatbuffers.Table{Bytes: parent.Bytes, Pos: parent.Indirect(vector + flatbuffers.UOffsetT(i)*4)}
		if err := checkVectors(field, 16); err != nil {
			return all, err
		}
		counts, err := m.checkFields(field, 14, depth+1)
		if err != nil {
			return all, err
		}
		counts.arrays++
		if kind := field.GetByteSlot(8, 0); kind == 23 || kind == 24 { // BinaryView, Utf8View
			counts.views++
		}
		// A dictionary: the batch holds its indices, and the values have a batch of their own.
		if at := flatbuffers.UOffsetT(field.Offset(12)); at != 0 {
			dictionary := flatbuffers.Table{Bytes: parent.Bytes, Pos: field.Indirect(field.Pos + at)}
			m.dictionaries[dictionary.GetInt64Slot(4, 0)] = counts
			counts = arrowCounts{arrays: 1}
		}
		all.arrays += counts.arrays
		all.views += counts.views
	}
	return all, nil
}

var errBatchCounts = errors.New("a batch is damaged: it describes fewer arrays than the schema has")

// checkBatch checks a RecordBatch: length, nodes (length and null_count), buffers (16 bytes each),
// compression, variadicBufferCounts.
func (m *arrowMessages) checkBatch(batch flatbuffers.Table, want arrowCounts) error {
	if at := flatbuffers.UOffsetT(batch.Offset(6)); at != 0 {
		n, vector := batch.VectorLen(at), batch.Vector(at)
		if n < want.arrays {
			return errBatchCounts
		}
		for i := range n {
			if n := batch.GetInt64(vector + flatbuffers.UOffsetT(i)*16); n < 0 || n > m.limit {
				return fmt.Errorf("a batch has an array of %d values, want at most %d", n, m.limit)
			}
		}
	}
	buffers := 0
	if at := flatbuffers.UOffsetT(batch.Offset(8)); at != 0 {
		buffers = min(batch.VectorLen(at), len(batch.Bytes)/16)
	}
	if at := flatbuffers.UOffsetT(batch.Offset(12)); at != 0 {
		n, vector := batch.VectorLen(at), batch.Vector(at)
		if n < want.views {
			return errBatchCounts
		}
		for i := range n {
			if n := batch.GetInt64(vector + flatbuffers.UOffsetT(i)*8); n < 0 || n > int64(buffers) {
				return fmt.Errorf("a batch has an array of %d buffers, of %d", n, buffers)
			}
		}
	}
	return nil
}
