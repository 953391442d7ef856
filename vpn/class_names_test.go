package vpn

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/method"
)

// named returns d with class names and the label number[y] in place of y.
func named(t testing.TB, d *data.Dataset, number []int32, names ...string) *data.Dataset {
	labels := make([]int32, d.Len())
	for i, y := range d.Labels() {
		labels[i] = number[y]
	}
	v, err := d.WithLabels(labels, names)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// only returns the images of d whose label is in labels.
func only(t testing.TB, d *data.Dataset, labels ...int32) *data.Dataset {
	var indices []int32
	for i, y := range d.Labels() {
		for _, want := range labels {
			if y == want {
				indices = append(indices, int32(i))
			}
		}
	}
	v, err := d.Subset(indices)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

var byNumber = []int32{0, 1, 2}

// A data set whose classes have other numbers than the model's answers as one with the model's
// numbers, in every call that reads labels.
func TestClassesByName(t *testing.T) {
	train, test := stripes(t, 96, 1), stripes(t, 30, 2)
	m := fitted(t, smallConfig("joint"), named(t, train, byNumber, "cat", "dog", "emu"), nil)
	require.Equal(t, []string{"cat", "dog", "emu"}, m.Config().ClassNames)

	fewer := only(t, test, 0, 2) // a folder without dogs, and with a class that no image has
	want, got := fewer, named(t, fewer, []int32{1, 0, 2}, "ant", "cat", "emu")
	wantEvaluation, err := m.Evaluate(ctx, want, EvalOptions{Noise: "label"})
	require.NoError(t, err)
	evaluation, err := m.Evaluate(ctx, got, EvalOptions{Noise: "label"})
	require.NoError(t, err)
	require.Equal(t, wantEvaluation, evaluation)
	for _, output := range []string{"std", "gradient"} {
		wantValues, _, err := m.Noise(ctx, want, NoiseOptions{Output: output})
		require.NoError(t, err)
		values, _, err := m.Noise(ctx, got, NoiseOptions{Output: output})
		require.NoError(t, err)
		require.Equal(t, wantValues, values, output)
	}

	other := reloaded(t, m)
	turned := named(t, train, []int32{2, 0, 1}, "dog", "emu", "cat")
	wantTurned := named(t, test, byNumber, "cat", "dog", "emu")
	options := FitOptions{Epochs: 4, Resume: true}
	require.NoError(t, m.Fit(ctx, train, wantTurned, options))
	require.NoError(t, other.Fit(ctx, turned, named(t, test, []int32{1, 2, 0}, "emu", "cat", "dog"), options))
	require.Equal(t, untimed(m.History()), untimed(other.History()))
	wantMetrics, err := m.TrainBatch(ctx, train)
	require.NoError(t, err)
	metrics, err := other.TrainBatch(ctx, turned)
	require.NoError(t, err)
	require.Equal(t, wantMetrics, metrics)
	require.Equal(t, state(t, m), state(t, other))
	require.Equal(t, []string{"cat", "dog", "emu"}, other.Config().ClassNames)
}

// A class that the model does not have is an error that names it, and the model stays usable.
func TestUnknownClassNames(t *testing.T) {
	d := stripes(t, 9, 1)
	m := fitted(t, smallConfig("joint"), named(t, d, byNumber, "cat", "dog", "emu"), nil)
	fox := named(t, d, byNumber, "cat", "fox", "emu")
	_, evaluated := m.Evaluate(ctx, fox, EvalOptions{})
	_, _, noised := m.Noise(ctx, fox, NoiseOptions{})
	_, stepped := m.TrainBatch(ctx, fox)
	const message = `the data set has the class "fox", want one of the model's classes "cat", "dog", "emu"`
	require.EqualError(t, evaluated, "vpn: "+message)
	require.EqualError(t, m.Fit(ctx, d, fox, FitOptions{}),
		`vpn: the validation set has the class "fox", want one of the model's classes "cat", "dog", "emu"`)
	for _, err := range []error{evaluated, noised, stepped, m.Fit(ctx, fox, nil, FitOptions{})} {
		require.ErrorIs(t, err, ErrArgument)
		require.ErrorContains(t, err, `has the class "fox"`)
	}
	_, err := m.Predict(ctx, fox, PredictOptions{}) // reads no labels
	require.NoError(t, err)
	require.NoError(t, m.Fit(ctx, d, nil, FitOptions{}), "a set without names meets the model by number")
	require.Len(t, m.History(), 3)
}

// The columns of soft labels have names, too. A column without probability may be of no class.
func TestSoftLabelsByName(t *testing.T) {
	soft := func(values []float32, names ...string) *data.Dataset {
		d, err := data.FromUint8(make([]uint8, 2*16), 2, 4, 4, 1, data.Options{SoftLabels: values, ClassNames: names})
		require.NoError(t, err)
		t.Cleanup(d.Close)
		return d
	}
	m := newModel(t, smallConfig("plain"), openDevice(t, "go"))
	train := soft([]float32{0.5, 0.25, 0.25, 0, 0, 1}, "cat", "dog", "emu")
	require.NoError(t, m.Fit(ctx, train, nil, FitOptions{Epochs: 1}))
	set, err := m.byName(soft([]float32{0.25, 0.75, 0, 1, 0, 0}, "emu", "cat", "fox"), "the set")
	require.NoError(t, err)
	defer set.Close()
	require.Equal(t, []float32{0.75, 0, 0.25, 0, 0, 1}, set.SoftLabels())
	require.Equal(t, []int32{0, 2}, set.Labels())
	_, err = m.byName(soft([]float32{0.25, 0.5, 0.25, 1, 0, 0}, "emu", "cat", "fox"), "the set")
	require.EqualError(t, err, `vpn: the set has the class "fox", want one of the model's classes "cat", "dog", "emu"`)
}

// A model that knows its number of classes takes their names from its first training set, before it
// looks at the validation set. A Fit that is refused leaves no names.
func TestNamesFromTraining(t *testing.T) {
	cfg, d := smallConfig("plain"), stripes(t, 30, 1)
	cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
	train, valid := named(t, d, byNumber, "cat", "dog", "emu"), named(t, d, []int32{2, 1, 0}, "emu", "dog", "cat")
	m := newModel(t, cfg, openDevice(t, "go"))
	require.Error(t, m.Fit(ctx, train, named(t, d, byNumber, "cat", "dog", "fox"), FitOptions{}))
	require.Empty(t, m.Config().ClassNames)
	require.NoError(t, m.Fit(ctx, train, valid, FitOptions{}))
	require.Equal(t, []string{"cat", "dog", "emu"}, m.Config().ClassNames)
	numbers := newModel(t, cfg, m.backend)
	require.NoError(t, numbers.Fit(ctx, d, d, FitOptions{}))
	require.Equal(t, untimed(numbers.History()), untimed(m.History()))
	require.Empty(t, numbers.Config().ClassNames)
}

// Exported weights carry the names. A frozen base then meets its generator's images by name.
func TestNamesInExports(t *testing.T) {
	d, path := stripes(t, 30, 1), filepath.Join(t.TempDir(), "base.safetensors")
	m := fitted(t, smallConfig("plain"), named(t, d, byNumber, "3", "True", `a "b"`), nil)
	require.NoError(t, m.ExportSafetensors(path, ExportOptions{Part: "base"}))
	_, metadata := header(t, path)
	require.Equal(t, map[string]string{
		"format": "pt", "govpn.flatten": "chw", "govpn.part": "base", "govpn.class_names": `["3","True","a \"b\""]`,
	}, metadata)

	cfg := smallConfig("frozen")
	cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
	frozen := newModel(t, cfg, m.backend)
	require.NoError(t, frozen.ImportSafetensors(path, ImportOptions{}))
	require.Equal(t, []string{"3", "True", `a "b"`}, frozen.Config().ClassNames)
	err := frozen.Fit(ctx, named(t, d, byNumber, "cat", "True", "3"), nil, FitOptions{})
	require.EqualError(t, err,
		`vpn: the training set has the class "cat", want one of the model's classes "3", "True", "a \"b\""`)
	require.NoError(t, frozen.Fit(ctx, named(t, d, []int32{2, 1, 0}, `a "b"`, "True", "3"), nil, FitOptions{}))
	want, err := m.Evaluate(ctx, d, EvalOptions{})
	require.NoError(t, err)
	got, err := frozen.Evaluate(ctx, named(t, d, []int32{2, 1, 0}, `a "b"`, "True", "3"), EvalOptions{})
	require.NoError(t, err)
	require.Equal(t, [2]Float{want.Accuracy, want.CrossEntropy}, [2]Float{got.Accuracy, got.CrossEntropy})

	head := newModel(t, cfg, m.backend)
	require.NoError(t, head.ImportSafetensors(path, ImportOptions{ReplaceHead: true}))
	require.Empty(t, head.Config().ClassNames, "the new head has classes of its own")
	cfg.ClassNames = []string{"True", "3", `a "b"`}
	err = newModel(t, cfg, m.backend).ImportSafetensors(path, ImportOptions{})
	require.ErrorIs(t, err, ErrArgument)
	require.ErrorContains(t, err, `the weights are for the classes "3", "True", "a \"b\"", in this order; `+
		`the model has the order "True", "3", "a \"b\""`)
	cfg.ClassNames = []string{"drei", "wahr", "ab"} // other words for the same classes
	renamed := newModel(t, cfg, m.backend)
	require.NoError(t, renamed.ImportSafetensors(path, ImportOptions{}))
	require.Equal(t, []string{"drei", "wahr", "ab"}, renamed.Config().ClassNames)

	cfg.ClassNames, cfg.Labels = nil, &method.Labels{DType: method.LabelsInNames}
	old := newModel(t, cfg, m.backend)
	require.NoError(t, old.ImportSafetensors(path, ImportOptions{}))
	require.Empty(t, old.Config().ClassNames, "Python would read them as labels")

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for names, message := range map[string]string{
		"oops": "want a JSON list of names", `["a","a","b"]`: "ClassNames has 3 names, 2 of them different",
	} {
		require.NoError(t, os.WriteFile(path, rewritten(t, b, data.MetadataNames, func(string) string { return names }), 0o600))
		err = newModel(t, smallShaped("plain"), m.backend).ImportSafetensors(path, ImportOptions{})
		require.ErrorIs(t, err, ErrFormat, names)
		require.ErrorContains(t, err, message)
	}
}

// smallShaped is smallConfig with the sizes of stripes.
func smallShaped(mode string) Config {
	cfg := smallConfig(mode)
	cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
	return cfg
}

// The class names of a model of 0.1.0 are names unless they are Python's numbers or booleans.
func TestNamesOf010(t *testing.T) {
	old := func(names ...string) *Config {
		return &Config{ClassNames: names, Labels: &method.Labels{DType: method.LabelsInNames}}
	}
	require.Equal(t, []string{"ant", "bee"}, namesOf(old("ant", "bee")))
	require.Equal(t, []string{"3", "True", "x", "4"}, namesOf(old(`"3"`, `"True"`, "x", "4")))
	for _, labels := range [][]string{nil, {"3", "-7"}, {"1.0", "2.5e+20", "3"}, {"False", "True"}} {
		require.Nil(t, namesOf(old(labels...)), labels)
		require.Equal(t, labels, namesOf(&Config{ClassNames: labels}), "names of a later version are names")
	}
}

// Labels of the caller are kept as they are, with all digits.
func TestLabelsInFiles(t *testing.T) {
	const labels = `{"dtype":"int64","values":[9007199254740993,-3,5]}`
	cfg := smallShaped("plain")
	require.NoError(t, json.Unmarshal([]byte(labels), &cfg.Labels))
	m := fitted(t, cfg, named(t, stripes(t, 9, 1), byNumber, "cat", "dog", "emu"), nil)
	require.Empty(t, m.Config().ClassNames, "the caller decides on names, as it does on labels")
	require.JSONEq(t, labels, jsonText(t, reloaded(t, m).Config().Labels))
}
