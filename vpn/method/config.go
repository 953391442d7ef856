package method

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/govpn/govpn/internal/strictjson"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/augment"
)

// Config is everything that defines a model and its training. It crosses every boundary as JSON.
//
// Lengths in units of σ are in units of the pixel range [0, 1]. With NoiseLayer they are in units
// of that layer's output, and with Normalize.Where "input" in units of normalised pixels.
type Config struct {
	Base      string `json:"base"`      // base classifier, one of models.Names()
	Generator string `json:"generator"` // one of GeneratorNames()

	// Mode is what training does. "joint" trains base and generator together. "frozen" trains the
	// generator alone. "plain" trains the base without noise: the baseline. "gaussian" trains the
	// base with Gaussian noise of FixedStd.
	Mode string `json:"mode"`

	// InitialValues are those of the convolutions of ResNets, in base and generator. "torchvision"
	// is N(0, 2/fan_out). "torch" is PyTorch's default, uniform within ±1/√fan_in, as in the
	// authors' public code. Its deviation is 1/√(3·fan_in), 0.41 times the other's where fan_in is
	// fan_out.
	InitialValues string `json:"initial_values"`

	Epochs        int `json:"epochs"`
	BatchSize     int `json:"batch_size"`
	EvalBatchSize int `json:"eval_batch_size"` // images per chunk of inference; 0 lets the library choose
	// DropLast leaves out of every epoch the images that fill no whole batch, as drop_last of
	// PyTorch's DataLoader does. False trains on them as a last, smaller batch.
	DropLast bool `json:"drop_last"`
	// Accumulate is the number of equal parts in which a step computes its batch, one after
	// another. More parts take less memory. The step is the same, but batch norms take their
	// statistics of each part. BatchSize must be a multiple of Accumulate.
	Accumulate int `json:"accumulate"`
	// Remat makes training keep only the inputs of the networks' blocks, and compute the rest again
	// for the gradient. It takes less memory and more time, for the same step. Blocks are those of
	// ResNets and ViTs, and the second layer of dnn3.
	Remat bool `json:"remat"`

	Optimizer    string  `json:"optimizer"`     // "adam" or "sgd", with PyTorch's semantics
	LearningRate float64 `json:"learning_rate"` // > 0
	Momentum     float64 `json:"momentum"`      // of "sgd", in [0, 1)
	WeightDecay  float64 `json:"weight_decay"`  // ≥ 0, added to the gradient
	Schedule     string  `json:"schedule"`      // "constant", or "cosine": to 0 over the epochs, stepped per epoch

	// ComputeDType is the dtype of the layers' products: "float32", "float64" or "bfloat16". With
	// "float64" weights and all else are float64, too. With "bfloat16" weights, label bias,
	// generator input, σ, statistics and losses stay float32; on device go, everything does.
	ComputeDType string `json:"compute_dtype"`

	NoiseSamples int `json:"noise_samples"` // m of Eq. 12, ≥ 1
	// NoiseDistribution is the distribution of z: "normal"; or, experimental, "laplace" or
	// "uniform". All have mean 0 and variance 1, so that σ is the standard deviation of any.
	NoiseDistribution string  `json:"noise_distribution"`
	BaseLossWeight    float64 `json:"base_loss_weight"` // λ of Eq. 13, ≥ 0
	LabelSmoothing    float64 `json:"label_smoothing"`  // ε in [0, 1) of the losses of training, as torch's cross_entropy
	EntropyWeight     float64 `json:"entropy_weight"`   // β ≥ 0 of the noise's entropy: −β·mean(log σ) in the loss
	// LabelFusion is the way of the label into the generator, one of LabelFusionNames(). All but
	// "bias", the paper's, are experimental.
	LabelFusion      string     `json:"label_fusion"`
	LabelCoefficient float64    `json:"label_coefficient"` // κ of fusion "bias"
	LabelEncoding    string     `json:"label_encoding"`    // of fusion "bias": "scaled" is κ·y/(K−1), "index" is κ·y
	NoiseLayer       int        `json:"noise_layer"`       // 0: noise on pixels; l: on the base's hidden layer l, experimental
	Std              string     `json:"std"`               // parametrisation of σ, one of StdNames()
	StdRange         [2]float64 `json:"std_range"`         // [lo, hi] of Std "bounded", in units of σ
	// StdRMS is r of Std "rms", in units of σ. The authors' 0.1 is 0.027 of the pixel range.
	StdRMS float64 `json:"std_rms"`
	// StdEpsilon is ε in the root of Std "rms". Release 0.1.0 had 1e-6, with which σ could start far
	// below r.
	StdEpsilon float64 `json:"std_epsilon"`
	FixedStd   float64 `json:"fixed_std"`  // σ of Mode "gaussian"
	ClipNoisy  bool    `json:"clip_noisy"` // clip noisy pixels to [0, 1]

	// NoisyBatchNorm says which batch norms noisy images pass. "shared": clean and noisy images
	// pass as one batch, so that statistics are of both. "separate": noisy images have batch norms
	// of their own in training and in noisy inference, as in AdvProp (C. Xie et al., CVPR 2020).
	// That needs BaseLossWeight > 0: without it the other batch norms would never see an image.
	NoisyBatchNorm string `json:"noisy_batch_norm"`

	Normalize Normalize `json:"normalize"`

	// Augment is what training does to clean images before they get noise. It is drawn anew at
	// every step.
	Augment augment.List `json:"augment"`

	// In Mode "frozen" val_accuracy never changes, and the last epoch counts as the best.
	Patience    int   `json:"patience"`     // stop after so many epochs without a better val_accuracy; 0 never stops
	RestoreBest bool  `json:"restore_best"` // with validation data, infer with the weights of the best epoch
	Seed        int64 `json:"seed"`

	ImageShape [3]int `json:"image_shape"` // H, W, C; zeros: of the first data set
	Classes    int    `json:"classes"`     // K; 0: of the first data set
	// ClassNames are the names of classes 0 to K − 1, each once. Without them a model takes those of
	// its first training set, if that has one for every class. A data set with class names meets a
	// model with class names by name.
	ClassNames []string `json:"class_names"`
	// Labels say what the caller calls the classes, if neither by name nor by number from 0. nil:
	// by ClassNames or, without them, by number. They are kept with the model and in its files, and
	// mean nothing to the library.
	Labels *Labels `json:"labels"`

	// Attributes are the caller's own notes. They are kept with the model and in its files, and
	// mean nothing to the library.
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Labels are the caller's labels of the classes, in the order of the outputs.
type Labels struct {
	DType  string            `json:"dtype"`  // the caller's name of their type, such as "int64"
	Values []json.RawMessage `json:"values"` // numbers, booleans or text, one per class
}

// LabelsInNames is the DType of the labels of a model of 0.1.0, whose ClassNames are names or hold
// the labels of Python as text. Such Labels have no Values.
const LabelsInNames = "class_names"

// Normalize is (x − Mean)/Std per channel. Where "image" it happens inside the base model, after
// the noise, so that σ is in units of the pixel range. Where "input" it happens before generator
// and noise, as the authors' code does for ImageNet.
type Normalize struct {
	Where string    `json:"where"`
	Mean  []float64 `json:"mean"` // C values; empty for none
	Std   []float64 `json:"std"`  // C values > 0
}

// HasGenerator says whether Mode trains a generator.
func (c *Config) HasGenerator() bool { return c.Mode == "joint" || c.Mode == "frozen" }

// ParseConfig reads a configuration from JSON. {"preset": "paper", "epochs": 10, …} is the preset,
// "default" if none is named, with the given values in place of its own. Unknown keys are errors.
func ParseConfig(text []byte) (Config, error) {
	var head struct {
		Preset     string `json:"preset"`
		Base       any    `json:"base"`
		ImageShape []any  `json:"image_shape"`
		StdRange   []any  `json:"std_range"`
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}")
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Config{}, argumentError("the configuration is not valid JSON: %v", err)
	}
	if err := strictjson.Check(text); err != nil {
		return Config{}, argumentError("options %w", err)
	}
	preset, ok := presets[head.Preset]
	if !ok && head.Preset != "" {
		return Config{}, argumentError("preset is %q, want default, paper, official or augmented", head.Preset)
	} else if !ok {
		preset = presets["default"]
	}
	base, _ := head.Base.(string)
	if n := len(head.ImageShape); head.ImageShape != nil && n != 3 { // encoding/json would cut or fill the array
		return Config{}, argumentError("image_shape has %d values, want 3: height, width, channels", n)
	}
	if n := len(head.StdRange); head.StdRange != nil && n != 2 {
		return Config{}, argumentError("std_range has %d values, want 2: low, high", n)
	}
	full := struct {
		Preset string `json:"preset"`
		Config
	}{Config: preset(base)}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&full); err != nil {
		return Config{}, argumentError("the configuration does not decode: %v", DecodeError(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Config{}, argumentError("the configuration has text after its JSON object")
	}
	return full.Config, full.Config.Validate()
}

// DecodeError names the types in an error of encoding/json as callers know them: package vpn exports
// them.
func DecodeError(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "type method.", "type vpn."))
}

