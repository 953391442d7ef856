package data

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// imageSuffixes are the suffixes of image files, in upper or lower case: torchvision's, and other
// names of the same formats.
var imageSuffixes = []string{
	".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jfif", ".jpe",
}

func isImage(name string) bool {
	return slices.Contains(imageSuffixes, strings.ToLower(path.Ext(name)))
}

// imageFolder reads root/split/class/* or, without a split, root/class/* from a folder, tar or
// tar.gz file. Classes and files are ordered as in torchvision's ImageFolder: the classes of the
// split by name, then the files of each class folder by folder, by name. A warning counts the other
// files in class folders.
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
	if i := slices.IndexFunc(names, func(name string) bool { return !utf8.ValidString(name) }); i >= 0 {
		return nil, Errorf(ErrFormat,
			"data: %s has the class folder %+q, whose name is not UTF-8: want names of classes in UTF-8", t.name(split),
			names[i])
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
			"data: %s has class folders without images: %.200q; want at least one file each (%s)%s", t.name(split),
			empty, strings.Join(imageSuffixes, ", "), t.othersIn(split, "; the files there are "))
	}
	f := &found{source: &treeSource{tree: t, files: t.files}, count: len(t.files), labels: labels, names: names}
	others := "data: " + t.name(split) + " has other files in its class folders, which are left out: "
	if text := t.othersIn(split, others); text != "" {
		f.warnings = append(f.warnings, text)
	}
	f.skipped = t.skipped
	return f, nil
}

// othersIn returns how many files of which suffixes in class folders are no images that are read,
// after an introduction. It returns "" if there are none.
func (t *tree) othersIn(split, introduction string) string {
	counts := map[string]int{}
	for key, n := range t.others {
		if inside := split == "" && key.folder != "." || strings.HasPrefix(key.folder, split+"/"); inside {
			counts[key.suffix] += n
		}
	}
	if len(counts) == 0 {
		return ""
	}
	suffixes := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	const most = 10
	var list []string
	for _, suffix := range suffixes[:min(len(suffixes), most)] {
		kind := cmp.Or(strings.ToValidUTF8(suffix, "?"), "without a suffix")
		list = append(list, fmt.Sprintf("%d %s", counts[suffix], kind))
	}
	if more := len(suffixes) - most; more > 0 {
		list = append(list, fmt.Sprintf("and %d other suffixes", more))
	}
	return introduction + strings.Join(list, ", ")
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
