package vpn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// After Fit, warnings tell of a σ that is the same for all pixels, labels or images.
func TestCollapseWarnings(t *testing.T) {
	train := stripes(t, 32, 1)
	for _, test := range []struct {
		name                 string
		pixels, label, image bool
		change               func(c *Config)
	}{
		{name: "healthy", change: func(*Config) {}},
		{name: "without label", label: true, change: func(c *Config) { c.LabelCoefficient = 0 }},
		{
			name: "constant", pixels: true, label: true, image: true,
			change: func(c *Config) { c.Std, c.StdRange = "bounded", [2]float64{0.1, 0.1001} },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := smallConfig("joint")
			cfg.Std, cfg.LabelEncoding, cfg.LabelCoefficient = "abs", "index", 0.5
			cfg.Epochs, cfg.LearningRate = 1, 1e-9 // leaves vivid's σ as it is
			cfg.ImageShape, cfg.Classes = [3]int{4, 4, 1}, 3
			test.change(&cfg)
			m := newModel(t, cfg, openDevice(t, "go"))
			vivid(t, m)
			require.Empty(t, m.Warnings(), "before Fit")
			require.NoError(t, m.Fit(ctx, train, nil, FitOptions{}))
			var want int
			for text, expected := range map[string]bool{
				"collapsed over the pixels": test.pixels,
				"depends on the label":      test.label,
				"depends on the image":      test.image,
			} {
				if expected {
					want++
					require.Contains(t, fmt.Sprint(m.Warnings()), text)
				}
			}
			require.Len(t, m.Warnings(), want)
			require.Equal(t, len(m.Warnings()), len(m.Describe().Warnings))
		})
	}
	require.Empty(t, fitted(t, smallConfig("plain"), train, nil).Warnings(), "without a generator")
}

// Describe warns of batch norms that have never seen a clean image, if σ is large.
func TestBatchNormWarning(t *testing.T) {
	cfg, train := resNetConfig("joint"), stripes(t, 24, 1)
	require.NotContains(t, strings.Join(fitted(t, cfg, train, nil).Describe().Warnings, " "), "batch norms")
	cfg.BaseLossWeight = 0
	require.Contains(t, strings.Join(fitted(t, cfg, train, nil).Describe().Warnings, " "),
		"the batch norms of resnet18 have only seen images with noise of mean σ 0.1")
}
