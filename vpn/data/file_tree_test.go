package data

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// entry is a file of a folder or archive, or a folder if its name ends in "/".
type entry struct {
	name    string
	content []byte
}

func folderOf(t testing.TB, entries ...entry) string {
	dir := t.TempDir()
	for _, e := range entries {
		path := filepath.Join(dir, e.name)
		if strings.HasSuffix(e.name, "/") {
			require.NoError(t, os.MkdirAll(path, 0o700))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, e.content, 0o600))
	}
	return dir
}

func tarOf(entries ...entry) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.content)), Mode: 0o600}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		w.Write(e.content)
	}
	w.Close()
	return out.Bytes()
}

func inFolder(dir string, entries []entry) []entry {
	wrapped := []entry{{dir + "/README.md", []byte("a file")}}
	for _, e := range entries {
		wrapped = append(wrapped, entry{dir + "/" + e.name, e.content})
	}
	return wrapped
}

// threeForms writes the entries as a folder, a tar file and two tar.gz files. The first two
// archives wrap the entries in a folder.
func threeForms(t testing.TB, entries []entry) map[string]string {
	dir := t.TempDir()
	wrapped := tarOf(inFolder("wrapping", entries)...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.tar"), wrapped, 0o600))
	// A tar.gz file is recognised by its content.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), zip(wrapped), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "flat.tar.gz"), zip(tarOf(entries...)), 0o600))
	return map[string]string{
		"folder": folderOf(t, entries...), "tar": filepath.Join(dir, "x.tar"), "tar.gz": filepath.Join(dir, "x"),
		"tar.gz without a wrapping folder": filepath.Join(dir, "flat.tar.gz"),
	}
}

// contents returns all images as they are stored, and closes the set.
func contents(t *testing.T, f *found) (images []string) {
	for i := range f.count {
		content, err := f.source.read(i, nil)
		require.NoError(t, err)
		images = append(images, string(content))
	}
	require.NoError(t, f.source.close())
	return images
}

var classFolders = []entry{
	{
		"train/dog/10.png", []byte("d10"),
	},
	{"train/dog/9.PNG", []byte("d9")},
	{"train/dog/a/z/1.jpg", []byte("daz1")},
	{"train/dog/a-b/1.JPEG", []byte("dab1")},
	{
		"train/cat.x/1.webp", []byte("cx"),
	},
	{"train/cat/1.bmp", []byte("c1")},
	{"train/cat/notes.txt", []byte("-")},
	{"train/cat/.2.png", []byte("-")},
	{
		"train/.hidden/1.png", []byte("-"),
	},
	{"train/readme.png", []byte("-")},
	{"test/dog/1.png", []byte("t")},
	{"notes.md", []byte("-")},
}

// The order is torchvision's: classes by name, then folders as by sorted(os.walk(class)), then
// files by name.
func TestImageFolder(t *testing.T) {
	for name, path := range threeForms(t, classFolders) {
		f, err := imageFolder(OpenOptions{Path: path, Split: "train"})
		require.NoError(t, err, name)
		assert.Equal(t, []string{"cat", "cat.x", "dog"}, f.names, name)
		assert.Equal(t, []int32{0, 1, 2, 2, 2, 2}, f.labels, name)
		assert.True(t, strings.HasSuffix(f.source.name(0), "train/cat/1.bmp"), f.source.name(0))
		assert.Equal(t, []string{"c1", "cx", "d10", "d9", "dab1", "daz1"}, contents(t, f), name)
		f, err = imageFolder(OpenOptions{Path: path, Split: "test"})
		require.NoError(t, err, name)
		assert.Equal(t, []string{"dog"}, f.names, "those of the split alone, as torchvision has them")
		f.close()
	}
	for name, path := range threeForms(t, []entry{{"b/1.png", []byte("b")}, {"a/1.png", []byte("a")}, {"a/2.png", []byte("a2")}}) {
		f, err := imageFolder(OpenOptions{Path: path})
		require.NoError(t, err, name)
		assert.Equal(t, []string{"a", "b"}, f.names, name)
		assert.Equal(t, []string{"a", "a2", "b"}, contents(t, f), name)
	}
}

func TestImageFolderRefuses(t *testing.T) {
	image := []byte("x")
	for want, c := range map[string]struct {
		entries []entry
		split   string
	}{
		`split is "valid", want one of the folders of`:                 {classFolders, "valid"},
		`: ["test" "train"]`:                                           {classFolders, "valid"},
		`split is "../x", want the name of a folder`:                   {classFolders, "../x"},
		`has class folders without images: ["b" "c"]; want at least`:   {[]entry{{"train/a/1.png", image}, {"train/c/1.txt", image}, {"train/b/", nil}}, "train"},
		`has no folders, want one of images (.jpg, .jpeg, .png, .webp`: {[]entry{{"train/1.png", image}}, "train"},
	} {
		for name, path := range threeForms(t, c.entries) {
			_, err := imageFolder(OpenOptions{Path: path, Split: c.split})
			assert.ErrorContains(t, err, want, name)
		}
	}
	_, err := imageFolder(OpenOptions{Path: "", Split: "train"})
	assert.EqualError(t, err, `data: path is "", want a folder, or a tar or tar.gz file`)
	_, err = imageFolder(OpenOptions{Path: filepath.Join(t.TempDir(), "nowhere")})
	assert.ErrorIs(t, err, ErrIO)
	_, err = imageFolder(OpenOptions{Format: "image-folder", Path: "x", Labels: "fine"})
	assert.EqualError(t, err, `data: labels is "fine", which the format image-folder does not use`)
}

// Links are followed, also out of the folder: many data sets are folders of links.
func TestFolderLinks(t *testing.T) {
	outside := folderOf(t, entry{"x.png", []byte("x")}, entry{"y.png", []byte("y")})
	link := func(name, target string) string {
		dir := folderOf(t, entry{"train/a/1.png", []byte("1")}, entry{"other/2.png", []byte("2")})
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
		return dir
	}
	for _, c := range []struct {
		name, target string
		want         []string
	}{
		{"train/a/2.png", filepath.Join(outside, "x.png"), []string{"1", "x"}},
		{"train/b", outside, []string{"1", "x", "y"}},
		{"train/b", "../other", []string{"1", "2"}},
		{"train/a/2.png", "../../other/2.png", []string{"1", "2"}},
	} {
		f, err := imageFolder(OpenOptions{Path: link(c.name, c.target), Split: "train"})
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, contents(t, f))
	}
	_, err := imageFolder(OpenOptions{Path: link("train/a/loop", "../../train"), Split: "train"})
	assert.ErrorContains(t, err, "loop is a symbolic link to a folder that it lies in")
	lost := link("train/a/4.png", "nowhere")
	_, err = imageFolder(OpenOptions{Path: lost, Split: "train"})
	assert.ErrorContains(t, err, "train/a/4.png is a symbolic link that leads nowhere")
	assert.ErrorIs(t, err, ErrFormat)
	f, err := imageFolder(OpenOptions{Path: lost, Split: "train", SkipBroken: true})
	require.NoError(t, err)
	assert.Equal(t, 1, f.count)
	require.Len(t, f.skipped, 1)
	assert.Contains(t, f.skipped[0], "leads nowhere")

	dir := link("train/a/2.png", "1.png")
	f, err = imageFolder(OpenOptions{Path: dir, Split: "train"})
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "train/a/2.png")))
	_, err = f.source.read(1, nil)
	assert.ErrorContains(t, err, "no such file")
	require.NoError(t, os.Truncate(filepath.Join(dir, "train/a/1.png"), maxEncoded+1))
	_, err = f.source.read(0, nil)
	assert.ErrorContains(t, err, "has 268435457 bytes, want at most 268435456")
	f.close()
}

