package augment

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Floats is a list of numbers. In JSON, a list of one number is written without brackets, as
// torchvision accepts it.
type Floats []float64

// UnmarshalJSON reads a number or a list of numbers.
func (f *Floats) UnmarshalJSON(text []byte) error { return unmarshalList((*[]float64)(f), text) }

// MarshalJSON writes a single number without brackets.
func (f Floats) MarshalJSON() ([]byte, error) { return marshalList(f) }

func (f Floats) String() string { return listText(f) }

// Ints is a list of whole numbers, written in JSON as [Floats] is.
type Ints []int

// UnmarshalJSON reads a whole number or a list of them.
func (i *Ints) UnmarshalJSON(text []byte) error { return unmarshalList((*[]int)(i), text) }

// MarshalJSON writes a single number without brackets.
func (i Ints) MarshalJSON() ([]byte, error) { return marshalList(i) }

func (i Ints) String() string { return listText(i) }

func unmarshalList[T int | float64](list *[]T, text []byte) error {
	if text[0] == '[' && strings.Contains(string(text), "null") {
		return errors.New("null in a list") // package json would skip null
	}
	if text[0] == '[' || string(text) == "null" {
		return json.Unmarshal(text, list)
	}
	*list = make([]T, 1)
	return json.Unmarshal(text, &(*list)[0])
}

func marshalList[T int | float64](list []T) ([]byte, error) {
	if len(list) == 1 {
		return json.Marshal(list[0])
	}
	return json.Marshal(list)
}

// listText returns a list as "[10, -10]", and a single number as "15".
func listText[T int | float64](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = fmt.Sprint(v)
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// oneOf returns "a, b, c".
func oneOf(values ...string) string { return strings.Join(values, ", ") }

// interval checks a parameter and returns its range. The parameter is a number v, whose range is
// around(v), or [low, high]. The range must be within [least, most].
func interval(
	name string,
	f Floats,
	least, most float64,
	around func(v float64) (low, high float64),
) (low, high float64, err error) {
	switch {
	case len(f) == 1 && f[0] >= 0:
		low, high = around(f[0])
	case len(f) == 2 && f[0] <= f[1]:
		low, high = f[0], f[1]
	default:
		return 0, 0, argumentError("%s is %s, want a number from 0 or [low, high] with low ≤ high", name, f)
	}
	switch {
	case low >= least && high <= most && !math.IsInf(low, 0) && !math.IsInf(high, 0):
		return low, high, nil
	case math.IsInf(least, 0):
		return 0, 0, argumentError("%s is %s, want finite numbers", name, f)
	case math.IsInf(most, 0):
		return 0, 0, argumentError("%s is %s, want finite numbers from %g", name, f, least)
	default:
		return 0, 0, argumentError("%s is %s, want numbers from %g to %g", name, f, least, most)
	}
}

// plusMinus returns the range that a single number of degrees means.
func plusMinus(v float64) (low, high float64) { return -v, v }

// must drops the error of parameters that were checked before.
func must(low, high float64, err error) [2]float64 {
	if err != nil {
		panic(err)
	}
	return [2]float64{low, high}
}

// validateFill checks fill, which is one value, or one per channel.
func validateFill(name string, fill Floats) error {
	for _, v := range fill {
		if !(v >= 0 && v <= 1) {
			return argumentError("%s is %s, want values from 0 to 1, the units of the pixels", name, fill)
		}
	}
	return nil
}

// fillFits checks that fill has one value, or one per channel.
func fillFits(name string, fill Floats, channels int) error {
	if len(fill) > 1 && len(fill) != channels {
		return argumentError("%s is %s, want one value, or one for each of the %d channels", name, fill, channels)
	}
	return nil
}

// perChannel returns fill with one value per channel.
func perChannel(fill Floats, channels int) []float64 {
	values := make([]float64, channels)
	for i := range values {
		if len(fill) > 0 {
			values[i] = fill[i%len(fill)]
		}
	}
	return values
}