// Validate returns an error that says what is wrong with a configuration: the option, its value and
// what is wanted.
func (c *Config) Validate() error {
	if err := c.validateNames(); err != nil {
		return err
	}
	if err := c.validateNumbers(); err != nil {
		return err
	}
	if c.BatchSize%c.Accumulate != 0 {
		return argumentError("Accumulate is %d with BatchSize %d, want a divisor of it: the parts are of one size",
			c.Accumulate, c.BatchSize)
	}
	if layers, about := models.HiddenLayers(c.Base); c.NoiseLayer > layers {
		return argumentError("NoiseLayer is %d, want 0 to %d: base %s %s", c.NoiseLayer, layers, c.Base, about)
	}
	if c.NoiseLayer > 0 && c.ClipNoisy {
		return argumentError("ClipNoisy is true with NoiseLayer %d: only pixels have a range to clip to; want one of the two",
			c.NoiseLayer)
	}
	return c.validateShape()
}

func (c *Config) validateNames() error {
	for _, f := range []struct {
		name, got string
		want      []string
	}{
		{"Base", c.Base, models.Names()},
		{"Generator", c.Generator, GeneratorNames()},
		{"Mode", c.Mode, []string{"joint", "frozen", "plain", "gaussian"}},
		{"InitialValues", c.InitialValues, []string{"torchvision", "torch"}},
		{"Optimizer", c.Optimizer, []string{"adam", "sgd"}},
		{"NoiseDistribution", c.NoiseDistribution, []string{"normal", "laplace", "uniform"}},
		{"Schedule", c.Schedule, []string{"constant", "cosine"}},
		{"LabelFusion", c.LabelFusion, LabelFusionNames()},
		{"LabelEncoding", c.LabelEncoding, []string{"scaled", "index"}},
		{"ComputeDType", c.ComputeDType, []string{"float32", "float64", "bfloat16"}},
		{"NoisyBatchNorm", c.NoisyBatchNorm, []string{"shared", "separate"}},
		{"Std", c.Std, StdNames()},
		{"Normalize.Where", c.Normalize.Where, []string{"image", "input"}},
	} {
		if !slices.Contains(f.want, f.got) {
			return argumentError("%s is %q, want one of %s", f.name, f.got, strings.Join(f.want, ", "))
		}
	}
	if c.NoisyBatchNorm == "separate" && (c.BaseLossWeight == 0 || c.Mode != "joint" && c.Mode != "gaussian") {
		return argumentError("NoisyBatchNorm is separate with Mode %s and BaseLossWeight %g, want joint or gaussian and a weight > 0: "+
			"no clean image would reach the base's own batch norms", c.Mode, c.BaseLossWeight)
	}
	if c.EntropyWeight > 0 && !c.HasGenerator() {
		return argumentError("EntropyWeight is %g with Mode %s, which has no generator whose σ could grow; want joint or frozen, or 0",
			c.EntropyWeight, c.Mode)
	}
	return nil
}

