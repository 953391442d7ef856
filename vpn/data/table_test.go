package data

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testdata/tables.py writes five PNG files of 4×4 RGB pixels, whose values count up from the index
// of the image, and these labels.
var tableLabels = []int32{1, 0, 1, 1, 0}

func countingFrom(i int) []uint8 {
	pixels := make([]uint8, 48)
	for k := range pixels {
		pixels[k] = uint8(i + k)
	}
	return pixels
}

// readAll returns the images of a set as image/png decodes them, and closes the set.
func readAll(t *testing.T, f *found) [][]uint8 {
	var all [][]uint8
	var buffer []byte
	for i := range f.count {
		var err error
		buffer, err = f.source.read(i, buffer)
		require.NoError(t, err)
		all = append(all, decodePNG(t, buffer))
	}
	require.NoError(t, f.source.close())
	return all
}

func decodePNG(t *testing.T, encoded []byte) []uint8 {
	decoded, err := png.Decode(bytes.NewReader(encoded))
	require.NoError(t, err)
	rgba, ok := decoded.(*image.RGBA)
	require.True(t, ok, "%T", decoded)
	var pixels []uint8
	for i := 0; i < len(rgba.Pix); i += 4 {
		pixels = append(pixels, rgba.Pix[i:i+3]...)
	}
	return pixels
}

func openTable(name string) (*found, error) {
	format := strings.TrimPrefix(filepath.Ext(name), ".")
	return readers[format](OpenOptions{Format: format, Path: name})
}

func TestTablesOfEncodedImages(t *testing.T) {
	for _, name := range []string{
		"hf.arrow", "zstd.arrow", "lz4.arrow", "file.arrow", "polars.arrow", // encoded images
		"hf.parquet", "v2.parquet", "gzip.parquet", "brotli.parquet", "lz4.parquet", "names.parquet", "empty.parquet",
	} {
		f, err := openTable("testdata/" + name)
		require.NoError(t, err, name)
		assert.Equal(t, tableLabels, f.labels, name)
		assert.Equal(t, []string{"cat", "dog"}, f.names, name)
		assert.Equal(t, "testdata/"+name+": row 4", f.source.name(4))
		for i, pixels := range readAll(t, f) {
			assert.Equal(t, countingFrom(i), pixels, "%s: %d", name, i)
		}
	}
}

// If all labels are −1, as in Hugging Face's test sets, there are none. A −1 among others is an
// error.
func TestTablesWithoutLabels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.arrow")
	two, images := []string{"image", "label"}, binaries([]byte("a"), []byte("b"))
	require.NoError(t, os.WriteFile(path, arrowStream(two, images, int64s(-1, -1)), 0o600))
	f, err := openTable(path)
	require.NoError(t, err)
	defer f.close()
	assert.Nil(t, f.labels)
	require.NoError(t, os.WriteFile(path, arrowStream(two, images, int64s(1, -1)), 0o600))
	_, err = openTable(path)
	assert.EqualError(t, err, "data: "+path+": labels[1] is -1, want 0..65535: the class number, from 0")
}

func TestTablesOfPixels(t *testing.T) {
	for _, name := range []string{"tensor.arrow", "lists.arrow", "tensor.parquet", "lists.parquet", "float.parquet"} {
		f, err := openTable("testdata/" + name)
		require.NoError(t, err, name)
		d := f.ready
		h, w, c := d.Shape()
		assert.Equal(t, [3]int{4, 4, 3}, [3]int{h, w, c}, name)
		assert.Equal(t, tableLabels, d.Labels(), name)
		for i := range 5 {
			for k, v := range d.Image(i) {
				require.Equal(t, float32(i+k)/255, v, "%s: image %d", name, i)
			}
		}
		d.Close()
	}
}

// Null images are errors or, with SkipBroken, left out with their labels.
func TestTablesWithNulls(t *testing.T) {
	for name, c := range map[string]struct {
		want    string
		kept    []int
		skipped int
	}{
		"nulls.arrow":         {"nulls.arrow: row 1 has no image (null)", []int{0, 4}, 3},
		"nulls.parquet":       {"nulls.parquet: row 1 has no bytes (null), only perhaps", []int{0, 4}, 3},
		"nulls-lists.arrow":   {"nulls-lists.arrow: row 0 has no image (null)", []int{1, 4}, 3},
		"nulls-lists.parquet": {"nulls-lists.parquet: row 0 has no image (null)", []int{1, 4}, 3},
	} {
		format := strings.TrimPrefix(filepath.Ext(name), ".")
		o := OpenOptions{Format: format, Path: "testdata/" + name}
		_, err := Open(context.Background(), o)
		assert.ErrorContains(t, err, c.want)
		o.SkipBroken = true
		for _, o.Stream = range []bool{false, true} {
			d, err := Open(context.Background(), o)
			require.NoError(t, err, name)
			require.Equal(t, len(c.kept), d.Len(), name)
			for i, k := range c.kept {
				assert.Equal(t, tableLabels[k], d.Labels()[i], "%s: %d", name, i)
				assert.Equal(t, float32(k+5)/255, d.Image(i)[5], "%s: %d", name, i)
			}
			require.Len(t, d.Info().Skipped, c.skipped, name)
			assert.Contains(t, d.Info().Skipped[1], name+": row 2", name)
			d.Close()
		}
	}
}

func TestTableFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	for to, from := range map[string]string{
		"train-00000-of-00002.parquet": "hf.parquet", "train-00001-of-00002.parquet": "v2.parquet", "test-00000-of-00001.parquet": "gzip.parquet",
	} {
		content, err := os.ReadFile("testdata/" + from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "data", to), content, 0o600))
	}
	f, err := parquetFiles(OpenOptions{Path: dir, Split: "train"})
	require.NoError(t, err)
	assert.Equal(t, append(tableLabels[:5:5], tableLabels...), f.labels)
	assert.Equal(t, filepath.Join(dir, "data", "train-00001-of-00002.parquet")+": row 1", f.source.name(6))
	assert.Equal(t, countingFrom(1), readAll(t, f)[6])
	f, err = parquetFiles(OpenOptions{Path: dir, Split: "test", LabelColumn: "label", ClassNames: []string{"a", "b"}})
	require.NoError(t, err)
	assert.Equal(t, 5, f.count)
	assert.Equal(t, []string{"a", "b"}, f.names)
	f.close()
	for want, o := range map[string]OpenOptions{
		`split is "valid", want what the name of a file in`:                          {Path: dir, Split: "valid"},
		"which needs a folder as path":                                               {Path: "testdata/hf.parquet", Split: "train"},
		"image_column is \"picture\", want one of the columns [\"image\" \"label\"]": {Path: dir, ImageColumn: "picture"},
		"label_column is \"class\", want one of the columns":                         {Path: dir, LabelColumn: "class"},
		"labels[0] is 1, want 0..0: class_names has 1 names":                         {Path: dir, ClassNames: []string{"one"}},
		`path is ""`:             {},
		"no such file":           {Path: filepath.Join(dir, "nowhere")},
		"images is \"x\", which": {Path: dir, Images: "x"},
	} {
		_, err := parquetFiles(o)
		assert.ErrorContains(t, err, want)
	}
	_, err = parquetFiles(OpenOptions{Path: t.TempDir()})
	assert.ErrorContains(t, err, "holds no files *.parquet")
}
