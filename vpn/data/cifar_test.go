package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// record returns an image as CIFAR stores it: its labels, then 1024 red, 1024 green and 1024 blue
// values. All values of one colour are equal.
func record(labels []byte, red, green, blue byte) []byte {
	out := slices.Clone(labels)
	for _, v := range []byte{red, green, blue} {
		out = append(out, slices.Repeat([]byte{v}, 1024)...)
	}
	return out
}

func cifarFiles() []entry {
	var entries []entry
	for i := range 5 {
		first := record([]byte{byte(i)}, byte(i), 50, 100)
		first[1+32+1] = 200 // the red value in row 1, column 1
		entries = append(entries,
			entry{"data_batch_" + string(rune('1'+i)) + ".bin", append(first, record([]byte{9}, 1, 2, 3)...)})
	}
	return append(entries, entry{"test_batch.bin", record([]byte{3}, 7, 8, 9)}, entry{"readme.html", []byte("x")},
		entry{"batches.meta.txt", []byte(strings.Join(cifarVersions["cifar10"].labels[0].classes, "\n") + "\n\n")})
}

func TestCIFAR10(t *testing.T) {
	forms := threeForms(t, cifarFiles())
	forms["published folder"] = folderOf(t, inFolder("cifar-10-batches-bin", cifarFiles())...)
	for name, path := range forms {
		for _, stream := range []bool{false, true} {
			f, err := cifar10(OpenOptions{Path: path, Split: "train", Stream: stream})
			require.NoError(t, err, name)
			labels, names := f.labels, f.names
			var images [][]byte
			if stream {
				assert.Equal(t, [3]int{32, 32, 3}, f.shape)
				assert.True(t, strings.HasSuffix(f.source.name(2), "data_batch_2.bin: image 0"), f.source.name(2))
				for _, image := range contents(t, f) {
					images = append(images, []byte(image))
				}
			} else {
				labels, names = f.ready.Labels(), f.ready.ClassNames()
				images = slices.Collect(slices.Chunk(pixels8(f.ready), 3072))
				f.close()
			}
			assert.Equal(t, []int32{0, 9, 1, 9, 2, 9, 3, 9, 4, 9}, labels, name)
			assert.Equal(t, []string{"airplane", "automobile", "bird"}, names[:3], name)
			require.Len(t, images, 10)
			assert.Equal(t, []byte{4, 50, 100}, images[8][:3], "red, green and blue of the first pixel")
			assert.Equal(t, []byte{200, 50, 100}, images[8][(32+1)*3:][:3], "row 1, column 1")
			assert.Equal(t, []byte{1, 2, 3}, images[9][3069:])
		}
	}
	d, err := Open(t.Context(), OpenOptions{Format: "cifar10", Path: forms["tar"], Split: "test"})
	require.NoError(t, err)
	assert.Equal(t, []int32{3}, d.Labels())
	d.Close()
}

func TestCIFAR100(t *testing.T) {
	names := func(n int) (text []byte) {
		for i := range n {
			text = fmt.Appendf(text, "class%d\n", i)
		}
		return text
	}
	dir := folderOf(t, inFolder("cifar-100-binary", []entry{
		{
			"test.bin", append(record([]byte{19, 99}, 1, 2, 3), record([]byte{2, 7}, 4, 5, 6)...),
		},
		{"fine_label_names.txt", names(100)},
	})...)
	for labels, want := range map[string][]int32{"": {99, 7}, "fine": {99, 7}, "coarse": {19, 2}} {
		f, err := cifar100(OpenOptions{Path: dir, Split: "test", Labels: labels})
		require.NoError(t, err)
		assert.Equal(t, want, f.ready.Labels())
		assert.Equal(t, labels != "coarse", f.ready.ClassNames() != nil, "there is no coarse_label_names.txt")
		assert.Equal(t, []byte{4, 5, 6}, pixels8(f.ready)[3072:3075])
		f.close()
	}
	_, err := cifar100(OpenOptions{Path: dir, Split: "test", Labels: "both"})
	assert.EqualError(t, err, `data: labels is "both", want "fine" or "coarse"`)
}

func TestCIFARRefuses(t *testing.T) {
	image := record([]byte{3}, 7, 8, 9)
	without := func(name string) []entry {
		return slices.DeleteFunc(cifarFiles(), func(e entry) bool { return e.name == name })
	}
	for want, c := range map[string]struct {
		entries []entry
		split   string
	}{
		`split is "", want "train" or "test"`:                        {nil, ""},
		"has no file data_batch_3.bin: want the binary":              {without("data_batch_3.bin"), "train"},
		"holds the Python or MATLAB version of CIFAR-10, want the b": {[]entry{{"cifar-10-batches-py/data_batch_1", image}}, "train"},
		"want the binary version: test_batch.bin":                    {[]entry{{"test_batch.mat", image}}, "test"},
		"test_batch.bin has 3072 bytes, want a multiple of 3073":     {[]entry{{"test_batch.bin", image[1:]}}, "test"},
		"test_batch.bin has 0 bytes, want a multiple of 3073":        {[]entry{{"test_batch.bin", nil}}, "test"},
		"test_batch.bin: image 1 has the label 10, want 0..9":        {[]entry{{"test_batch.bin", append(image, record([]byte{10}, 0, 0, 0)...)}}, "test"},
		"batches.meta.txt has 2 names, want 10":                      {[]entry{{"test_batch.bin", image}, {"batches.meta.txt", []byte("cat\ndog\n")}}, "test"},
		`batches.meta.txt lists "b" twice`:                           {[]entry{{"test_batch.bin", image}, {"batches.meta.txt", []byte("a b c d e f g h b a")}}, "test"},
	} {
		for _, stream := range []bool{false, true} {
			_, err := cifar10(OpenOptions{Path: folderOf(t, c.entries...), Split: c.split, Stream: stream})
			assert.ErrorContains(t, err, want)
		}
	}
	dir := folderOf(t, cifarFiles()...)
	f, err := cifar10(OpenOptions{Path: dir, Split: "test", Stream: true})
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, "test_batch.bin"), 100)) // after it was opened
	_, err = f.source.read(0, nil)
	assert.ErrorContains(t, err, "got 99 of 3072 bytes")
	f.close()
}