func (c *Config) validateNumbers() error {
	for _, f := range []struct {
		name     string
		got, min int
	}{
		{"Epochs", c.Epochs, 1}, {"BatchSize", c.BatchSize, 1}, {"EvalBatchSize", c.EvalBatchSize, 0},
		{"Accumulate", c.Accumulate, 1}, {"NoiseSamples", c.NoiseSamples, 1}, {"Patience", c.Patience, 0},
		{"Classes", c.Classes, 0}, {"NoiseLayer", c.NoiseLayer, 0},
	} {
		if f.got < f.min || f.got > math.MaxInt32 {
			return argumentError("%s is %d, want %d to 2³¹−1", f.name, f.got, f.min)
		}
	}
	for _, f := range []struct {
		name string
		got  float64
		ok   bool
		want string
	}{
		{"LearningRate", c.LearningRate, c.LearningRate > 0, "> 0"},
		{"Momentum", c.Momentum, c.Momentum >= 0 && c.Momentum < 1, "in [0, 1)"},
		{"WeightDecay", c.WeightDecay, c.WeightDecay >= 0, "≥ 0"},
		{"BaseLossWeight", c.BaseLossWeight, c.BaseLossWeight >= 0, "≥ 0"},
		{"LabelSmoothing", c.LabelSmoothing, c.LabelSmoothing >= 0 && c.LabelSmoothing < 1, "in [0, 1)"},
		{"EntropyWeight", c.EntropyWeight, c.EntropyWeight >= 0, "≥ 0"},
		{"LabelCoefficient", c.LabelCoefficient, true, "finite"},
		{"StdRange[0]", c.StdRange[0], c.StdRange[0] >= 0, "≥ 0"},
		{"StdRange[1]", c.StdRange[1], c.StdRange[1] > c.StdRange[0], "> StdRange[0]"},
		{"StdRMS", c.StdRMS, c.StdRMS > 0, "> 0"},
		{"StdEpsilon", c.StdEpsilon, c.StdEpsilon >= 1e-30, "≥ 1e-30"}, // float32 has no much smaller ones
		{"FixedStd", c.FixedStd, c.FixedStd >= 0, "≥ 0"},
	} {
		if !f.ok || math.IsInf(f.got, 0) || math.IsNaN(f.got) {
			return argumentError("%s is %g, want a finite number %s", f.name, f.got, f.want)
		}
	}
	return nil
}

