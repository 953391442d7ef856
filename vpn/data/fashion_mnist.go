package data

import (
	"os"
	"path/filepath"
	"slices"
)

// fashionClasses are the names of labels 0 to 9: github.com/zalandoresearch/fashion-mnist,
// "Labels".
var fashionClasses = []string{
	"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
}

// FashionMNIST reads the "train" (60,000 images) or "test" (10,000) split of Fashion-MNIST: uint8
// images of shape (28, 28, 1). dir holds the published IDX files, gzip-compressed or not.
func FashionMNIST(dir, split string) (*Dataset, error) {
	f, err := fashionMNIST(OpenOptions{Path: dir, Split: split})
	if err != nil {
		return nil, err
	}
	return f.ready, nil
}

// fashionMNIST is [FashionMNIST] with options. Files that are not compressed can be streamed.
func fashionMNIST(o OpenOptions) (*found, error) {
	if err := o.uses("path", "split"); err != nil {
		return nil, err
	}
	prefix, ok := map[string]string{"train": "train", "test": "t10k"}[o.Split]
	if !ok {
		return nil, argErrorf("split is %q, want \"train\" or \"test\"", o.Split)
	}
	if o.Path == "" {
		return nil, argErrorf("path is \"\", want the folder of the files")
	}
	images, err := findGzip(o.Path, prefix+"-images-idx3-ubyte")
	if err != nil {
		return nil, err
	}
	labels, err := findGzip(o.Path, prefix+"-labels-idx1-ubyte")
	if err != nil {
		return nil, err
	}
	f, err := openIDX(images, labels, o.Stream)
	if err != nil {
		return nil, err
	}
	if err := f.nameFashion(images, labels); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// nameFashion checks that the set can be Fashion-MNIST, and sets its class names.
func (f *found) nameFashion(images, labels string) error {
	shape, values := f.shape, f.labels
	if f.ready != nil {
		shape[0], shape[1], shape[2] = f.ready.Shape()
		values = f.ready.Labels()
	}
	if shape != [3]int{28, 28, 1} {
		return Errorf(ErrFormat, "data: %s holds images of shape (%d, %d, %d), want (28, 28, 1)", images, shape[0],
			shape[1], shape[2])
	}
	if largest := slices.Max(values); int(largest) >= len(fashionClasses) {
		return Errorf(ErrFormat, "data: %s holds label %d, want 0..9", labels, largest)
	}
	if f.ready == nil {
		f.names = fashionClasses
		return nil
	}
	named, err := f.ready.WithLabels(values, fashionClasses)
	if err == nil {
		f.ready.Close()
		f.ready = named
	}
	return err
}

// findGzip returns the path of the file name.gz or name in the folder dir.
func findGzip(dir, name string) (string, error) {
	for _, candidate := range []string{name + ".gz", name} {
		path := filepath.Join(dir, candidate)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", Errorf(ErrIO, "data: folder %q has no %s.gz and no %s", dir, name, name)
}
