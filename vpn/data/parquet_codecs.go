package data

import (
	"bytes"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/snappy"
)

// Arrow-go's decompressors return as many bytes as the compressed data claim. These replacements
// fail if that is not the size in the page's header, which has been checked.
func init() {
	for _, c := range []compress.Compression{compress.Codecs.Gzip, compress.Codecs.Brotli, compress.Codecs.Zstd} {
		if codec, err := compress.GetCodec(c); err == nil {
			compress.RegisterCodec(c, boundedCodec{Codec: codec, decode: readExactly(codec)})
		}
	}
	if codec, err := compress.GetCodec(compress.Codecs.Snappy); err == nil {
		compress.RegisterCodec(compress.Codecs.Snappy, boundedCodec{Codec: codec, decode: decodeSnappy})
	}
}

// boundedCodec is a codec that fills dst and never returns more.
type boundedCodec struct {
	compress.Codec
	decode func(dst, src []byte) ([]byte, error)
}

func (b boundedCodec) DecodeWithError(dst, src []byte) ([]byte, error) { return b.decode(dst, src) }

func (b boundedCodec) Decode(dst, src []byte) []byte {
	decoded, err := b.decode(dst, src)
	if err != nil {
		panic(err)
	}
	return decoded
}

var errPageSize = errors.New("a page has another size than its header says")

func readExactly(codec compress.Codec) func(dst, src []byte) ([]byte, error) {
	return func(dst, src []byte) ([]byte, error) {
		streaming, ok := codec.(compress.StreamingCodec)
		if !ok {
			return compress.Decode(codec, dst, src)
		}
		r := streaming.NewReader(bytes.NewReader(src))
		defer r.Close()
		if _, err := io.ReadFull(r, dst); err != nil {
			return nil, err
		}
		if n, err := r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			return nil, errors.Join(errPageSize, err)
		}
		return dst, nil
	}
}

func decodeSnappy(dst, src []byte) ([]byte, error) {
	if n, err := snappy.DecodedLen(src); err != nil || n != len(dst) {
		return nil, errors.Join(errPageSize, err)
	}
	return snappy.Decode(dst, src)
}
