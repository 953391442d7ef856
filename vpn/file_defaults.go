package vpn

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// metadataRelease is the key of a saved model's metadata that names the version of govpn that wrote
// the file. No version writes it yet. Every version reads over metadata that it does not know. A
// file without the key is from 0.1.0 or before.
const metadataRelease = "govpn.release"

// release is what a version of govpn did where a file says nothing.
type release struct {
	version string
	config  string            // JSON: a value for every key of Config
	augment map[string]string // JSON: by the augmentation's name, a value for every parameter
}

// releases lists what each version did, in the order of the versions. A saved model keeps the
// behaviour of the version that wrote it. So each value stands here as a literal: DefaultConfig may
// change without any effect on a file.
//
// Every version so far writes every key that it knows. A key that a file lacks is then one that its
// version did not know. From this follow three rules:
//   - Who adds a key to Config, or a parameter to an augmentation, adds it to every release here,
//     with the value that means what that release did. A test fails until then.
//   - Who changes DefaultConfig changes nothing here.
//   - The first version that leaves keys out of its files writes metadataRelease into them, and
//     adds itself here with its own values.
var releases = []release{
	{
		version: "0.1.0",
		config: `{
			"base": "dnn3", "generator": "dnn3", "mode": "joint", "initial_values": "torchvision",
			"epochs": 20, "batch_size": 256, "eval_batch_size": 0, "drop_last": true, "accumulate": 1, "remat": false,
			"optimizer": "adam", "learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0, "schedule": "cosine",
			"compute_dtype": "float32",
			"noise_samples": 1, "noise_distribution": "normal", "base_loss_weight": 0, "label_smoothing": 0, "entropy_weight": 0,
			"label_fusion": "bias", "label_coefficient": 1, "label_encoding": "scaled", "noise_layer": 0,
			"std": "bounded", "std_range": [0.01, 0.3], "std_rms": 0.1, "std_epsilon": 1e-6,
			"fixed_std": 0.1, "clip_noisy": false,
			"noisy_batch_norm": "shared",
			"normalize": {"where": "image", "mean": null, "std": null},
			"augment": null,
			"patience": 0, "restore_best": true, "seed": 0,
			"image_shape": [0, 0, 0], "classes": 0, "class_names": null, "attributes": null,
			"labels": {"dtype": "class_names", "values": null}
		}`,
		augment: map[string]string{ // degrees and kernel_size have no default
			"ColorJitter":          `{"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}`,
			"GaussianBlur":         `{"sigma": [0.1, 2]}`,
			"GaussianNoise":        `{"mean": 0, "sigma": 0.1, "clip": true, "fraction": 1}`,
			"RandomAffine":         `{"translate": null, "scale": null, "shear": null, "interpolation": "nearest", "fill": 0, "center": null}`,
			"RandomCrop":           `{"size": null, "padding": null, "fill": 0, "padding_mode": "constant"}`,
			"RandomHorizontalFlip": `{"p": 0.5}`,
			"RandomRotation":       `{"interpolation": "nearest", "fill": 0, "center": null}`,
		},
	},
}

// configOfFile returns the configuration in a saved model's metadata. A key that the file lacks has
// the value of the release that wrote it.
func configOfFile(metadata map[string]string) (cfg Config, err error) {
	r := releaseOf(metadata[metadataRelease])
	if err := json.Unmarshal([]byte(r.config), &cfg); err != nil {
		return cfg, err
	}
	text, err := r.completeAugment([]byte(metadata["govpn.config"]))
	if err != nil {
		return cfg, err
	}
	return cfg, json.Unmarshal(text, &cfg)
}

// releaseOf returns the last release that is not later than version, or else the first one. The
// first one is also that of version "".
func releaseOf(version string) release {
	found := releases[0]
	for _, r := range releases {
		if slices.Compare(numbersOf(r.version), numbersOf(version)) <= 0 {
			found = r
		}
	}
	return found
}

// numbersOf returns [0, 1, 0] for "0.1.0". It reads each part up to the first character that is no
// digit.
func numbersOf(version string) (numbers []int) {
	for part := range strings.SplitSeq(version, ".") {
		end := strings.IndexFunc(part, func(c rune) bool { return c < '0' || c > '9' })
		if end >= 0 {
			part = part[:end]
		}
		n, _ := strconv.Atoi(part) // 0 for none
		numbers = append(numbers, n)
	}
	return numbers
}

// completeAugment adds to the augmentations of a configuration, as JSON, the parameters that they
// lack. It returns text without a list of augmentations as it is: the decoder says what is wrong
// with it.
func (r release) completeAugment(text []byte) ([]byte, error) {
	var config map[string]json.RawMessage
	var rows []map[string]json.RawMessage
	if json.Unmarshal(text, &config) != nil || json.Unmarshal(config["augment"], &rows) != nil {
		return text, nil
	}
	added := false
	for _, row := range rows {
		var name string
		if json.Unmarshal(row["name"], &name) != nil || r.augment[name] == "" {
			continue
		}
		var defaults map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r.augment[name]), &defaults); err != nil {
			return nil, err
		}
		for key, value := range defaults {
			if _, ok := row[key]; !ok {
				row[key], added = value, true
			}
		}
	}
	if !added {
		return text, nil
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	config["augment"] = list
	return json.Marshal(config)
}
