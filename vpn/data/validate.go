package data

import (
	"math"
	"strings"
	"unicode/utf8"
)

// checkShape returns an error unless n images of h×w×c values have exactly size values.
func checkShape(size, n, h, w, c int) error {
	if err := checkSize(n, h, w, c); err != nil {
		return err
	}
	if total := n * h * w * c; total != size {
		return argErrorf("images hold %d values, want %d for shape (%d, %d, %d, %d)", size, total, n, h, w, c)
	}
	return nil
}

// checkSize returns an error if no images can have these sizes.
func checkSize(n, h, w, c int) error {
	if n == 0 {
		return argErrorf("images is empty, want at least 1 image")
	}
	total := 1
	for i, dim := range []int{n, h, w, c} {
		if dim < 1 {
			return argErrorf("%s is %d, want at least 1", [...]string{"n", "height", "width", "channels"}[i], dim)
		}
		if dim > math.MaxInt32 || total > math.MaxInt/dim { // the indices of a view are int32
			return argErrorf("images of shape (%d, %d, %d, %d) are too large", n, h, w, c)
		}
		total *= dim
	}
	return nil
}

// checkPixels returns an error that names the first value outside [0, 1].
func checkPixels(pixels []float32, h, w, c int) error {
	for i, p := range pixels {
		if p >= 0 && p <= 1 { // false for NaN
			continue
		}
		image, row, column, channel := i/(h*w*c), i/(w*c)%h, i/c%w, i%c
		remedy := "divide by 255 or pass uint8"
		if v := float64(p); math.IsNaN(v) || math.IsInf(v, 0) {
			remedy = "remove or replace such values"
		}
		return argErrorf("images[%d, %d, %d, %d] is %v, want a value in [0, 1]: %s", image, row, column, channel, p,
			remedy)
	}
	return nil
}

// repeated returns the first name that equals one before it.
func repeated(names []string) (name string, twice bool) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return name, true
		}
		seen[name] = true
	}
	return "", false
}

// ofFile adds the name of the file or folder that was read to the error of a check.
func ofFile(path string, err error) error {
	return Errorf(ErrFormat, "data: %s: %s", path, strings.TrimPrefix(err.Error(), "data: "))
}

// checkLabels checks n labels and the class names, and returns the number of classes.
func checkLabels(labels []int32, names []string, n int) (classes int, err error) {
	if len(names) > MaxClasses {
		return 0, argErrorf("class_names has %d names, want at most %d", len(names), MaxClasses)
	}
	first := make(map[string]int, len(names))
	for i, name := range names {
		if j, twice := first[name]; twice {
			return 0, argErrorf("class_names[%d] is %q, as class_names[%d] is: want a name of its own for each class",
				i, name, j)
		}
		if !utf8.ValidString(name) { // JSON and Arrow have UTF-8 alone
			return 0, argErrorf("class_names[%d] is %+q, whose bytes are not UTF-8", i, name)
		}
		first[name] = i
	}
	if labels == nil {
		return len(names), nil
	}
	if len(labels) != n {
		return 0, argErrorf("labels has %d values, want %d: one per image", len(labels), n)
	}
	limit := MaxClasses
	if len(names) > 0 {
		limit = len(names)
	}
	for i, y := range labels {
		if y < 0 || int(y) >= limit {
			if len(names) > 0 {
				return 0, argErrorf("labels[%d] is %d, want 0..%d: class_names has %d names", i, y, limit-1, limit)
			}
			return 0, argErrorf("labels[%d] is %d, want 0..%d: the class number, from 0", i, y, limit-1)
		}
		classes = max(classes, int(y)+1)
	}
	return max(classes, len(names)), nil
}
