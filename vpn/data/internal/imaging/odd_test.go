package imaging

import (
	"compress/gzip"
	"encoding/json"
	"hash/crc32"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Odd files are read exactly if Pillow reads them, and give its pixels bit for bit. Those where
// govpn differs by choice are not among them: docs/data.md lists them. testdata/odd.py writes the
// files and what Pillow makes of them.
func TestOddFiles(t *testing.T) {
	var cases []struct {
		Name string
		File []byte
		Size []int // height and width; nil if Pillow refuses the file
		CRC  uint32
	}
	file, err := os.Open("testdata/odd.json.gz")
	require.NoError(t, err)
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(unzip).Decode(&cases))
	require.Greater(t, len(cases), 200)
	var d Decoder
	for _, c := range cases {
		h, w, err := Measure(c.File)
		pixels := make([]uint8, h*w*3)
		if err == nil {
			err = d.Decode(pixels, h, w, 3, c.File, &Transform{}, nil)
		}
		if c.Size == nil {
			assert.Error(t, err, c.Name)
			continue
		}
		if assert.NoError(t, err, c.Name) {
			assert.Equal(t, c.Size, []int{h, w}, c.Name)
			assert.Equal(t, c.CRC, crc32.ChecksumIEEE(pixels), c.Name)
		}
	}
}
