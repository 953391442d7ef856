package data

import (
	"os"
	"path/filepath"
)

// fashionClasses are the publisher's names of labels 0 to 9: github.com/zalandoresearch/fashion-mnist, "Labels".
var fashionClasses = []string{
	"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
}

// FashionMNIST reads the "train" (60,000 images) or "test" (10,000) split of Fashion-MNIST, uint8 of shape (28, 28, 1), from a folder
// that holds the published IDX files, gzip-compressed or not.
func FashionMNIST(dir, split string) (*Dataset, error) {
	prefix, ok := map[string]string{"train": "train", "test": "t10k"}[split]
	if !ok {
		return nil, argErrorf("split is %q, want \"train\" or \"test\"", split)
	}
	images, err := findGzip(dir, prefix+"-images-idx3-ubyte")
	if err != nil {
		return nil, err
	}
	labels, err := findGzip(dir, prefix+"-labels-idx1-ubyte")
	if err != nil {
		return nil, err
	}
	d, err := ReadIDX(images, labels)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if h, w, c := d.Shape(); h != 28 || w != 28 || c != 1 {
		return nil, Errorf(ErrFormat, "data: %s holds images of shape (%d, %d, %d), want (28, 28, 1)", images, h, w, c)
	}
	if d.Classes() > len(fashionClasses) {
		return nil, Errorf(ErrFormat, "data: %s holds label %d, want 0..9", labels, d.Classes()-1)
	}
	return d.WithLabels(d.Labels(), fashionClasses)
}

// findGzip returns the path of the file called name, or name.gz, in the folder dir.
func findGzip(dir, name string) (string, error) {
	for _, candidate := range []string{name + ".gz", name} {
		path := filepath.Join(dir, candidate)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", Errorf(ErrIO, "data: folder %q has no %s.gz and no %s", dir, name, name)
}
