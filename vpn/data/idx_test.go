package data

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// idx returns an IDX file: two zeros, type 8 (uint8), the number of dimensions, the dimensions
// (here below 256) as big-endian uint32, the values.
func idx(dims []byte, values ...byte) []byte {
	out := []byte{0, 0, 8, byte(len(dims))}
	for _, dim := range dims {
		out = append(out, 0, 0, 0, dim)
	}
	return append(out, values...)
}

func zip(content []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(content)
	w.Close()
	return buf.Bytes()
}

func write(t *testing.T, name string, content []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// Three images of 1×2, and their labels.
var (
	threeImages = idx([]byte{3, 1, 2}, 10, 11, 20, 21, 30, 31)
	threeLabels = idx([]byte{3}, 4, 0, 9)
)

func TestReadIDX(t *testing.T) {
	for name, d := range map[string]func() (*Dataset, error){
		"plain": func() (*Dataset, error) { return ReadIDX(write(t, "i", threeImages), write(t, "l", threeLabels)) },
		"gzip": func() (*Dataset, error) {
			return ReadIDX(write(t, "i.gz", zip(threeImages)), write(t, "l.gz", zip(threeLabels)))
		},
		"with channels": func() (*Dataset, error) {
			return ReadIDX(write(t, "i", idx([]byte{3, 1, 2, 1}, threeImages[16:]...)), write(t, "l", threeLabels))
		},
	} {
		d, err := d()
		require.NoError(t, err, name)
		assert.Equal(t, []int32{4, 0, 9}, d.Labels(), name)
		assert.Equal(t, 10, d.Classes(), name)
		assert.Equal(t, []float32{20.0 / 255, 21.0 / 255}, d.Image(1), name)
		d.Close()
	}
	d, err := ReadIDX(write(t, "i", threeImages), "")
	require.NoError(t, err)
	assert.Nil(t, d.Labels())
}

func TestReadIDXRefuses(t *testing.T) {
	damaged := zip(threeImages)
	damaged[len(damaged)-5] ^= 1 // in the checksum
	long := idx([]byte{0, 1, 1})
	copy(long[4:], []byte{0xff, 0xff, 0xff, 0xff}) // 4294967295 images: refused before memory is allocated
	huge := idx([]byte{0, 0, 0, 1})
	for i := 4; i < 16; i++ {
		huge[i] = 0xff // the product of the dimensions exceeds 2^63
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "is truncated"},
		{"short header", threeImages[:9], "is truncated"},
		{"short values", threeImages[:20], "is truncated"},
		{"short values, gzip", zip(threeImages[:20]), "it holds 4 of 6 values of shape [3 1 2]"},
		{"cut gzip", zip(threeImages)[:30], "is truncated"},
		{"surplus", append(bytes.Clone(threeImages), 0), "has surplus bytes after the 6 values"},
		{"surplus, gzip", zip(append(bytes.Clone(threeImages), 0)), "has surplus bytes"},
		{"damaged gzip", damaged, "is damaged: gzip: invalid checksum"},
		{"PNG", []byte("\x89PNG\r\n\x1a\n"), "is not an IDX file: it starts with 89 50"},
		{"float values", append([]byte{0, 0, 0x0d}, threeImages[3:]...), "IDX type 0x0d, want 0x08 (uint8)"},
		{"labels", threeLabels, "has 1 dimensions, want 3 to 4"},
		{"no images", idx([]byte{0, 28, 28}), "has shape [0 28 28], want at least 1"},
		{"too long", long, "needs 4294967295 bytes, the file holds at most 16"},
		{"too long, gzip", zip(long), "needs 4294967295 bytes"},
		{"overflow", huge, "fewer than 2^63 values"},
	} {
		_, err := ReadIDX(write(t, "images", c.content), "")
		assert.ErrorContains(t, err, c.want, c.name)
		assert.ErrorIs(t, err, ErrFormat, c.name)
	}
	_, err := ReadIDX(write(t, "i", threeImages), write(t, "l", idx([]byte{2}, 0, 1)))
	assert.ErrorContains(t, err, "holds 2 labels, want 3: one per image")
	assert.ErrorIs(t, err, ErrFormat)
	for _, path := range []string{"nowhere", t.TempDir()} {
		_, err = ReadIDX(path, "")
		assert.ErrorIs(t, err, ErrIO)
	}
}

