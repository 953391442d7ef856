package data

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/parquet"
	pq "github.com/apache/arrow-go/v18/parquet/file"
)

// checkParquet checks the beginning and the end of a file, and its footer.
func checkParquet(f *os.File, size int64) error {
	var ends [12]byte
	if size < 12 {
		return errors.New("is too short to be a Parquet file")
	}
	if _, err := f.ReadAt(ends[:4], 0); err != nil {
		return Errorf(ErrIO, "cannot be read: %w", bare(err))
	}
	if _, err := f.ReadAt(ends[4:], size-8); err != nil {
		return Errorf(ErrIO, "cannot be read: %w", bare(err))
	}
	head, length, tail := string(ends[:4]), int64(binary.LittleEndian.Uint32(ends[4:])), string(ends[8:])
	switch {
	case tail == "PARE" || head == "PARE":
		return Errorf(ErrUnsupported, "is encrypted")
	case head != "PAR1":
		return errors.New("is not a Parquet file")
	case tail != "PAR1":
		return errors.New("is truncated: it does not end as a Parquet file does")
	case length > size-12 || length > maxText:
		return fmt.Errorf("is damaged: its footer of %d bytes is larger than the file, or than %d", length, maxText)
	}
	footer := make([]byte, length)
	if _, err := f.ReadAt(footer, size-8-length); err != nil {
		return Errorf(ErrIO, "cannot be read: %w", bare(err))
	}
	return checkParquetFooter(footer)
}

// checkPages checks that no page of a column claims more values than it can hold. Arrow-go
// allocates what pages claim.
func checkPages(group *pq.RowGroupReader, i int, values int64) error {
	pages, err := group.GetColumnPageReader(i)
	if err != nil {
		return err
	}
	defer pages.Close()
	dictionary, err := pages.GetDictionaryPage()
	if err != nil {
		return err
	}
	if dictionary != nil && int(dictionary.NumValues()) > len(dictionary.Data()) {
		return errPages
	}
	for pages.Next() {
		page := pages.Page()
		switch e := parquet.Encoding(page.Encoding()); e {
		case parquet.Encodings.DeltaBinaryPacked,
			parquet.Encodings.DeltaByteArray,
			parquet.Encodings.DeltaLengthByteArray:
			return Errorf(ErrUnsupported,
				"has pages of encoding %s, whose sizes cannot be checked: write it with PLAIN or dictionary encoding",
				e)
		}
		_, isDictionary := page.(*pq.DictionaryPage)
		switch n := int64(page.NumValues()); {
		case isDictionary && n > int64(len(page.Data())):
			return errPages
		case !isDictionary:
			if values -= n; n < 0 || values < 0 {
				return errPages
			}
		}
	}
	return pages.Err()
}

var errPages = errors.New("is damaged: a page holds fewer values than it claims")
