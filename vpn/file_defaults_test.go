package vpn

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/augment"
	"github.com/govpn/govpn/vpn/method"
)

// jsonObject decodes a JSON object.
func jsonObject(t *testing.T, text string) map[string]any {
	var found map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &found))
	return found
}

// jsonText is the JSON of a value.
func jsonText(t *testing.T, value any) string {
	b, err := json.Marshal(value)
	require.NoError(t, err)
	return string(b)
}

// configJSON returns a configuration with all keys, as a file has them.
func configJSON(t *testing.T, c Config) map[string]any {
	found := jsonObject(t, jsonText(t, c))
	if _, ok := found["attributes"]; !ok { // which is left out where it is empty
		found["attributes"] = nil
	}
	return found
}

// decodedConfig is the configuration of a file with these metadata.
func decodedConfig(t *testing.T, config, release string) map[string]any {
	metadata := map[string]string{"govpn.config": config}
	if release != "" {
		metadata[metadataRelease] = release
	}
	c, err := configOfFile(metadata)
	require.NoError(t, err)
	return configJSON(t, c)
}

// withReleases runs the rest of the test with other releases.
func withReleases(t *testing.T, other ...release) {
	old := releases
	releases = other
	t.Cleanup(func() { releases = old })
}

// Who adds a key to Config or a parameter to an augmentation has to say what every earlier release
// did.
func TestEveryReleaseHasAValueForEveryKey(t *testing.T) {
	for _, r := range releases {
		keys := slices.Sorted(maps.Keys(jsonObject(t, r.config)))
		require.Equal(t, slices.Sorted(maps.Keys(configJSON(t, Config{}))), keys, "keys of release %s", r.version)
		require.ElementsMatch(t, []string{"where", "mean", "std"}, slices.Collect(maps.Keys(jsonObject(t, r.config)["normalize"].(map[string]any))))
		require.ElementsMatch(t, augment.Names(), slices.Collect(maps.Keys(r.augment)), "augmentations of release %s", r.version)
		for name, parameters := range r.augment {
			a, err := augment.New(name)
			require.NoError(t, err)
			var rows []map[string]any
			require.NoError(t, json.Unmarshal([]byte(jsonText(t, augment.List{a})), &rows))
			for _, key := range []string{"name", "degrees", "kernel_size"} { // a file always has these
				delete(rows[0], key)
			}
			require.ElementsMatch(t, slices.Collect(maps.Keys(rows[0])), slices.Collect(maps.Keys(jsonObject(t, parameters))), name)
		}
	}
}

// The values of 0.1.0 never change. They are what DefaultConfig returned then.
func TestValuesOf010(t *testing.T) {
	require.Equal(t, configJSON(t, Config{
		Base: "dnn3", Generator: "dnn3", Mode: "joint", InitialValues: "torchvision",
		Epochs: 20, BatchSize: 256, DropLast: true, Accumulate: 1,
		Optimizer: "adam", LearningRate: 0.001, Momentum: 0.9, Schedule: "cosine", ComputeDType: "float32",
		NoiseSamples: 1, NoiseDistribution: "normal", LabelFusion: "bias", LabelCoefficient: 1, LabelEncoding: "scaled",
		Std: "bounded", StdRange: [2]float64{0.01, 0.3}, StdRMS: 0.1, StdEpsilon: 1e-6, FixedStd: 0.1,
		NoisyBatchNorm: "shared",
		Normalize:      Normalize{Where: "image"}, RestoreBest: true, Labels: &method.Labels{DType: method.LabelsInNames},
	}), decodedConfig(t, "{}", ""))
}

// A file takes the value of its release for a key that it lacks, whatever DefaultConfig says today.
// The second half invents a release whose every value differs from today's.
func TestFilesTakeTheValuesOfTheirRelease(t *testing.T) {
	eachMuseum(t, func(t *testing.T, m museum) {
		whole := jsonText(t, m.Models["bounded-film"].Config)
		today := configJSON(t, DefaultConfig())
		frozen := jsonObject(t, releases[0].config)
		invented := map[string]any{
			"augment":     []any{map[string]any{"name": "RandomHorizontalFlip", "p": 0.25}},
			"class_names": []any{"ant"}, "attributes": map[string]any{"note": "text"},
			"labels": map[string]any{"dtype": "int64", "values": []any{3.0}},
		}
		for key := range frozen {
			if invented[key] == nil {
				invented[key] = otherValue(today[key])
			}
		}
		for key := range frozen {
			config := jsonObject(t, whole)
			delete(config, key)
			require.Equal(t, frozen[key], decodedConfig(t, jsonText(t, config), "")[key], key)
		}
		withReleases(t, release{version: "0.1.0", config: jsonText(t, invented)})
		for key := range frozen {
			config := jsonObject(t, whole)
			delete(config, key)
			got := decodedConfig(t, jsonText(t, config), "")[key]
			require.Equal(t, invented[key], got, key)
			require.NotEqual(t, today[key], got, key)
		}
	})
}