func TestIDXStream(t *testing.T) {
	f, err := idxFiles(
		OpenOptions{Images: write(t, "i", threeImages), Labels: write(t, "l.gz", zip(threeLabels)), Stream: true})
	require.NoError(t, err)
	assert.Equal(t, [3]int{1, 2, 1}, f.shape)
	assert.Equal(t, []int32{4, 0, 9}, f.labels)
	assert.Regexp(t, "i: image 2$", f.source.name(2))
	assert.Equal(t, []string{"\x0a\x0b", "\x14\x15", "\x1e\x1f"}, contents(t, f))
	f, err = idxFiles(OpenOptions{Images: write(t, "i.gz", zip(threeImages)), Stream: true})
	require.NoError(t, err)
	assert.Equal(t, 3, f.ready.Len(), "gzip-compressed: in memory")
	f.close()
	for want, o := range map[string]OpenOptions{
		`images is "", want the IDX file of the images`:         {},
		`split is "train", which the format idx does not use`:   {Format: "idx", Images: "x", Split: "train"},
		"has surplus bytes after the 6 values of shape [3 1 2]": {Images: write(t, "i", append(bytes.Clone(threeImages), 0))},
		"is truncated: it holds 4 of 6 values of shape [3 1 2]": {Images: write(t, "i", threeImages[:20])},
		"holds 2 labels, want 3":                                {Images: write(t, "i", threeImages), Labels: write(t, "l", idx([]byte{2}, 0, 1))},
		"is not an IDX file":                                    {Images: write(t, "i", []byte("\x89PNG\r\n\x1a\n"))},
		"no such file":                                          {Images: "nowhere"},
	} {
		for _, o.Stream = range []bool{false, true} {
			_, err := idxFiles(o)
			assert.ErrorContains(t, err, want)
		}
	}
}

func TestFashionMNIST(t *testing.T) {
	dir := sharedData(t, "fashion-mnist")
	d, err := FashionMNIST(dir, "train")
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, Info{Images: 60000, Height: 28, Width: 28, Channels: 1, DType: "uint8", Labelled: true, Classes: 10,
		ClassNames: fashionClasses, MemoryBytes: 60000 * 28 * 28, Skipped: []string{}, Warnings: []string{}}, d.Info())
	assert.Equal(t, []int32{9, 0, 0, 3, 0}, d.Labels()[:5]) // as numpy reads the published file
	total := 0
	for _, p := range d.store.u8 {
		total += int(p)
	}
	// This is the mean that most recipes normalise by.
	assert.InDelta(t, 0.2860, float64(total)/float64(len(d.store.u8))/255, 5e-5)
	a, b, err := Split(d, 50000, 0)
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	for k := range 10 { // the publisher says 6,000 images of each class
		assert.Equal(t, []int{5000, 1000}, []int{perClass(a)[k], perClass(b)[k]})
	}
	test, err := FashionMNIST(dir, "test")
	require.NoError(t, err)
	assert.Equal(t, 10000, test.Len())
	test.Close()
}

func TestFashionMNISTRefuses(t *testing.T) {
	_, err := FashionMNIST(t.TempDir(), "valid")
	assert.EqualError(t, err, `data: split is "valid", want "train" or "test"`)
	_, err = FashionMNIST(t.TempDir(), "test")
	assert.ErrorContains(t, err, "has no t10k-images-idx3-ubyte.gz and no t10k-images-idx3-ubyte")
	assert.ErrorIs(t, err, ErrIO)
	path := write(t, "t10k-images-idx3-ubyte", threeImages)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "t10k-labels-idx1-ubyte"), threeLabels, 0o600))
	_, err = FashionMNIST(filepath.Dir(path), "test")
	assert.ErrorContains(t, err, "holds images of shape (1, 2, 1), want (28, 28, 1)")
	assert.ErrorIs(t, err, ErrFormat)
}
