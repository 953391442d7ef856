package data

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const tinyAnnotations = "val_0.JPEG\tn03\t0\t0\t9\t9\nval_1.JPEG\tn01\t1\t2\t3\t4\r\nval_10.JPEG\tn01\t1\t2\t3\t4\n"

func tinyFiles() []entry {
	return []entry{
		{"wnids.txt", []byte("n03\nn01\nn02\nn04\n")},
		{"words.txt", []byte("n00\tentity\nn01\tEgyptian cat\nn02\tcrane, bird\nn03\tcrane\n")},
		{
			"train/n01/images/n01_10.JPEG", []byte("1.10"),
		},
		{"train/n01/images/n01_2.JPEG", []byte("1.2")},
		{"train/n01/n01_boxes.txt", []byte("-")},
		{
			"train/n02/images/n02_0.JPEG", []byte("2"),
		},
		{"train/n03/images/n03_0.JPEG", []byte("3")},
		{"train/n04/images/n04_0.JPEG", []byte("4")},
		{"val/val_annotations.txt", []byte(tinyAnnotations)},
		{
			"val/images/val_0.JPEG", []byte("v0"),
		},
		{"val/images/val_1.JPEG", []byte("v1")},
		{"val/images/val_10.JPEG", []byte("v10")},
		{"test/images/test_1.JPEG", []byte("t1")},
		{"test/images/test_0.JPEG", []byte("t0")},
	}
}

func TestTinyImageNet(t *testing.T) {
	for name, path := range threeForms(t, tinyFiles()) {
		for _, c := range []struct {
			split  string
			labels []int32
			images []string
		}{
			{"train", []int32{0, 0, 1, 2, 3}, []string{"1.10", "1.2", "2", "3", "4"}},
			{"val", []int32{0, 0, 2}, []string{"v1", "v10", "v0"}},
			{"test", nil, []string{"t0", "t1"}},
		} {
			f, err := tinyImageNet(OpenOptions{Path: path, Split: c.split})
			require.NoError(t, err, name)
			assert.Equal(t, []string{"Egyptian cat", "n02", "n03", "n04"}, f.names, "two are cranes, one has no name")
			assert.Equal(t, c.labels, f.labels, name)
			assert.Equal(t, c.images, contents(t, f), name)
		}
	}
}

// The first synonym of n01 is the wnid of n02, which has no name of its own.
func TestTinyImageNetNameIsWnid(t *testing.T) {
	entries := slices.DeleteFunc(tinyFiles(), func(e entry) bool { return e.name == "words.txt" })
	path := folderOf(t, append(entries, entry{"words.txt", []byte("n01\tn02\nn03\tcrane\n")})...)
	d, err := tinyImageNet(OpenOptions{Path: path, Split: "val"})
	require.NoError(t, err)
	defer d.close()
	assert.Equal(t, []string{"n01", "n02", "crane", "n04"}, d.names)
}

func TestTinyImageNetRefuses(t *testing.T) {
	with := func(name, content string) []entry {
		entries := slices.DeleteFunc(tinyFiles(), func(e entry) bool { return e.name == name })
		if content == "" {
			return entries
		}
		return append(entries, entry{name, []byte(content)})
	}
	annotations := func(old, new string) []entry {
		return with("val/val_annotations.txt", strings.Replace(tinyAnnotations, old, new, 1))
	}
	for want, c := range map[string]struct {
		entries []entry
		split   string
	}{
		`split is "valid", want "train", "val" or "test"`:                          {tinyFiles(), "valid"},
		"has no wnids.txt: it is not laid out as Tiny ImageNet":                    {with("wnids.txt", ""), "train"},
		`wnids.txt lists "n01" twice`:                                              {with("wnids.txt", "n01\nn02\nn01"), "train"},
		"train/n04/images/n04_0.JPEG is in no class of wnids.txt":                  {with("wnids.txt", "n01\nn02\nn03"), "train"},
		"train holds no images of n02, which wnids.txt lists":                      {with("train/n02/images/n02_0.JPEG", ""), "train"},
		"train holds no images of n04, which wnids.txt lists":                      {with("train/n04/images/n04_0.JPEG", ""), "train"},
		"has no val/val_annotations.txt; folders of classes are the format image-": {with("val/val_annotations.txt", ""), "val"},
		"val_annotations.txt: line 1 has the class \"n05\", want one of wnids.txt": {annotations("n03", "n05"), "val"},
		"val_annotations.txt: line 2 names \"val_0.JPEG\", as line 1 does":         {annotations("val_1.JPEG", "val_0.JPEG"), "val"},
		"val_annotations.txt: line 2 has 5 fields, want 6 separated by tabs":       {annotations("\t1\t2\t3\t4\r\n", "\t1\t2\t3\n"), "val"},
		"val_annotations.txt: line 1 has the box [\"0\" \"0\" \"9\" \"x\"], want":  {annotations("9\t9", "9\tx"), "val"},
		"val_annotations.txt: line 1 names \"../x.JPEG\", want a file in val/im":   {annotations("val_0.JPEG", "../x.JPEG"), "val"},
		"val_annotations.txt: line 3 names \"val_10.JPEG\", which is not in val":   {with("val/images/val_10.JPEG", ""), "val"},
		"val/images/val_11.JPEG is not in val/val_annotations.txt":                 {with("val/images/val_11.JPEG", "x"), "val"},
		"holds no images, want test/…/*.JPEG":                                      {tinyFiles()[:12], "test"},
	} {
		for name, path := range threeForms(t, c.entries) {
			_, err := tinyImageNet(OpenOptions{Path: path, Split: c.split})
			assert.ErrorContains(t, err, want, name)
		}
	}
}
