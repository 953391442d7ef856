// Package jpeg decodes JPEG files to planes, with libjpeg's samples and at its speed.
//
// It exists because a data set is decoded again in each epoch, and image/jpeg of Go 1.26 reads bit
// by bit. Times per image on one core of a 2-core AMD EPYC with AVX2 (BenchmarkDecode measures
// this package and image/jpeg):
//
//	                            64×64, Tiny ImageNet   500×400, 86 KB
//	this package                12 µs                  0.78 ms
//	without GOEXPERIMENT=simd   19 µs                  1.1 ms
//	image/jpeg                  53 µs                  2.7 ms
//	libjpeg-turbo               -                      1.05 ms (Pillow, with conversion to RGB)
//
// Three things make it fast:
//   - It loads 64 bits at a time, and one look-up decodes a code and its coefficient: bits.go,
//     huffman.go.
//   - The inverse transform computes eight columns at the same time: idct_simd.go.
//   - Blocks that a crop leaves out are not transformed.
//
// Samples equal those of libjpeg and libjpeg-turbo with the default ("islow") inverse transform,
// bit for bit. The caller upsamples and converts colours. Baseline and progressive files are read,
// with any sampling factors that libjpeg reads. Rare kinds of files are an [ErrUnsupported]:
// arithmetic or lossless coding, 12 bits, 2 components, no height in the header.
//
// A file is refused if its coded data are damaged, where libjpeg warns and leaves a part grey.
//
// Names of markers, tables and fields are those of ITU-T T.81
// (https://www.w3.org/Graphics/JPEG/itu-t81.pdf).
package jpeg

import (
	"errors"
	"fmt"
	"image"
	"io"
)

// Kinds of errors, for errors.Is. Truncated data wrap io.ErrUnexpectedEOF as well as ErrFormat.
var (
	ErrFormat      = errors.New("jpeg: malformed")
	ErrUnsupported = errors.New("jpeg: not supported")
)

func formatError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

func truncated(where string) error {
	return fmt.Errorf("%w: the data end in %s: %w", ErrFormat, where, io.ErrUnexpectedEOF)
}

// Colours is what the components of an image are.
type Colours int

// The kinds of components. CMYK and YCCK are as they are stored, which is inverted in most files.
const (
	Grey Colours = iota
	YCbCr
	RGB
	CMYK
	YCCK // CMYK as YCbCr of the inverted CMY, and K
)

// Header is what the frame header says about the image.
type Header struct {
	Width, Height int // at least 1
	Components    int // 1 is grey, 3 YCbCr (or RGB), 4 CMYK or YCCK
}

// Plane is one component of an image, or part of it.
type Plane struct {
	Pix    []uint8
	Stride int             // from one row of Pix to the next
	Rect   image.Rectangle // the samples of the plane that Pix holds; Pix[0] is at Rect.Min
	// Width and Height are the size of the whole plane, in samples: the image's, divided by HSub and
	// VSub and rounded up.
	Width, Height int
	HSub, VSub    int // 1 to 4: pixels of the image per sample, horizontally and vertically
}

// Decoder decodes images. It keeps its memory from one image to the next. Its zero value is ready
// to use, by one goroutine at a time.
type Decoder struct {
	coef [64]int32 // of one block; zero between blocks. First, since vectors are read faster if aligned
	Header
	Colours Colours // after Decode
	comp    [4]component
	// hMax and vMax are the largest sampling factors.
	hMax    int
	vMax    int
	framed  bool // the frame header was read
	scans   int  // how many scans were read
	jfif    bool // a JFIF marker was read: the colours are YCbCr
	adobe   int  // Adobe's colour transform; -1 if there is no such marker
	restart int  // MCUs between restart markers; 0 if there are none
	quant   [4]struct {
		steps   [64]int32 // in zigzag order
		defined bool
	}
	huff   [2][4]table // DC and AC
	scan   scan
	bits   bitReader
	coefs  []int16 // of all blocks of a progressive file
	pix    []uint8
	planes [4]Plane

	progressive bool
}

// component is an entry of the frame header, with what the scan header adds.
type component struct {
	id      byte
	h, v    int // sampling factors: blocks per MCU, horizontally and vertically
	quant   byte
	scanned bool
	dc, ac  byte
	pred    int32           // the last block's DC coefficient, before quantisation steps are applied
	blocks  image.Point     // of the whole plane
	want    image.Rectangle // the blocks that the region needs
	plane   *Plane

	// Of a progressive file:
	steps  [64]int32   // the quantisation table
	bits   [64]int8    // from which bit on each coefficient is known, by zigzag position
	padded image.Point // blocks of the plane, to whole MCUs
	coefs  []int16     // of these blocks
}

// maxKept is the most memory, in bytes, that a Decoder keeps between images. Larger planes are
// released at the next call.
const maxKept = 16 << 20

// ReadHeader reads the file as far as the image's size. It also reads headers of files that Decode
// does not support.
func ReadHeader(data []byte) (Header, error) {
	if err := checkStart(data); err != nil {
		return Header{}, err
	}
	for pos := 2; ; {
		s, err := nextSegment(data, pos)
		switch {
		case err != nil:
			return Header{}, err
		case s.isFrame():
			return s.frameHeader()
		case s.marker == sos || s.marker == eoi:
			return Header{}, formatError("marker %#x comes before a frame header", s.marker)
		}
		pos = s.end
	}
}

// Decode returns the planes of an image: of a grey one, of YCbCr (full range, as in JFIF), RGB, CMYK
// or YCCK, as Decoder.Colours then says. The planes hold what the pixels of region need, with the
// neighbours that smooth upsampling takes. They are valid until the next call.
//
// Data below the region are not decoded, so defects there go unnoticed. A file without its end
// marker is always an error.
func (d *Decoder) Decode(data []byte, region image.Rectangle) (planes []Plane, err error) {
	if err := checkStart(data); err != nil {
		return nil, err
	}
	d.reset()
	defer d.bits.drop()
	for pos := 2; ; {
		s, err := nextSegment(data, pos)
		if err != nil {
			return nil, err
		}
		pos = s.end
		switch {
		case s.isFrame():
			err = d.readFrame(s)
		case s.marker == dht:
			err = d.readHuffman(s.body)
		case s.marker == dqt:
			err = d.readQuant(s.body)
		case s.marker == dri:
			err = d.readRestart(s.body)
		case s.marker == app0 || s.marker == app14:
			d.readColours(s)
		case s.marker == sos:
			pos, err = d.readScan(s.body, data, pos, region)
		case s.marker == eoi:
			return d.finish()
		default:
			err = s.skip()
		}
		if err != nil {
			return nil, err
		}
	}
}

// finish returns the planes when the end marker is reached.
func (d *Decoder) finish() ([]Plane, error) {
	if !d.complete() {
		return nil, formatError("the end marker comes before all components were seen")
	}
	if d.progressive {
		d.transformAll()
	}
	return d.planes[:d.Components], nil
}

// reset forgets the last image, so that its tables cannot serve the next.
func (d *Decoder) reset() {
	d.Header, d.framed, d.scans, d.jfif, d.adobe, d.restart = Header{}, false, 0, false, -1, 0
	for i := range 4 {
		d.quant[i].defined = false
		d.huff[0][i].defined, d.huff[1][i].defined = false, false
	}
	d.coef, d.planes, d.progressive = [64]int32{}, [4]Plane{}, false
	if len(d.pix) > maxKept {
		d.pix = nil
	}
	if 2*len(d.coefs) > maxKept {
		d.coefs = nil
	}
}
