package method

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/internal/fault"
)

func TestParseConfig(t *testing.T) {
	for _, text := range []string{"", "  ", "{}", `{"preset": "default"}`, `{"preset": ""}`} {
		c, err := ParseConfig([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, DefaultConfig(), c, text)
	}
	c, err := ParseConfig([]byte(`{"epochs": 7, "preset": "paper", "std": "rms",
		"normalize": {"where": "input", "mean": [0.5], "std": [0.25]}}`))
	require.NoError(t, err)
	want := PaperConfig()
	want.Epochs, want.Std, want.Normalize = 7, "rms", Normalize{Where: "input", Mean: []float64{0.5}, Std: []float64{0.25}}
	require.Equal(t, want, c)

	for text, message := range map[string]string{
		`{"epoch": 3}`:                        `unknown field "epoch"`,
		`{"normalize": {"men": [1]}}`:         `unknown field "men"`,
		`{"preset": "best"}`:                  `preset is "best", want default, paper, official or augmented`,
		`{"epochs": 3`:                        "not valid JSON",
		`[1]`:                                 "not valid JSON",
		`{"epochs": "three"}`:                 "epochs",
		`{"epochs": 2.5}`:                     "epochs",
		`{"epochs": 99999999999999999999999}`: "epochs",
		`{} {}`:                               "JSON",
		`{"epochs": 3, "epochs": 4}`:          `"epochs" twice`,
		`{"Epochs": 3}`:                       `unknown key "Epochs"`,
		`{"normalize": 0}`:                    "of type vpn.Normalize",
		`{"augment": [{"name": "Pad", "padding": 1, "padding": 2}]}`: `"padding" twice`,
	} {
		_, err := ParseConfig([]byte(text))
		require.ErrorIs(t, err, fault.ErrArgument, text)
		require.ErrorContains(t, err, message)
	}
}

// A configuration survives JSON and back. Its keys are the fields' names in snake case.
func TestConfigJSON(t *testing.T) {
	want := OfficialConfig()
	want.ImageShape, want.Classes, want.ClassNames, want.Seed = [3]int{2, 3, 1}, 2, []string{"a", "b"}, -5
	want.Attributes = map[string]string{"of": "the caller"}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	got, err := ParseConfig(text)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Every field that can be wrong has a row. The error names the field and what was got.
func TestInvalidConfig(t *testing.T) {
	tested := map[string]bool{ // these have no wrong value
		"Seed": true, "ClipNoisy": true, "RestoreBest": true, "Remat": true, "DropLast": true, "Attributes": true,
	}
	for _, test := range []struct{ text, message string }{
		{`"base": "vgg"`, `Base is "vgg", want one of dnn3, resnet18, resnet18_3x3`},
		{`"generator": "sr"`, `Generator is "sr", want one of dnn3`},
		{`"mode": "both"`, `Mode is "both", want one of joint, frozen, plain, gaussian`},
		{`"epochs": 0`, `Epochs is 0, want 1 to 2³¹−1`},
		{`"batch_size": 0`, `BatchSize is 0, want 1 to 2³¹−1`},
		{`"batch_size": 3000000000`, `BatchSize is 3000000000`},
		{`"accumulate": 0`, `Accumulate is 0, want 1 to 2³¹−1`},
		{`"accumulate": 3`, `Accumulate is 3 with BatchSize 256, want a divisor of it`},
		{`"eval_batch_size": -1`, `EvalBatchSize is -1, want 0 to 2³¹−1`},
		{`"optimizer": "lion"`, `Optimizer is "lion", want one of adam, sgd`},
		{`"learning_rate": 0`, `LearningRate is 0, want a finite number > 0`},
		{`"momentum": 1`, `Momentum is 1, want a finite number in [0, 1)`},
		{`"momentum": -0.1`, `Momentum is -0.1`},
		{`"weight_decay": -1`, `WeightDecay is -1`},
		{`"schedule": "linear"`, `Schedule is "linear", want one of constant, cosine`},
		{`"noise_samples": 0`, `NoiseSamples is 0, want 1 to 2³¹−1`},
		{`"base_loss_weight": -1`, `BaseLossWeight is -1`},
		{`"label_coefficient": null, "label_encoding": "onehot"`, `LabelEncoding is "onehot", want one of scaled, index`},
		{`"std": "variance"`, `Std is "variance", want one of abs, bounded, rms`},
		{`"std_range": [-0.1, 0.3]`, `StdRange[0] is -0.1`},
		{`"std_range": [0.3, 0.3]`, `StdRange[1] is 0.3`},
		{`"std_rms": 0`, `StdRMS is 0`},
		{`"std_epsilon": 1e-31`, `StdEpsilon is 1e-31, want a finite number ≥ 1e-30`},
		{`"initial_values": "kaiming"`, `InitialValues is "kaiming", want one of torchvision, torch`},
		{`"image_shape": [32767, 32767, 3]`, `ImageShape is [32767 32767 3], want at most 2³¹−1 values per image`},
		{`"compute_dtype": "float16"`, `ComputeDType is "float16", want one of float32, float64, bfloat16`},
		{`"label_smoothing": 1`, `LabelSmoothing is 1, want a finite number in [0, 1)`},
		{`"entropy_weight": -1`, `EntropyWeight is -1, want a finite number ≥ 0`},
		{`"entropy_weight": 0.1, "mode": "gaussian"`, `EntropyWeight is 0.1 with Mode gaussian, which has no generator`},
		{`"label_fusion": "concat"`, `LabelFusion is "concat", want one of bias, embedding, film, plane`},
		{`"noise_layer": -1`, `NoiseLayer is -1, want 0 to 2³¹−1`},
		{`"base": "sr", "noise_layer": 1`, `NoiseLayer is 1, want 0 to 0: base sr has no hidden layer`},
		{
			`"base": "dnn3", "noise_layer": 3`,
			`NoiseLayer is 3, want 0 to 2: base dnn3 has hidden layers 1 and 2, the outputs of its ReLUs`,
		},
		{
			`"base": "resnet50_7x7", "noise_layer": 5`,
			`NoiseLayer is 5, want 0 to 4: base resnet50_7x7 has hidden layers 1 to 4`,
		},
		{
			`"base": "vit_tiny_patch4", "noise_layer": 13`,
			`NoiseLayer is 13, want 0 to 12: base vit_tiny_patch4 has hidden layers 1 to 12, the outputs of its blocks`,
		},
		{`"noise_layer": 1, "clip_noisy": true`, `ClipNoisy is true with NoiseLayer 1`},
		{`"noise_distribution": "cauchy"`, `NoiseDistribution is "cauchy", want one of normal, laplace, uniform`},
		{`"noisy_batch_norm": "none"`, `NoisyBatchNorm is "none", want one of shared, separate`},
		{`"noisy_batch_norm": "separate"`, `NoisyBatchNorm is separate with Mode joint and BaseLossWeight 0`},
		{
			`"noisy_batch_norm": "separate", "base_loss_weight": 1, "mode": "frozen"`,
			`NoisyBatchNorm is separate with Mode frozen`,
		},
		{`"fixed_std": -1`, `FixedStd is -1`},
		{`"normalize": {"where": "both"}`, `Normalize.Where is "both", want one of image, input`},
		{`"normalize": {"where": "image", "mean": [0.5], "std": []}`, `Normalize has 1 means and 0 deviations`},
		{`"normalize": {"where": "image", "mean": [0.5], "std": [0]}`, `Normalize has mean 0.5 and deviation 0 in channel 0`},
		{
			`"normalize": {"where": "image", "mean": [0.5], "std": [1e-320]}`,
			`Normalize has mean 0.5 and deviation 1e-320 in channel 0`,
		},
		{`"normalize": {"where": "image", "mean": [0, 0], "std": [1, 1]}, "image_shape": [2, 2, 3]`, `Normalize has 2 means`},
		{`"normalize": {"where": "input", "mean": [0], "std": [1]}, "clip_noisy": true`, `ClipNoisy is true`},
		{`"patience": -1`, `Patience is -1, want 0 to 2³¹−1`},
		{`"image_shape": [28, 0, 1]`, `ImageShape is [28 0 1]`},
		{`"image_shape": [-28, 28, 1]`, `ImageShape is [-28 28 1]`},
		{`"image_shape": [28, 28, 1, 5]`, `image_shape has 4 values, want 3`},
		{`"std_range": [0.1]`, `std_range has 1 values, want 2`},
		{`"classes": -1`, `Classes is -1, want 0 to 2³¹−1`},
		{`"classes": 3, "class_names": ["a"]`, `ClassNames has 1 names, want 3`},
		{`"class_names": ["a", "b", "a"]`, `ClassNames has 3 names, 2 of them different`},
		{
			`"classes": 3, "labels": {"dtype": "int64", "values": [1, 2]}`,
			`Labels has dtype "int64" and 2 values, want a dtype and 3 values, one per class`,
		},
		{`"labels": {"values": [1, 2]}`, `Labels has dtype "" and 2 values`},
		{
			`"labels": {"dtype": "int64", "values": [1, null]}`,
			`options have null in a list, want values`,
		},
		{`"labels": {"dtype": "int64", "values": [["x"]]}`, `Labels.Values[0] is ["x"], want a number`},
		{`"augment": [{"name": "RandomRotation"}]`, `the configuration does not decode: augment: RandomRotation.degrees is `},
		{`"augment": [{"name": "RandomCrop", "size": 9}], "image_shape": [8, 8, 1]`, `Augment: augment: RandomCrop.size is `},
	} {
		_, err := ParseConfig([]byte("{" + test.text + "}"))
		require.ErrorIs(t, err, fault.ErrArgument, test.text)
		require.ErrorContains(t, err, "vpn: "+test.message)
		field, _, _ := strings.Cut(test.message, " ")
		field, _, _ = strings.Cut(field, "[")
		field, _, _ = strings.Cut(field, ".")
		field = strings.TrimSuffix(field, ":")
		tested[field] = true
	}
	for _, value := range []float64{inf, -inf, nan} { // JSON has none of these
		c := DefaultConfig()
		c.LabelCoefficient = value
		require.ErrorContains(t, c.Validate(), "LabelCoefficient is ")
		tested["LabelCoefficient"] = true
		for _, field := range []string{
			"LearningRate", "Momentum", "WeightDecay", "BaseLossWeight", "StdRMS", "StdEpsilon", "FixedStd",
		} {
			c := DefaultConfig()
			reflect.ValueOf(&c).Elem().FieldByName(field).SetFloat(value)
			require.ErrorContains(t, c.Validate(), field+" is ")
		}
		c = DefaultConfig()
		c.StdRange = [2]float64{0, value}
		require.ErrorContains(t, c.Validate(), "StdRange[1] is ")
		c.StdRange = [2]float64{value, 1}
		require.ErrorContains(t, c.Validate(), "StdRange[")
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		require.True(t, tested[field.Name], "%s has no row", field.Name)
	}
}