func (c *Config) validateShape() error {
	s := c.ImageShape
	if s != [3]int{} && (min(s[0], s[1], s[2]) < 1 || max(s[0], s[1], s[2]) > math.MaxInt16) {
		return argumentError("ImageShape is %v, want H, W, C from 1 to %d", s, math.MaxInt16)
	}
	// No size of a network's weights or values overflows within these limits.
	values := s[0] * s[1] * s[2]
	if values > math.MaxInt32 {
		return argumentError("ImageShape is %v, want at most 2³¹−1 values per image", s)
	}
	if values*c.Classes > 1<<42 {
		return argumentError("ImageShape is %v with Classes %d, want at most 2⁴² values of images times classes",
			s, c.Classes)
	}
	if len(c.ClassNames) > 0 && c.Classes > 0 && len(c.ClassNames) != c.Classes {
		return argumentError("ClassNames has %d names, want %d, one per class", len(c.ClassNames), c.Classes)
	}
	if names := slices.Compact(slices.Sorted(slices.Values(c.ClassNames))); len(names) < len(c.ClassNames) {
		return argumentError("ClassNames has %d names, %d of them different, want a name of its own for each class",
			len(c.ClassNames), len(names))
	}
	if err := c.validateLabels(); err != nil {
		return err
	}
	n := c.Normalize
	if len(n.Mean) != len(n.Std) || (s[2] > 0 && len(n.Mean) > 0 && len(n.Mean) != s[2]) {
		return argumentError("Normalize has %d means and %d deviations, want one of each per channel",
			len(n.Mean), len(n.Std))
	}
	for i := range n.Mean {
		mean, std := float64(float32(n.Mean[i])), float64(float32(n.Std[i]))
		if !(std > 0) || math.IsInf(std, 0) || math.IsNaN(mean) || math.IsInf(mean, 0) {
			return argumentError("Normalize has mean %g and deviation %g in channel %d, want finite numbers of float32, the second > 0",
				n.Mean[i], n.Std[i], i)
		}
	}
	if err := c.Augment.Validate(); err != nil {
		return argumentError("Augment: %w", err)
	}
	if s != [3]int{} {
		if err := c.Augment.Check(s[0], s[1], s[2]); err != nil {
			return argumentError("Augment: %w", err)
		}
	}
	if c.ClipNoisy && n.Where == "input" && len(n.Mean) > 0 {
		return argumentError("ClipNoisy is true with Normalize.Where \"input\": there noise is not in pixel units; want one of the two")
	}
	return nil
}

func (c *Config) validateLabels() error {
	if c.Labels == nil || c.Labels.DType == LabelsInNames {
		return nil
	}
	if c.Labels.DType == "" || len(c.Labels.Values) != c.Classes && c.Classes > 0 {
		return argumentError("Labels has dtype %q and %d values, want a dtype and %d values, one per class",
			c.Labels.DType, len(c.Labels.Values), c.Classes)
	}
	for i, value := range c.Labels.Values {
		if text := bytes.TrimSpace(value); len(text) == 0 || bytes.ContainsAny(text[:1], "{[n") {
			return argumentError("Labels.Values[%d] is %.100s, want a number, a boolean or text", i, value)
		}
	}
	return nil
}
