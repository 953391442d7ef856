package data

import (
	"maps"
	"slices"
	"strings"

	"github.com/govpn/govpn/vpn/data/internal/imaging"
)

// OpenOptions say which data set on disk to open, and how. It is the JSON of govpn_data_open.
type OpenOptions struct {
	Format string `json:"format"` // one of Formats()
	Path   string `json:"path"`   // folder, archive or file
	Split  string `json:"split"`  // "train", "test", …; "" where the format has one only

	Images string `json:"images"` // idx: the file of images
	Labels string `json:"labels"` // idx: the file of labels, "" for none; cifar100: "fine" (also "") or "coarse"

	ImageColumn string   `json:"image_column"` // arrow, parquet: default "image", "images", "img" or "pixels"
	LabelColumn string   `json:"label_column"` // arrow, parquet: default "label", "labels", "y" or "fine_label", where present
	ClassNames  []string `json:"class_names"`  // in place of those found

	Stream     bool `json:"stream"`      // leave the images on disk, and decode them while they are used
	SkipBroken bool `json:"skip_broken"` // leave out images that do not decode; a stream is decoded once to find them

	imaging.Transform
}

// readers find the images of each format.
var readers = map[string]func(o OpenOptions) (*found, error){}

// Formats lists the formats that Open reads, sorted.
func Formats() []string { return slices.Sorted(maps.Keys(readers)) }

func errFormatName(got string) error {
	return argErrorf("format is %q, want one of %s", got, strings.Join(Formats(), ", "))
}
