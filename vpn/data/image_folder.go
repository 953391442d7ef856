package data

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// imageSuffixes are the suffixes of image files, in upper or lower case.
var imageSuffixes = []string{".jpg", ".jpeg", ".png", ".webp", ".bmp"}

func isImage(name string) bool {
	return slices.Contains(imageSuffixes, strings.ToLower(path.Ext(name)))
}

// imageFolder reads root/split/class/* or, without a split, root/class/* from a folder, tar or
// tar.gz file. Classes and files are ordered as in torchvision's ImageFolder: the classes of the
// split by name, then the files of each class folder by folder, by name. Files that are not images
// are ignored.
func imageFolder(o OpenOptions) (*found, error) {
	if err := o.uses("path", "split"); err != nil {
		return nil, err
	}
	if strings.ContainsAny(o.Split, `/\`) || strings.HasPrefix(o.Split, ".") {
		return nil, argErrorf("split is %q, want the name of a folder", o.Split)
	}
	inside := ""
	if o.Split != "" {
		inside = o.Split + "/"
	}
	wanted := func(p string, folder bool) bool {
		rest, ok := strings.CutPrefix(p, inside)
		return folder && (ok || p == o.Split) || ok && isImage(p) && strings.Contains(rest, "/")
	}
	t, err := openTree(o, wanted)
	if err != nil {
		return nil, err
	}
	t.unwrap(wanted, func(dir string) bool { return dir == o.Split || o.Split == "" && t.hasImages(dir) })
	f, err := t.classes(o.Split)
	if err != nil {
		_ = t.close()
		return nil, err
	}
	return f, nil
}

// hasImages reports whether images lie directly in dir.
func (t *tree) hasImages(dir string) bool {
	return slices.ContainsFunc(t.files, func(f file) bool { return path.Dir(f.path) == dir })
}

// classes returns the images of a split. Each folder in the split is a class.
func (t *tree) classes(split string) (*found, error) {
	if top := t.childFolders(""); split != "" && !slices.Contains(top, split) {
		return nil, argErrorf("split is %q, want one of the folders of %s: %q", split, t.path, top)
	}
	names := t.childFolders(split)
	if len(names) == 0 {
		return nil, Errorf(ErrFormat, "data: %s has no folders, want one of images (%s) for each class", t.name(split),
			strings.Join(imageSuffixes, ", "))
	}
	if len(names) > MaxClasses {
		return nil, Errorf(ErrFormat, "data: %s has %d folders, want one for each of at most %d classes",
			t.name(split), len(names), MaxClasses)
	}
	depth := 0
	if split != "" {
		depth = len(split) + 1
	}
	class := func(f file) string {
		name, _, _ := strings.Cut(f.path[depth:], "/")
		return name
	}
	t.sortByFolder(class)
	number := make(map[string]int32, len(names))
	for i, name := range names {
		number[name] = int32(i)
	}
	labels := make([]int32, len(t.files))
	images := make([]int, len(names))
	for i, f := range t.files {
		labels[i] = number[class(f)]
		images[labels[i]]++
	}
	var empty []string
	for i, n := range images {
		if n == 0 {
			empty = append(empty, names[i])
		}
	}
	if len(empty) > 0 {
		return nil, Errorf(ErrFormat,
			"data: %s has class folders without images: %.200q; want at least one file each (%s)", t.name(split),
			empty, strings.Join(imageSuffixes, ", "))
	}
	return &found{source: &treeSource{tree: t, files: t.files}, count: len(t.files), labels: labels, names: names}, nil
}

// sortByFolder sorts the files by class, then by folder, then by name.
func (t *tree) sortByFolder(class func(file) string) {
	slices.SortFunc(t.files, func(a, b file) int {
		dirA, nameA := path.Split(a.path)
		dirB, nameB := path.Split(b.path)
		if dirA == dirB {
			return strings.Compare(nameA, nameB)
		}
		return cmp.Or(strings.Compare(class(a), class(b)),
			strings.Compare(strings.TrimSuffix(dirA, "/"), strings.TrimSuffix(dirB, "/")))
	})
}
