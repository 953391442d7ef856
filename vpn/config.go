package vpn

import "github.com/govpn/govpn/vpn/method"

// Config is everything that defines a model and its training. Its fields, their units and their
// defaults are documented at [method.Config].
type Config = method.Config

// Normalize is (x − Mean)/Std per channel. Its fields are documented at [method.Normalize].
type Normalize = method.Normalize

// DefaultConfig is what validation data chose on Fashion-MNIST. See [method.DefaultConfig].
func DefaultConfig() Config { return method.DefaultConfig() }

// PaperConfig is the paper's recipe for small networks. See [method.PaperConfig].
func PaperConfig() Config { return method.PaperConfig() }

// PaperConfigOf is the paper's recipe for a base. See [method.PaperConfigOf].
func PaperConfigOf(base string) Config { return method.PaperConfigOf(base) }

// OfficialConfig is the recipe of the authors' public code. See [method.OfficialConfig].
func OfficialConfig() Config { return method.OfficialConfig() }

// AugmentedConfig is OfficialConfig with random crops and flips. See [method.AugmentedConfig].
func AugmentedConfig() Config { return method.AugmentedConfig() }

// ParseConfig reads a configuration from JSON: a preset and the values that differ from it. See
// [method.ParseConfig].
func ParseConfig(text []byte) (Config, error) { return method.ParseConfig(text) }

// GeneratorNames lists the generators, sorted (Config.Generator).
func GeneratorNames() []string { return method.GeneratorNames() }

// StdNames lists the parametrisations of σ, sorted (Config.Std).
func StdNames() []string { return method.StdNames() }

// LabelFusionNames lists the ways of the label into the generator, sorted (Config.LabelFusion).
func LabelFusionNames() []string { return method.LabelFusionNames() }
