package data

import (
	"archive/tar"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Readers get any bytes as a file. They must return a set whose images can all be read, or an error
// that names the file. They may not allocate more than a bound.

// checkFuzzed checks what a reader returns for a file.
func checkFuzzed(t *testing.T, path string, open func() (*found, error)) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := open()
	runtime.ReadMemStats(&after)
	info, statErr := os.Stat(path)
	require.NoError(t, statErr)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(512<<20+1100*info.Size()), "bytes allocated")
	if err != nil {
		assert.ErrorContains(t, err, path)
		assert.NotErrorIs(t, err, ErrInternal)
		return
	}
	defer f.close()
	if f.ready != nil {
		assert.Positive(t, f.ready.Len())
		return
	}
	require.Positive(t, f.count)
	_, err = checkLabels(f.labels, f.names, f.count)
	require.NoError(t, err)
	if f.labels != nil {
		require.Len(t, f.labels, f.count)
		assert.GreaterOrEqual(t, slices.Min(f.labels), int32(0))
	}
	for _, i := range []int{0, f.count / 2, f.count - 1} {
		image, err := f.source.read(i, nil)
		require.NoError(t, err)
		assert.NotEmpty(t, f.source.name(i))
		if size := f.shape[0] * f.shape[1] * f.shape[2]; size > 0 {
			assert.Len(t, image, size)
		}
	}
}

func fuzzed(t *testing.T, name string, content []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func FuzzIDX(f *testing.F) {
	for _, seed := range [][]byte{threeImages, threeLabels, zip(threeImages), idx([]byte{1, 2, 2, 3}, make([]byte, 12)...)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := fuzzed(t, "x", content)
		for _, stream := range []bool{false, true} {
			checkFuzzed(t, path, func() (*found, error) { return idxFiles(OpenOptions{Images: path, Stream: stream}) })
		}
		if labels, err := readIDXLabels(path, 3); err == nil {
			assert.Len(t, labels, 3)
		}
	})
}

func FuzzCIFAR(f *testing.F) {
	f.Add(record([]byte{3}, 7, 8, 9), []byte(strings.Join(cifarVersions["cifar10"].labels[0].classes, "\n")))
	f.Add([]byte("x"), []byte("cat\ndog"))
	f.Fuzz(func(t *testing.T, content, names []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"test_batch.bin": content, "test.bin": content, "batches.meta.txt": names, "fine_label_names.txt": names} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
		}
		for _, stream := range []bool{false, true} {
			checkFuzzed(t, dir,
				func() (*found, error) { return cifar10(OpenOptions{Path: dir, Split: "test", Stream: stream}) })
			checkFuzzed(t, dir,
				func() (*found, error) { return cifar100(OpenOptions{Path: dir, Split: "test", Stream: stream}) })
		}
	})
}

func FuzzTar(f *testing.F) {
	small := []entry{{"train/a/1.png", []byte("1")}, {"train/b/", nil}, {"train/b/2.jpg", []byte("22")}}
	f.Add(tarOf(small...))
	f.Add(zip(tarOf(small...)))
	f.Add(tarOf(inFolder("x", small)...))
	f.Add(tarOf(entry{"a/../../b.png", nil}))
	f.Add(tarOf(tinyFiles()...))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := fuzzed(t, "x", content)
		for _, o := range []OpenOptions{{Path: path}, {Path: path, Split: "train"}} {
			checkFuzzed(t, path, func() (*found, error) { return imageFolder(o) })
		}
		checkFuzzed(t, path, func() (*found, error) { return tinyImageNet(OpenOptions{Path: path, Split: "val"}) })
	})
}

// FuzzTarHeader fuzzes the fields of headers, in archives whose checksums are right.
func FuzzTarHeader(f *testing.F) {
	f.Add("train/a/1.png", byte(tar.TypeReg), "", int64(1), "1")
	f.Add("./train/a/1.png", byte(tar.TypeSymlink), "/etc/passwd", int64(0), "")
	f.Fuzz(func(t *testing.T, name string, kind byte, link string, size int64, content string) {
		path := filepath.Join(t.TempDir(), "x")
		file, err := os.Create(path)
		require.NoError(t, err)
		defer file.Close()
		w := tar.NewWriter(file)
		if w.WriteHeader(&tar.Header{Name: name, Typeflag: kind, Linkname: link, Size: size}) != nil {
			return
		}
		_, _ = w.Write([]byte(content))
		checkFuzzed(t, path, func() (*found, error) { return imageFolder(OpenOptions{Path: path}) })
	})
}

func FuzzAnnotations(f *testing.F) {
	f.Add(tinyAnnotations, "n01 n02 n03")
	f.Fuzz(func(t *testing.T, text, wnids string) {
		classes := slices.Compact(slices.Sorted(slices.Values(strings.Fields(wnids))))
		annotations, err := parseAnnotations(text, classes)
		if err != nil {
			assert.Regexp(t, "^line [0-9]+ ", err.Error())
			return
		}
		for name, a := range annotations {
			assert.NotContains(t, name, "/")
			assert.Less(t, int(a.class), len(classes))
			assert.True(t, strings.HasPrefix(strings.Split(text, "\n")[a.line-1], name+"\t"+classes[a.class]+"\t"))
		}
	})
}

func fuzzTables(f *testing.F, pattern, name string) {
	seeds, err := filepath.Glob(pattern)
	require.NoError(f, err)
	require.NotEmpty(f, seeds)
	for _, seed := range seeds {
		content, err := os.ReadFile(seed)
		require.NoError(f, err)
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := fuzzed(t, name, content)
		checkFuzzed(t, path, func() (*found, error) { return openTable(path) })
	})
}

func FuzzArrowFile(f *testing.F) { fuzzTables(f, "testdata/*.arrow", "x.arrow") }

func FuzzParquet(f *testing.F) { fuzzTables(f, "testdata/*.parquet", "x.parquet") }

// FuzzParquetFooter reads footers that pass the check with arrow-go, which may not allocate more than
// a bound for them.
func FuzzParquetFooter(f *testing.F) {
	f.Add([]byte("\x15\x04\x29\xfc\xff\xff\xff\xff\x0f\x00"))
	f.Fuzz(func(t *testing.T, footer []byte) {
		if checkParquetFooter(footer) != nil {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		func() {
			defer func() { _ = recover() }() // as table.readFile does
			_, _ = metadata.NewFileMetaData(footer, nil)
		}()
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20+10_000*len(footer)), "bytes allocated")
	})
}