// otherValue is another value of the same kind.
func otherValue(value any) any {
	switch v := value.(type) {
	case string:
		return v + "?"
	case bool:
		return !v
	case float64:
		return v + 7
	case []any:
		rest := make([]any, len(v))
		for i := range v {
			rest[i] = v[i].(float64) + 7
		}
		return rest
	case map[string]any: // normalize
		return map[string]any{"where": "input", "mean": []any{0.5}, "std": []any{0.5}}
	}
	return nil
}

// A model whose file lacks keys computes as the release did.
func TestModelsTakeTheValuesOfTheirRelease(t *testing.T) {
	eachMuseum(t, func(t *testing.T, m museum) {
		short := func(name string, keys ...string) []byte {
			return rewritten(t, m.content(t, name+".govpn"), "govpn.config", func(config string) string {
				c := jsonObject(t, config)
				for _, key := range keys {
					require.Contains(t, c, key)
					delete(c, key)
				}
				return jsonText(t, c)
			})
		}
		model, err := Unmarshal(short("best-epoch", "fixed_std", "std", "std_range", "epochs", "noise_distribution"), openDevice(t, "go"))
		require.NoError(t, err)
		want := m.Models["best-epoch"]
		want.Config["epochs"] = 20.0 // the others are as the file had them
		want.check(t, model, m.Data[want.Data].Test, true, 1e-5)
		require.NoError(t, model.Close())

		values := jsonObject(t, releases[0].config)
		values["noise_distribution"] = "uniform"
		withReleases(t, release{version: "0.1.0", config: jsonText(t, values)})
		model, err = Unmarshal(short("best-epoch", "noise_distribution"), openDevice(t, "go"))
		require.NoError(t, err)
		require.Equal(t, "uniform", model.Config().NoiseDistribution)
		require.NoError(t, model.Close())
	})
}

// Parameters that an augmentation lacks are those of the release too.
func TestAugmentationsTakeTheValuesOfTheirRelease(t *testing.T) {
	const config = `{"augment": [{"name": "RandomHorizontalFlip"}, {"name": "RandomRotation", "degrees": 5, "fill": 1}]}`
	row := func(i int) map[string]any { return decodedConfig(t, config, "")["augment"].([]any)[i].(map[string]any) }
	require.Equal(t, map[string]any{"name": "RandomHorizontalFlip", "p": 0.5}, row(0))
	require.Equal(t, map[string]any{"name": "RandomRotation", "degrees": 5.0, "interpolation": "nearest", "fill": 1.0, "center": nil}, row(1))
	withReleases(t, release{version: "0.1.0", config: releases[0].config, augment: map[string]string{
		"RandomHorizontalFlip": `{"p": 0.25}`, "RandomRotation": `{"interpolation": "bilinear", "fill": 0.5}`,
	}})
	require.Equal(t, 0.25, row(0)["p"])
	require.Equal(t, "bilinear", row(1)["interpolation"])
	require.Equal(t, 1.0, row(1)["fill"])
}

// A file that names its release takes that one's values. A file without a name is of the first.
func TestFilesMayNameTheirRelease(t *testing.T) {
	second := jsonObject(t, releases[0].config)
	second["epochs"] = 30
	withReleases(t, releases[0], release{version: "0.10.0", config: jsonText(t, second)})
	for release, epochs := range map[string]float64{
		"": 20, "0.0.9": 20, "0.1.0": 20, "0.2.0": 20, "0.9.9": 20, "0.10.0": 30, "0.10.1-rc1": 30, "1.0": 30, "what": 20,
	} {
		require.Equal(t, epochs, decodedConfig(t, "{}", release)["epochs"], release)
	}
}

// 0.1.0 reads over metadata that it does not know, so that a later version may name itself in its
// files.
func TestFilesThatNameTheirReleaseLoad(t *testing.T) {
	eachMuseum(t, func(t *testing.T, m museum) {
		named := rewritten(t, m.content(t, "best-epoch.govpn"), metadataRelease, func(string) string { return "0.2.0" })
		model, err := Unmarshal(named, openDevice(t, "go"))
		require.NoError(t, err)
		defer model.Close()
		want := m.Models["best-epoch"]
		want.check(t, model, m.Data[want.Data].Test, true, 1e-5)
	})
}

// Text that is no configuration is refused as ever.
func TestConfigurationsInFilesThatDoNotDecode(t *testing.T) {
	for _, config := range []string{``, `[]`, `{`, `{"epochs": "many"}`, `{"augment": 3}`, `{"augment": [{"name": "Twirl"}]}`,
		`{"augment": [{"name": 3}]}`, `{"augment": [{"name": "RandomHorizontalFlip", "p": 2}]}`} {
		_, err := configOfFile(map[string]string{"govpn.config": config})
		require.Error(t, err, config)
		c := DefaultConfig()
		require.EqualError(t, err, json.Unmarshal([]byte(config), &c).Error(), config)
	}
}