// A stream of a folder survives a change of the working folder.
func TestFolderByRelativePath(t *testing.T) {
	dir := folderOf(t, entry{"set/a/1.png", []byte("1")})
	t.Chdir(dir)
	f, err := imageFolder(OpenOptions{Path: "set"})
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	assert.Equal(t, "set/a/1.png", f.source.name(0))
	assert.Equal(t, []string{"1"}, contents(t, f))
}

// Files in class folders that are no images are counted. Those that systems leave behind are not.
func TestOtherFiles(t *testing.T) {
	entries := []entry{
		{"s/a/1.png", nil}, {"s/a/2.GIF", nil}, {"s/a/deep/3.gif", nil}, {"s/b/1.JFIF", nil}, {"s/b/2.tiff", nil},
		{"s/b/x.avif", nil}, {"s/b/README", nil}, {"s/b/Thumbs.db", nil}, {"s/b/.DS_Store", nil}, {"s/b/._1.png", nil},
		{"s/__MACOSX/._1.png", nil}, {"s/notes.txt", nil}, {"t/a/1.gif", nil},
	}
	for name, path := range threeForms(t, entries) {
		f, err := imageFolder(OpenOptions{Path: path, Split: "s"})
		require.NoError(t, err, name)
		assert.Equal(t, []string{"a", "b"}, f.names)
		assert.Equal(t, 3, f.count)
		require.Len(t, f.warnings, 1, name)
		assert.Regexp(t, "^data: .*/s has other files in its class folders, which are left out: "+
			`2 \.gif, 1 without a suffix, 1 \.avif$`, f.warnings[0])
		f.close()
		_, err = imageFolder(OpenOptions{Path: path, Split: "t"})
		assert.ErrorContains(t, err, `has class folders without images: ["a"]; want`, name)
		assert.ErrorContains(t, err, "; the files there are 1 .gif", name)
	}
}

func TestClassFolderNotUTF8(t *testing.T) {
	for name, path := range threeForms(t, []entry{{"caf\xe9/1.png", nil}, {"tea/1.png", nil}}) {
		_, err := imageFolder(OpenOptions{Path: path})
		assert.ErrorContains(t, err, `has the class folder "caf\xe9", whose name is not UTF-8`, name)
		assert.ErrorIs(t, err, ErrFormat)
	}
}

