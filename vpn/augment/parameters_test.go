package augment

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Parameters that are left out get torchvision's defaults. MarshalJSON writes all parameters, and
// reading them gives the same list.
func TestJSON(t *testing.T) {
	for given, want := range map[string]string{
		`null`: `null`,
		`[]`:   `[]`,
		`[{"name": "RandomCrop", "padding": 4}, {"name": "RandomHorizontalFlip"}]`: `[` +
			`{"name":"RandomCrop","size":null,"padding":4,"fill":0,"padding_mode":"constant"},{"name":"RandomHorizontalFlip","p":0.5}]`,
		`[{"name": "RandomCrop", "size": [28, 28], "padding": [1, 2], "fill": [0.1, 0.2, 0.3]}]`: `[` +
			`{"name":"RandomCrop","size":[28,28],"padding":[1,2],"fill":[0.1,0.2,0.3],"padding_mode":"constant"}]`,
		`[{"name": "RandomRotation", "degrees": 15}]`: `[` +
			`{"name":"RandomRotation","degrees":15,"interpolation":"nearest","fill":0,"center":null}]`,
		`[{"name": "RandomAffine", "degrees": [-10, 15], "shear": [1, 2, 3, 4]}]`: `[{"name":"RandomAffine","degrees":[-10,15],` +
			`"translate":null,"scale":null,"shear":[1,2,3,4],"interpolation":"nearest","fill":0,"center":null}]`,
		`[{"name": "ColorJitter", "brightness": 0.4, "hue": null}]`: `[` +
			`{"name":"ColorJitter","brightness":0.4,"contrast":0,"saturation":0,"hue":null}]`,
		`[{"name": "GaussianBlur", "kernel_size": [3, 5]}]`: `[{"name":"GaussianBlur","kernel_size":[3,5],"sigma":[0.1,2]}]`,
		`[{"name": "GaussianNoise"}]`:                       `[{"name":"GaussianNoise","mean":0,"sigma":0.1,"clip":true,"fraction":1}]`,
		`[{"name": "GaussianNoise", "clip": false}]`:        `[{"name":"GaussianNoise","mean":0,"sigma":0.1,"clip":false,"fraction":1}]`,
	} {
		var list, again List
		require.NoError(t, json.Unmarshal([]byte(given), &list), given)
		text, err := json.Marshal(list)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, list, again)
	}
	var c struct{ Augment List }
	require.NoError(t, json.Unmarshal([]byte(`{"augment": null}`), &c))
	require.Nil(t, c.Augment)
}

func TestJSONErrors(t *testing.T) {
	all := "RandomCrop, RandomHorizontalFlip, RandomRotation, RandomAffine, ColorJitter, GaussianBlur, GaussianNoise"
	for given, want := range map[string]string{
		`"flip"`:                   `"flip" is no list of augmentations such as [{"name": "RandomHorizontalFlip", "p": 0.5}]`,
		`{"name": "RandomCrop"}`:   `{"name": "RandomCrop"} is no list of augmentations such as [{"name": "RandomHorizontalFlip", "p": 0.5}]`,
		`[{"p": 0.5}]`:             `an augmentation's "name" is missing, want one of ` + all,
		`[null]`:                   `an augmentation's "name" is missing, want one of ` + all,
		`[{"name": 3}]`:            `an augmentation's "name" is 3, want one of ` + all,
		`[{"name": "Randomcrop"}]`: `name is "Randomcrop", want one of ` + all,
		`[{"name": "ColorJitter", "brightnes": 1}]`: `ColorJitter has no parameter "brightnes", ` +
			`want one of brightness, contrast, saturation, hue`,
		`[{"name": "RandomHorizontalFlip", "P": 1}]`:       `RandomHorizontalFlip has no parameter "P", want one of p`,
		`[{"name": "RandomHorizontalFlip", "p": "often"}]`: `RandomHorizontalFlip.p is "often", want a number`,
		`[{"name": "RandomHorizontalFlip", "p": null}]`:    `RandomHorizontalFlip.p is null, want a number`,
		`[{"name": "RandomCrop", "padding": [null]}]`:      `RandomCrop.padding is [null], want a whole number or a list of them`,
		`[{"name": "RandomHorizontalFlip", "p": 1e999}]`:   `RandomHorizontalFlip.p is 1e999, want a number`,
		`[{"name": "RandomRotation", "degrees": "15"}]`:    `RandomRotation.degrees is "15", want a number or a list of numbers`,
		`[{"name": "RandomCrop", "padding": 1.5}]`:         `RandomCrop.padding is 1.5, want a whole number or a list of them`,
		`[{"name": "RandomCrop", "padding_mode": 0}]`:      `RandomCrop.padding_mode is 0, want text`,
		`[{"name": "GaussianNoise", "clip": 1}]`:           `GaussianNoise.clip is 1, want true or false`,
		`[{"name": "RandomRotation"}]`:                     `RandomRotation.degrees is [], want a number from 0 or [low, high] with low ≤ high`,
		`[{"name": "RandomHorizontalFlip"}, {"name": "RandomRotation", "degrees": [10, -10]}]`: `RandomRotation.degrees is [10, -10], ` +
			`want a number from 0 or [low, high] with low ≤ high`,
	} {
		list := List{RandomHorizontalFlip{P: 1}}
		err := json.Unmarshal([]byte(given), &list)
		require.EqualError(t, err, "augment: "+want)
		require.ErrorAs(t, err, new(ArgumentError))
		require.Equal(t, List{RandomHorizontalFlip{P: 1}}, list, "nothing changes")
	}
}

func TestValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, a := range map[string]Augmentation{
		"RandomCrop.size is [1, 2, 3], want size or [height, width], from 1": RandomCrop{Size: Ints{1, 2, 3}},
		"RandomCrop.size is 0, want size or [height, width], from 1":         RandomCrop{Size: Ints{0}},
		"RandomCrop.padding is [1, 2, 3], want one, two (left and right, top and bottom) or four (left, top, right, bottom) " +
			"numbers from 0 to 1024": RandomCrop{Padding: Ints{1, 2, 3}},
		"RandomCrop.padding is -1, want one, two (left and right, top and bottom) or four (left, top, right, bottom) " +
			"numbers from 0 to 1024": RandomCrop{Padding: Ints{-1}},
		`RandomCrop.padding_mode is "wrap", want one of constant, edge, reflect, symmetric`: RandomCrop{
			PaddingMode: "wrap"},
		`RandomCrop.fill is [0, 1], want one value with padding_mode "edge"`: RandomCrop{
			PaddingMode: "edge", Fill: Floats{0, 1}},
		"RandomCrop.fill is 128, want values from 0 to 1, the units of the pixels": RandomCrop{Fill: Floats{128}},
		"RandomHorizontalFlip.p is NaN, want a probability, 0 to 1":                RandomHorizontalFlip{P: nan},
		"RandomRotation.degrees is -15, want a number from 0 or [low, high] with low ≤ high": RandomRotation{
			Degrees: Floats{-15}},
		"RandomRotation.degrees is [NaN, 1], want a number from 0 or [low, high] with low ≤ high": RandomRotation{
			Degrees: Floats{nan, 1}},
		"RandomRotation.degrees is +Inf, want finite numbers": RandomRotation{Degrees: Floats{inf}},
		`RandomRotation.interpolation is "bicubic", want one of nearest, bilinear`: RandomRotation{
			Degrees: Floats{1}, Interpolation: "bicubic"},
		"RandomRotation.fill is NaN, want values from 0 to 1, the units of the pixels": RandomRotation{
			Degrees: Floats{1}, Fill: Floats{nan}},
		"RandomRotation.center is [1, 2, 3], want none or [x, y] in pixels": RandomRotation{
			Degrees: Floats{1}, Center: Floats{1, 2, 3}},
		"RandomAffine.center is [NaN, 1], want none or [x, y] in pixels": RandomAffine{
			Degrees: Floats{1}, Center: Floats{nan, 1}},
		"RandomAffine.translate is 0.1, want none or [horizontal, vertical], fractions of the image from 0 to 1": RandomAffine{
			Degrees: Floats{0}, Translate: Floats{0.1}},
		"RandomAffine.translate is [0, 3], want none or [horizontal, vertical], fractions of the image from 0 to 1": RandomAffine{
			Degrees: Floats{0}, Translate: Floats{0, 3}},
		"RandomAffine.scale is [0, 1], want none or [low, high] with 0 < low ≤ high": RandomAffine{
			Degrees: Floats{0}, Scale: Floats{0, 1}},
		"RandomAffine.scale is [2, 1], want none or [low, high] with 0 < low ≤ high": RandomAffine{
			Degrees: Floats{0}, Scale: Floats{2, 1}},
		"RandomAffine.shear is [1, 2, 3], want a number from 0 or [low, high] with low ≤ high": RandomAffine{
			Degrees: Floats{0}, Shear: Floats{1, 2, 3}},
		"RandomAffine.shear is 90, want numbers from -89 to 89":         RandomAffine{Degrees: Floats{0}, Shear: Floats{90}},
		"ColorJitter.brightness is [-1, 1], want finite numbers from 0": ColorJitter{Brightness: Floats{-1, 1}},
		"ColorJitter.contrast is [3, 2, 1], want a number from 0 or [low, high] with low ≤ high": ColorJitter{
			Contrast: Floats{3, 2, 1}},
		"ColorJitter.hue is 0.6, want numbers from -0.5 to 0.5": ColorJitter{Hue: Floats{0.6}},
		"GaussianBlur.kernel_size is 4, want size or [width, height], odd numbers from 1": GaussianBlur{
			KernelSize: Ints{4}},
		"GaussianBlur.kernel_size is [], want size or [width, height], odd numbers from 1": GaussianBlur{},
		"GaussianBlur.sigma is 0, want more than 0":                                        GaussianBlur{KernelSize: Ints{3}, Sigma: Floats{0}},
		"GaussianNoise.sigma is -1, want a finite number from 0":                           GaussianNoise{Sigma: -1},
		"GaussianNoise.mean is +Inf, want a finite number":                                 GaussianNoise{Mean: inf},
		"GaussianNoise.fraction is 1.5, want 0 to 1":                                       GaussianNoise{Fraction: 1.5},
	} {
		require.EqualError(t, List{RandomHorizontalFlip{}, a}.Validate(), "augment: "+want)
		require.EqualError(t, List{a}.Check(8, 8, 1), "augment: "+want)
	}
	require.NoError(t, every.Validate())
}

