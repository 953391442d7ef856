package data

import (
	"path"
	"slices"
	"strings"
)

// cifar describes how the binary version of CIFAR-10 or CIFAR-100 is stored:
// cs.toronto.edu/~kriz/cifar.html.
type cifar struct {
	name   string
	files  map[string][]string // of each split
	labels []cifarLabels       // each takes one byte before an image
	other  []string            // files of the Python and MATLAB versions, to recognise them
}

type cifarLabels struct {
	name    string   // value of the option labels
	file    string   // holds the class names
	classes []string // used if the file is missing
	count   int
}

var cifarVersions = map[string]cifar{
	"cifar10": {
		name: "CIFAR-10",
		files: map[string][]string{
			"train": {
				"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
				"data_batch_5.bin",
			},
			"test": {"test_batch.bin"},
		},
		labels: []cifarLabels{{file: "batches.meta.txt", count: 10, classes: []string{
			"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}}},
		other: []string{
			"data_batch_1", "test_batch", "batches.meta", "data_batch_1.mat", "test_batch.mat",
			"batches.meta.mat",
		},
	},
	"cifar100": {
		name:  "CIFAR-100",
		files: map[string][]string{"train": {"train.bin"}, "test": {"test.bin"}},
		labels: []cifarLabels{
			{name: "coarse", file: "coarse_label_names.txt", count: 20},
			{name: "fine", file: "fine_label_names.txt", count: 100},
		},
		other: []string{"train", "test", "meta", "train.mat", "test.mat", "meta.mat"},
	},
}

const cifarSide = 32

// cifar10 reads the binary version of CIFAR-10: uint8 images of shape (32, 32, 3). The path is the
// published archive, a folder that holds its files, or a folder that holds the published folder
// cifar-10-batches-bin.
func cifar10(o OpenOptions) (*found, error) {
	if err := o.uses("path", "split"); err != nil {
		return nil, err
	}
	return cifarVersions["cifar10"].open(o, 0)
}

// cifar100 reads the binary version of CIFAR-100 from the same kinds of paths. The option labels
// chooses one of its two labels.
func cifar100(o OpenOptions) (*found, error) {
	if err := o.uses("path", "split", "labels"); err != nil {
		return nil, err
	}
	which, ok := map[string]int{"coarse": 0, "fine": 1, "": 1}[o.Labels]
	if !ok {
		return nil, argErrorf("labels is %q, want \"fine\" or \"coarse\"", o.Labels)
	}
	return cifarVersions["cifar100"].open(o, which)
}

// open opens a split. which is the index in v.labels of the label to use.
func (v cifar) open(o OpenOptions, which int) (*found, error) {
	files, ok := v.files[o.Split]
	if !ok {
		return nil, argErrorf("split is %q, want \"train\" or \"test\"", o.Split)
	}
	needed := append(slices.Clone(files), v.labels[which].file)
	other := false
	t, err := openTree(o, func(p string, folder bool) bool {
		deep := strings.Count(p, "/")
		other = other || !folder && deep < 2 && slices.Contains(v.other, path.Base(p))
		return folder && deep == 0 || deep < 2 && slices.Contains(needed, path.Base(p))
	})
	if err != nil {
		return nil, err
	}
	f, err := v.find(t, files, which)
	switch {
	case err != nil && other:
		return nil, Errorf(ErrUnsupported,
			"data: %s holds the Python or MATLAB version of %s, want the binary version: %s", o.Path, v.name,
			strings.Join(files, ", "))
	case err != nil:
		return nil, err
	case o.Stream:
		return f, nil
	}
	return f.load()
}

// find opens the files of a split, in the root of the tree or in one of its folders.
func (v cifar) find(t *tree, files []string, which int) (f *found, err error) {
	dir := "."
	for _, f := range t.files {
		if path.Base(f.path) == files[0] {
			dir = path.Dir(f.path)
			break
		}
	}
	source := &rawFiles{labels: len(v.labels), shape: [3]int{cifarSide, cifarSide, 3}, planar: true, tree: t}
	defer func() {
		if err != nil {
			_ = source.close()
		}
	}()
	count := 0
	for _, name := range files {
		opened, err := v.file(t, path.Join(dir, name), source.labels+source.size())
		if err != nil {
			return nil, err
		}
		source.files = append(source.files, opened)
		count += opened.count
	}
	names, err := v.labels[which].names(t, dir)
	if err != nil {
		return nil, err
	}
	if need, have := int64(count)*int64(source.size()), AvailableMemory(); !t.options.Stream && need > have {
		return nil, Errorf(ErrMemory,
			"data: %s holds %d images of %d bytes, %d bytes are available: open it as a stream", t.path, count,
			source.size(), have)
	}
	labels := make([]int32, count)
	err = source.eachLabel(func(i int, bytes []byte) error {
		for k, l := range v.labels {
			if int(bytes[k]) >= l.count {
				return Errorf(ErrFormat, "data: %s has the %s %d, want 0..%d", source.name(i),
					strings.TrimSpace(l.name+" label"), bytes[k], l.count-1)
			}
		}
		labels[i] = int32(bytes[which])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &found{source: source, count: count, labels: labels, names: names, shape: source.shape}, nil
}

// file opens a file whose images take record bytes each, labels included.
func (v cifar) file(t *tree, name string, record int) (rawFile, error) {
	i := slices.IndexFunc(t.files, func(f file) bool { return f.path == name })
	if i < 0 {
		return rawFile{}, Errorf(ErrIO, "data: %s has no file %s: want the binary version of %s", t.path, name, v.name)
	}
	r, size, done, err := t.open(&t.files[i])
	if err != nil {
		return rawFile{}, Errorf(ErrIO, "data: opening %s: %w", t.name(name), err)
	}
	if size == 0 || size%int64(record) != 0 {
		_ = done()
		return rawFile{}, Errorf(ErrFormat,
			"data: %s has %d bytes, want a multiple of %d, the size of an image with its labels: %s", t.name(name),
			size, record, "it is truncated, or another format")
	}
	return rawFile{ReaderAt: r, name: t.name(name), count: int(size / int64(record)), done: done}, nil
}

// names returns the class names: the words of their file or, if there is none, the defaults.
func (l cifarLabels) names(t *tree, dir string) ([]string, error) {
	p := path.Join(dir, l.file)
	text, ok, err := t.text(p)
	if err != nil || !ok {
		return l.classes, err
	}
	names := strings.Fields(text)
	if len(names) != l.count {
		return nil, Errorf(ErrFormat, "data: %s has %d names, want %d", t.name(p), len(names), l.count)
	}
	if name, twice := repeated(names); twice {
		return nil, Errorf(ErrFormat, "data: %s lists %q twice", t.name(p), name)
	}
	return names, nil
}