func TestArchiveRefuses(t *testing.T) {
	ok := tarOf(entry{"train/a/1.png", []byte("1")})
	linked := func(kind byte) []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: "train/a/1.png", Typeflag: kind, Linkname: "/etc/passwd"}))
		w.Close()
		return out.Bytes()
	}
	lying := bytes.Clone(ok)
	copy(lying[124:], "77777777777") // the size, in octal
	sum := 0
	copy(lying[148:], "        ")
	for _, b := range lying[:512] {
		sum += int(b)
	}
	copy(lying[148:], fmt.Sprintf("%06o\x00 ", sum))
	cut := zip(ok)
	broken := bytes.Clone(cut)
	broken[len(broken)-6] ^= 1
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"dots":            {tarOf(entry{"train/a/../../../x.png", nil}), `holds the name "train/a/../../../x.png", want relative names without ".."`},
		"absolute":        {tarOf(entry{"/train/a/1.png", nil}), `holds the name "/train/a/1.png"`},
		"long":            {tarOf(entry{"train/" + strings.Repeat("x", 2000) + "/1.png", nil}), "of at most 1024 bytes"},
		"twice":           {tarOf(entry{"train/a/1.png", []byte("1")}, entry{"./train//a/1.png", []byte("2")}), "train/a/1.png occurs twice"},
		"symbolic link":   {linked(tar.TypeSymlink), `train/a/1.png is a link to "/etc/passwd", want plain files`},
		"hard link":       {linked(tar.TypeLink), `train/a/1.png is a link to "/etc/passwd", want plain files`},
		"size that lies":  {lying, "want at most 268435456"},
		"lies in gzip":    {zip(lying), "want at most 268435456"},
		"cut":             {ok[:512], "is truncated"},
		"cut in gzip":     {cut[:len(cut)-9], "is truncated"},
		"wrong checksum":  {broken, "is damaged: gzip: invalid checksum"},
		"text":            {[]byte(strings.Repeat("not an archive ", 100)), "is neither a tar nor a tar.gz file"},
		"gzip of text":    {zip([]byte(strings.Repeat("not an archive ", 100))), "is neither a tar nor a tar.gz file"},
		"empty":           {nil, "is truncated"},
		"no images in it": {tarOf(), `split is "train", want one of the folders of`},
	} {
		_, err := imageFolder(OpenOptions{Path: write(t, "x", c.content), Split: "train"})
		assert.ErrorContains(t, err, c.want, name)
	}
	bomb := bytes.Repeat(zip(make([]byte, 64<<20)), minUnpacked>>26+1) // concatenated gzip files are one gzip file
	_, err := imageFolder(OpenOptions{Path: write(t, "x", bomb), Split: "train"})
	assert.ErrorContains(t, err, "unpacks to more than 1073741824 bytes and 20 times its size")
	assert.ErrorIs(t, err, ErrFormat)
}

// Counts and class names are from the README beside the archives, and the first file's size from
// tar.
func TestSharedArchives(t *testing.T) {
	for _, c := range []struct {
		format, file, split string
		images, classes     int
		first               string
		size                int
	}{
		{"image-folder", "cifar-10-images-jpeg.tar.gz", "train", 50000, 10, "airplane", 924},
		{"image-folder", "cifar-10-images-jpeg.tar.gz", "test", 10000, 10, "airplane", 888},
		{"tiny-imagenet", "tiny-imagenet-20.tar.gz", "train", 10000, 20, "bullfrog", 2048},
		{"tiny-imagenet", "tiny-imagenet-20.tar.gz", "val", 1000, 20, "bullfrog", 2535},
	} {
		f, err := readers[c.format](OpenOptions{Path: sharedData(t, c.file), Split: c.split})
		require.NoError(t, err)
		assert.Equal(t, c.images, f.count)
		assert.Len(t, f.names, c.classes)
		assert.Equal(t, c.first, f.names[0])
		perClass := make([]int, c.classes)
		for _, label := range f.labels {
			perClass[label]++
		}
		for _, n := range perClass {
			assert.Equal(t, c.images/c.classes, n)
		}
		for i := range f.count { // every image is a JPEG file: first and last marker
			content, err := f.source.read(i, nil)
			require.NoError(t, err)
			require.Equal(t, "\xff\xd8\xff\xd9", string(content[:2])+string(content[len(content)-2:]), f.source.name(i))
			if i == 0 {
				assert.Len(t, content, c.size)
			}
		}
		f.close()
	}
}

// sharedData returns the path of a test file that the repository does not hold.
func sharedData(t testing.TB, name string) string {
	root := os.Getenv("GOVPN_DATA")
	if root == "" {
		root = "../../../shared/data"
	}
	if _, err := os.Stat(root); err != nil {
		t.Skip("no data: set GOVPN_DATA to the folder that holds " + name)
	}
	return filepath.Join(root, name)
}
