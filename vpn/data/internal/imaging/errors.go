package imaging

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Kinds of errors. The readers of data sets add the name of the file.
var (
	ErrFormat      = errors.New("not an image, or a broken one")
	ErrUnsupported = errors.New("an image of a kind that is not read")
	ErrLimit       = errors.New("an image beyond the limits")
	ErrSize        = errors.New("an image of another size than its set's")
)

const (
	// MaxPixels is the most pixels that an image may have, before and after a transform. One image
	// then takes at most some 600 MB of memory (16 bits with alpha), and a JPEG file 200 MB.
	MaxPixels = 64 << 20
	maxSide   = 65535 // the longest side of an image, in pixels: JPEG's own limit
)

// failure is an error of one of these kinds, with its own text.
type failure struct {
	kind, cause error
	text        string
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return []error{f.kind, f.cause} }

func fail(kind error, format string, values ...any) error {
	return &failure{kind: kind, cause: kind, text: fmt.Sprintf(format, values...)}
}

// prefixes are those of the decoders' error messages.
var prefixes = []string{
	"jpeg: malformed: ", "jpeg: not supported: ", "webp: ", "tiff: invalid format: ", "tiff: unsupported feature: ",
}

// stripped returns a decoder's message without its prefix.
func stripped(err error) string {
	text := err.Error()
	for _, prefix := range prefixes {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// failed returns the error of a decoder with a text that names the format.
func failed(format string, cause error) error {
	if errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) {
		return &failure{kind: ErrFormat, cause: cause, text: "is a truncated " + format + " file"}
	}
	return &failure{kind: ErrFormat, cause: cause, text: fmt.Sprintf("is a broken %s file: %s", format, stripped(cause))}
}

// checkSize refuses a size before memory is allocated for it.
func checkSize(h, w int) error {
	if h < 1 || w < 1 {
		return fail(ErrFormat, "is %d×%d (height×width), want at least 1×1", h, w)
	}
	if h > maxSide || w > maxSide || h*w > MaxPixels {
		return fail(ErrLimit, "is %d×%d (height×width), want at most %d pixels and no side over %d", h, w, MaxPixels,
			maxSide)
	}
	return nil
}