func TestCheck(t *testing.T) {
	for want, a := range map[string]Augmentation{
		"RandomCrop.size is 8, want none or [8, 9], the size of the images: the result must be as large": RandomCrop{
			Size: Ints{8}},
		`RandomCrop.padding is [9, 0], want at most 8 and 7: padding_mode "reflect" mirrors images of 8×9 (height×width)`: RandomCrop{
			Padding: Ints{9, 0}, PaddingMode: "reflect"},
		`RandomCrop.padding is [0, 0, 0, 9], want at most 9 and 8: padding_mode "symmetric" mirrors images of 8×9 (height×width)`: RandomCrop{
			Padding: Ints{0, 0, 0, 9}, PaddingMode: "symmetric"},
		"RandomCrop.fill is [0, 1], want one value, or one for each of the 3 channels": RandomCrop{Fill: Floats{0, 1}},
		"RandomRotation.fill is [0, 1], want one value, or one for each of the 3 channels": RandomRotation{
			Degrees: Floats{1}, Fill: Floats{0, 1}},
		"RandomAffine.fill is [0, 1], want one value, or one for each of the 3 channels": RandomAffine{
			Degrees: Floats{1}, Fill: Floats{0, 1}},
		"GaussianBlur.kernel_size is 17, want at most [17, 15] for images of 8×9 (height×width)": GaussianBlur{
			KernelSize: Ints{17}},
	} {
		require.EqualError(t, List{a}.Check(8, 9, 3), "augment: "+want)
	}
	require.NoError(t, List{RandomCrop{Size: Ints{8, 9}}, GaussianBlur{KernelSize: Ints{17, 15}}}.Check(8, 9, 3))
	require.NoError(t, every.Check(8, 9, 3))
}

func TestNew(t *testing.T) {
	for _, name := range Names() {
		a, err := New(name)
		require.NoError(t, err)
		require.Equal(t, name, a.Name())
	}
	_, err := New("Mixup")
	require.ErrorContains(t, err, `augment: name is "Mixup", want one of RandomCrop, `)
}
