package data

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"

	"github.com/govpn/govpn/vpn/data/internal/imaging"
)

// OpenOptions say which data set on disk to open, and how. In C they are the JSON argument of
// govpn_data_open.
type OpenOptions struct {
	Format string `json:"format"` // one of Formats()
	Path   string `json:"path"`   // folder, archive or file
	Split  string `json:"split"`  // "train", "test", …; "" if the format has no splits

	Images string `json:"images"` // idx: the file of images
	Labels string `json:"labels"` // idx: the file of labels, or ""; cifar100: "fine" (also "") or "coarse"

	// ImageColumn is for arrow and parquet. Default: "image", "images", "img" or "pixels".
	ImageColumn string `json:"image_column"`
	// LabelColumn is for arrow and parquet. Default: "label", "labels", "y" or "fine_label", or
	// none.
	LabelColumn string   `json:"label_column"`
	ClassNames  []string `json:"class_names"` // replace the class names that the files give

	Stream bool `json:"stream"` // leave the images on disk, and decode them while they are used
	// SkipBroken leaves out images that cannot be decoded. A stream is decoded once to find them.
	SkipBroken bool `json:"skip_broken"`

	imaging.Transform

	ctx context.Context // the context of Open
}

// cancelled returns an error if the caller of Open has stopped it.
func (o *OpenOptions) cancelled() error {
	if o.ctx == nil || o.ctx.Err() == nil {
		return nil
	}
	return Errorf(ErrCancelled, "data: opening %s was stopped on request", cmp.Or(o.Path, o.Images))
}

// uses returns an error if an option is set that is not among names: the format would ignore it.
func (o OpenOptions) uses(names ...string) error {
	for _, option := range []struct{ name, value string }{
		{"path", o.Path}, {"split", o.Split}, {"images", o.Images}, {"labels", o.Labels},
		{"image_column", o.ImageColumn}, {"label_column", o.LabelColumn},
	} {
		if option.value != "" && !slices.Contains(names, option.name) {
			return argErrorf("%s is %q, which the format %s does not use", option.name, option.value, o.Format)
		}
	}
	return nil
}

// readers maps each format to its reader.
var readers = map[string]func(o OpenOptions) (*found, error){
	"idx":           idxFiles,
	"fashion-mnist": fashionMNIST,
	"cifar10":       cifar10,
	"cifar100":      cifar100,
	"tiny-imagenet": tinyImageNet,
	"image-folder":  imageFolder,
	"arrow":         arrowFiles,
	"parquet":       parquetFiles,
}

// Formats returns the formats that [Open] reads, sorted.
func Formats() []string { return slices.Sorted(maps.Keys(readers)) }

// Open reads a data set from disk.
//
// Without o.Stream it decodes all images into memory, on all cores. With o.Stream it only reads
// where the images are and what their labels are, so the set may be larger than memory. A streamed
// set is used like any other, but its files must not change until it is closed.
//
// All images become uint8 and have the size that the transform gives. Without a transform that
// fixes it, they have the size of the first image, and an image of another size is an error.
//
// When ctx ends, Open fails with [ErrCancelled].
func Open(ctx context.Context, o OpenOptions) (*Dataset, error) {
	o.ctx = ctx
	read, ok := readers[o.Format]
	if !ok {
		return nil, argErrorf("format is %q, want one of %s", o.Format, strings.Join(Formats(), ", "))
	}
	if err := o.Transform.Validate(); err != nil {
		return nil, Errorf(ErrArgument, "data: %w", err)
	}
	f, err := read(o)
	if errors.Is(err, ErrArgument) { // about an option
		return nil, err
	}
	if err != nil {
		return nil, o.naming(err)
	}
	d, err := f.open(o)
	if err != nil {
		return nil, o.naming(err)
	}
	return d, nil
}

// open makes the data set of what a reader found.
func (f *found) open(o OpenOptions) (*Dataset, error) {
	if len(o.ClassNames) > 0 {
		f.names = o.ClassNames
	}
	if f.ready != nil {
		f.ready.store.skipped, f.ready.store.warnings = f.skipped, f.warnings
		if o.Transform.None() {
			return f.relabelled()
		}
		var err error
		if f, err = f.fromMemory(); err != nil {
			return nil, err
		}
	}
	d, err := f.dataset(o)
	if err != nil {
		_ = f.source.close()
	}
	return d, err
}

// naming returns an error whose message names a file or the folder of the set. This is the one
// place that makes sure of it, for all readers. Most messages name the file already.
func (o *OpenOptions) naming(err error) error {
	paths := []string{cmp.Or(o.Path, o.Images)}
	if o.Images != "" && o.Labels != "" {
		paths = append(paths, o.Labels)
	}
	for _, path := range paths {
		if names(err.Error(), path) || names(err.Error(), filepath.Clean(path)) {
			return err
		}
	}
	return Errorf(err, "data: %s: %s", paths[0], strings.TrimPrefix(err.Error(), "data: "))
}

// names reports whether a message contains a path that does not begin or end within a word.
func names(message, path string) bool {
	for {
		i := strings.Index(message, path)
		if i < 0 {
			return false
		}
		before, after := message[:i], message[i+len(path):]
		if path == "" || !strings.HasSuffix(before, "/") && (before == "" || !wordByte(before[len(before)-1])) &&
			(after == "" || !wordByte(after[0])) {
			return path != ""
		}
		message = after
	}
}

func wordByte(b byte) bool {
	return b == '_' || b == '-' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z' || b >= 0x80
}

// relabelled returns the set in memory, with the class names that the caller gave.
func (f *found) relabelled() (*Dataset, error) {
	if f.names == nil {
		return f.ready, nil
	}
	defer f.ready.Close()
	return f.ready.WithLabels(f.ready.labels, f.names)
}

// dataset makes a data set of encoded files or raw pixels: in memory or, with o.Stream, streamed.
func (f *found) dataset(o OpenOptions) (*Dataset, error) {
	s := &storage{
		n:      f.count,
		dtype:  dtypes.Uint8,
		origin: &origin{source: f.source, raw: f.shape, transform: o.Transform},
		// What is left out before an image is decoded.
		skipped: slices.Clone(f.skipped), warnings: f.warnings,
	}
	s.origin.decoders.New = s.newDecoder
	if err := s.measure(o.SkipBroken); err != nil {
		return nil, err
	}
	kept := sequence(f.count)
	if o.SkipBroken || !o.Stream {
		var err error
		if kept, err = s.decodeAll(&o); err != nil {
			return nil, err
		}
	}
	if !o.Stream {
		s.n, s.origin = len(kept), nil
		if err := f.source.close(); err != nil {
			return nil, Errorf(ErrIO, "data: closing %s: %w", o.Path, err)
		}
		return newDataset(s, Options{Labels: pickLabels(f.labels, kept), ClassNames: f.names})
	}
	all, err := newDataset(s, Options{Labels: f.labels, ClassNames: f.names, Release: func() { _ = f.source.close() }})
	if err != nil || len(kept) == f.count {
		return all, err
	}
	defer all.Close()
	return all.Subset(kept)
}

func pickLabels(labels, indices []int32) []int32 {
	if labels == nil || len(labels) == len(indices) {
		return labels
	}
	picked := make([]int32, len(indices))
	for i, k := range indices {
		picked[i] = labels[k]
	}
	return picked
}

func sequence(n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}
