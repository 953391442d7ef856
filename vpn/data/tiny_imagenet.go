package data

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tinyImageNet reads Tiny ImageNet as published (cs231n.stanford.edu/tiny-imagenet-200.zip), from
// its folder, or from a tar or tar.gz file of it:
//
//	wnids.txt                    the classes
//	words.txt                    their names
//	train/<wnid>/images/*.JPEG
//	val/images/*.JPEG            the classes are in val/val_annotations.txt
//	test/images/*.JPEG           unlabelled
//
// Classes are numbered in the sorted order of their wnids. A class is named by its first synonym in
// words.txt ("Egyptian cat"). It is named by its wnid if it has no synonym, or if the synonym is
// also a name of another class. The images of train and val are sorted by class, then by name.
func tinyImageNet(o OpenOptions) (*found, error) {
	if err := o.uses("path", "split"); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"train", "val", "test"}, o.Split) {
		return nil, argErrorf("split is %q, want \"train\", \"val\" or \"test\"", o.Split)
	}
	wanted := func(p string, folder bool) bool {
		inside := strings.HasPrefix(p, o.Split+"/")
		return folder && (inside || p == o.Split) || inside && isImage(p) ||
			p == "wnids.txt" || p == "words.txt" || inside && p == "val/val_annotations.txt"
	}
	t, err := openTree(o, wanted)
	if err != nil {
		return nil, err
	}
	t.unwrap(wanted, func(dir string) bool { return dir == "train" || dir == "val" || dir == "test" })
	f, err := t.tinyImageNet(o.Split)
	if err != nil {
		_ = t.close()
		return nil, err
	}
	return f, nil
}

func (t *tree) tinyImageNet(split string) (*found, error) {
	wnids, err := t.wnids()
	if err != nil {
		return nil, err
	}
	names, err := t.wordsOf(wnids)
	if err != nil {
		return nil, err
	}
	annotations, annotated, err := t.text("val/val_annotations.txt")
	if err != nil {
		return nil, err
	}
	t.files = slices.DeleteFunc(t.files, func(f file) bool { return !isImage(f.path) })
	if len(t.files) == 0 {
		return nil, Errorf(ErrFormat, "data: %s holds no images, want %s/…/*.JPEG", t.path, split)
	}
	f := &found{names: names}
	switch {
	case split == "train":
		f.labels, err = t.trainLabels(wnids)
	case split == "val" && !annotated:
		err = Errorf(ErrFormat,
			"data: %s has no val/val_annotations.txt; folders of classes are the format image-folder", t.path)
	case split == "val":
		f.labels, err = t.valLabels(annotations, wnids)
	}
	f.source, f.count = &treeSource{tree: t, files: t.files}, len(t.files)
	return f, err
}

// wnids returns the classes, sorted.
func (t *tree) wnids() ([]string, error) {
	text, ok, err := t.text("wnids.txt")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, Errorf(ErrFormat,
			"data: %s has no wnids.txt: it is not laid out as Tiny ImageNet; folders of classes are the format image-folder",
			t.path)
	}
	wnids := strings.Fields(text)
	if len(wnids) == 0 || len(wnids) > MaxClasses {
		return nil, Errorf(ErrFormat, "data: %s lists %d classes, want 1..%d, one a line", t.name("wnids.txt"),
			len(wnids), MaxClasses)
	}
	slices.Sort(wnids)
	if wnid, twice := repeated(wnids); twice {
		return nil, Errorf(ErrFormat, "data: %s lists %q twice", t.name("wnids.txt"), wnid)
	}
	return wnids, nil
}

// wordsOf returns the names of the classes.
func (t *tree) wordsOf(wnids []string) ([]string, error) {
	text, _, err := t.text("words.txt")
	if err != nil {
		return nil, err
	}
	words := make([]string, len(wnids))
	uses := map[string]int{}
	for line := range strings.Lines(text) {
		wnid, synonyms, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if i, ok := slices.BinarySearch(wnids, wnid); ok && words[i] == "" {
			first, _, _ := strings.Cut(synonyms, ",")
			words[i] = strings.TrimSpace(first)
			uses[words[i]]++
		}
	}
	for i, word := range words {
		_, isWnid := slices.BinarySearch(wnids, word) // could be the name of another class
		if word == "" || uses[word] > 1 || isWnid {
			words[i] = wnids[i]
		}
	}
	return words, nil
}

