package data

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setsOf returns the files of a small set in every format, and how to open it.
func setsOf(t *testing.T) map[string]struct {
	files   []entry
	options OpenOptions // Images and Labels lie in the folder
} {
	table := func(name string) []entry {
		content, err := os.ReadFile("testdata/" + name)
		require.NoError(t, err)
		return []entry{{name, content}}
	}
	picture, err := os.ReadFile("internal/imaging/testdata/files/rgb.png")
	require.NoError(t, err)
	tiny := tinyFiles()
	for i := range tiny {
		if isImage(tiny[i].name) {
			tiny[i].content = picture
		}
	}
	fashion := []entry{
		{"train-images-idx3-ubyte", idx([]byte{1, 28, 28}, make([]byte, 784)...)},
		{"train-labels-idx1-ubyte.gz", zip(idx([]byte{1}, 3))},
	}
	fine := make([]string, 100)
	for i := range fine {
		fine[i] = "class" + strings.Repeat("x", i)
	}
	return map[string]struct {
		files   []entry
		options OpenOptions
	}{
		"idx":           {[]entry{{"images", threeImages}, {"labels", threeLabels}}, OpenOptions{Images: "images", Labels: "labels"}},
		"fashion-mnist": {fashion, OpenOptions{Split: "train"}},
		"cifar10":       {cifarFiles(), OpenOptions{Split: "test"}},
		"cifar100": {[]entry{{"test.bin", record([]byte{1, 2}, 7, 8, 9)}, {"fine_label_names.txt", []byte(strings.Join(fine, "\n"))}},
			OpenOptions{Split: "test"}},
		"tiny-imagenet": {tiny, OpenOptions{Split: "val"}},
		"image-folder":  {[]entry{{"a/1.png", picture}, {"b/1.png", picture}}, OpenOptions{}},
		"arrow":         {table("file.arrow"), OpenOptions{}},
		"parquet":       {table("hf.parquet"), OpenOptions{}},
	}
}

// Whatever is wrong with a file of a set, in whatever format, the error names a file of the set or
// its folder. Files here are cut, emptied, mixed up and changed at single bytes.
func TestErrorsNameTheFile(t *testing.T) {
	sets := setsOf(t)
	for format := range readers {
		set, ok := sets[format]
		require.True(t, ok, "a new reader needs a set here: %s", format)
		dir := folderOf(t, set.files...)
		open := func(o OpenOptions) error {
			o.Format = format
			if o.Images != "" {
				o.Images, o.Labels = filepath.Join(dir, o.Images), filepath.Join(dir, o.Labels)
			} else {
				o.Path = dir
			}
			d, err := Open(context.Background(), o)
			if err == nil {
				d.Close()
			}
			return err
		}
		require.NoError(t, open(set.options), format)
		failed := 0
		for i, e := range set.files {
			var damaged [][]byte
			for _, n := range []int{0, 1, len(e.content) / 2, len(e.content) - 1} {
				damaged = append(damaged, e.content[:max(0, min(n, len(e.content)))])
			}
			damaged = append(damaged, set.files[(i+1)%len(set.files)].content, bytes.Repeat(e.content, 2),
				bytes.ReplaceAll(e.content, []byte("cat"), []byte("dog")), append([]byte{0xff, 0xfe}, e.content...),
				append([]byte("\xff\n"), e.content...))
			for at := 0; at < len(e.content); at += 1 + len(e.content)/10 {
				changed := bytes.Clone(e.content)
				changed[at] ^= 0xff
				damaged = append(damaged, changed)
			}
			path := filepath.Join(dir, e.name)
			for i, content := range damaged {
				require.NoError(t, os.WriteFile(path, content, 0o600))
				o := set.options
				o.Stream, o.SkipBroken = i%2 == 0, i%4 < 2
				if err := open(o); err != nil {
					failed++
					assert.ErrorContains(t, err, dir, "%s: %s", format, e.name)
					assert.NotErrorIs(t, err, ErrInternal)
				}
			}
			require.NoError(t, os.WriteFile(path, e.content, 0o600))
		}
		assert.GreaterOrEqual(t, failed, 5, format)
		for _, names := range [][]string{{"one"}, {"x", "x"}} {
			o := set.options
			o.ClassNames = names
			assert.ErrorContains(t, open(o), dir, format)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		message, path string
		want          bool
	}{
		{"data: a/b.png: is broken", "a", true},
		{"data: a/b.png: is broken", "b.png", false}, // the end of another path
		{"data: x is a set", "a", true},              // the word, which cannot be told from a path
		{"data: data is damaged", "data", true},
		{"data: damaged", "amage", false},
		{"data: damaged", "dam", false},
		{"data: damaged", "", false},
		{"data: /tmp/x: row 3", "/tmp/x", true},
		{"data: /tmp/x-1: row 3", "/tmp/x", false},
	} {
		assert.Equal(t, c.want, names(c.message, c.path), "%q in %q", c.path, c.message)
	}
}

// A byte order mark at the beginning of a list of names is not part of a name.
func TestByteOrderMark(t *testing.T) {
	for format, set := range setsOf(t) {
		for i, e := range set.files {
			if filepath.Ext(e.name) == ".txt" {
				set.files[i].content = append([]byte("\ufeff"), bytes.ReplaceAll(e.content, []byte("\n"), []byte("\r\n"))...)
			}
		}
		if set.options.Images != "" {
			continue
		}
		o := set.options
		o.Format, o.Path = format, folderOf(t, set.files...)
		d, err := Open(context.Background(), o)
		require.NoError(t, err, format)
		for _, name := range d.ClassNames() {
			assert.NotContains(t, name, "\ufeff", format)
		}
		d.Close()
	}
}