// trainLabels returns the class of each file: its folder.
func (t *tree) trainLabels(wnids []string) ([]int32, error) {
	class := func(f file) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(f.path, "train/"), "/")
		return name
	}
	t.sortByFolder(class)
	labels := make([]int32, len(t.files))
	seen := 0
	for i, f := range t.files {
		k, ok := slices.BinarySearch(wnids, class(f))
		if !ok {
			return nil, Errorf(ErrFormat, "data: %s is in no class of wnids.txt", t.name(f.path))
		}
		if i == 0 || int32(k) != labels[i-1] {
			if k != seen { // files are sorted by class: a class without files
				break
			}
			seen++
		}
		labels[i] = int32(k)
	}
	if seen < len(wnids) {
		return nil, Errorf(ErrFormat, "data: %s holds no images of %s, which wnids.txt lists", t.name("train"),
			wnids[seen])
	}
	return labels, nil
}

// valLabels returns the class of each file as the annotations say, and sorts the files by class.
func (t *tree) valLabels(annotations string, wnids []string) ([]int32, error) {
	const dir = "val/images/"
	classOf, err := parseAnnotations(annotations, wnids)
	if err != nil {
		return nil, Errorf(ErrFormat, "data: %s: %w", t.name("val/val_annotations.txt"), err)
	}
	for _, f := range t.files {
		if _, ok := classOf[strings.TrimPrefix(f.path, dir)]; !ok {
			return nil, Errorf(ErrFormat, "data: %s is not in val/val_annotations.txt", t.name(f.path))
		}
	}
	for name, a := range classOf {
		if _, ok := slices.BinarySearchFunc(t.files, dir+name, comparePath); !ok {
			return nil, Errorf(ErrFormat, "data: %s: line %d names %q, which is not in %s",
				t.name("val/val_annotations.txt"), a.line, name, dir)
		}
	}
	class := func(f file) annotation { return classOf[path.Base(f.path)] }
	slices.SortFunc(t.files, func(a, b file) int {
		return cmp.Or(cmp.Compare(class(a).class, class(b).class), strings.Compare(a.path, b.path))
	})
	labels := make([]int32, len(t.files))
	for i, f := range t.files {
		labels[i] = class(f).class
	}
	return labels, nil
}

// annotation is a line of val_annotations.txt.
type annotation struct {
	class int32
	line  int // counted from 1
}

// parseAnnotations reads lines of file, wnid, and a box (x, y, x, y), separated by tabs.
func parseAnnotations(text string, wnids []string) (map[string]annotation, error) {
	classOf := map[string]annotation{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 6 {
			return nil, Errorf(ErrFormat, "line %d has %d fields, want 6 separated by tabs: file, wnid, box", number,
				len(fields))
		}
		for _, side := range fields[2:] {
			if n, err := strconv.Atoi(side); err != nil || n < 0 {
				return nil, Errorf(ErrFormat, "line %d has the box %q, want 4 whole numbers", number, fields[2:])
			}
		}
		name := fields[0]
		k, ok := slices.BinarySearch(wnids, fields[1])
		if !ok {
			return nil, Errorf(ErrFormat, "line %d has the class %.40q, want one of wnids.txt", number, fields[1])
		}
		if first, twice := classOf[name]; twice {
			return nil, Errorf(ErrFormat, "line %d names %.100q, as line %d does", number, name, first.line)
		}
		if name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
			return nil, Errorf(ErrFormat, "line %d names %.100q, want a file in val/images", number, name)
		}
		classOf[name] = annotation{class: int32(k), line: number}
	}
	return classOf, nil
}
