package vpn

import (
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/internal/hostmemory"
	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/data"
	"github.com/govpn/govpn/vpn/internal/engine"
	"github.com/govpn/govpn/vpn/method"
)

// createVariables creates all weights of base and generator with their initial values. It fails if
// there are more than most parameters, or if memory is short.
func (m *Model) createVariables(most int) error {
	plan := model.NewStore()
	plan.SetParam("/"+models.ShapesOnly, true)
	total, err := m.planVariables(plan)
	if err != nil {
		return err
	}
	if total > most {
		return formatError("the configuration is of a model of %d parameters, the file has at most %d", total, most)
	}
	// Training holds at least a weight, its gradient and the optimiser's two sums.
	need, have := 4*int64(total)*int64(m.net.DType.Size()), hostmemory.Available()
	if need > have {
		s := m.net.Config.ImageShape
		return engine.MemoryError(float64(need), have, "use smaller images or a smaller model",
			"training %d parameters for images of %d×%d×%d", total, s[0], s[1], s[2])
	}
	_, err = m.buildVariables(m.store, 1)
	return err
}

// planVariables declares all weights of base and generator in a store, without values, and counts
// their parameters.
func (m *Model) planVariables(plan *model.Store) (total int, err error) {
	// So many that no weight is the largest value, unless sizes could overflow.
	images, values := 1<<12, m.net.Config.ImageShape[0]*m.net.Config.ImageShape[1]*m.net.Config.ImageShape[2]
	if values > 1<<24 || values*m.net.Config.Classes > 1<<36 {
		images = 1 << 4
	}
	largest, err := m.buildVariables(plan, images)
	if err != nil {
		return 0, err
	}
	m.imageBytes = map[string]int{"base": largest["base"] / images, "generator": largest["generator"] / images}
	parameters := map[string]int{}
	for _, part := range []string{"base", "generator"} {
		for _, v := range method.Variables(plan, part) {
			if !models.IsBuffer(v.Name()) {
				parameters[part] += v.Shape().Size()
			}
		}
		total += parameters[part]
	}
	m.state.Lock()
	defer m.state.Unlock()
	m.state.parameters = parameters
	return total, nil
}

// mostBytes is the largest value that programs are built for. No machine has as much memory, and
// sums of the sizes of a program's values do not overflow.
const mostBytes = 1 << 52

// checkSize returns an error if a program for so many images, with so many passes of each, would
// have values beyond mostBytes. It is for programs whose sizes the caller chooses: they cannot be
// built at all then, so that checking the memory comes too late.
func (m *Model) checkSize(images, passes int, remedy string) error {
	need := float64(images) * float64(passes) * float64(m.imageBytes["base"]+m.imageBytes["generator"])
	if need <= mostBytes {
		return nil
	}
	return engine.MemoryError(need, hostmemory.Available(), remedy,
		"a program for %d images, %d times each,", images, passes)
}

// buildVariables builds the graph of base and generator for a number of images, without compiling
// it. That creates the weights in the store. It returns how many bytes the largest value of each
// part has, by "base" and "generator".
func (m *Model) buildVariables(store *model.Store, images int) (largest map[string]int, err error) {
	largest = map[string]int{}
	err = engine.Try(func() error {
		g := NewGraph(m.backend, "variables")
		defer g.Finalize()
		s := m.net.Config.ImageShape
		x := Parameter(g, "images", shapes.Make(m.net.DType, images, s[0], s[1], s[2]))
		baseNodes := m.net.BuildVariables(store.RootScope(), x, func() *Node {
			return Parameter(g, "labels", shapes.Make(method.LabelDType, images))
		})
		for i, node := range g.Nodes() {
			part := "base"
			if i >= baseNodes {
				part = "generator"
			}
			if node.NumOutputs() == 1 {
				largest[part] = max(largest[part], int(node.Shape().ByteSize()))
			}
		}
		return nil
	})
	return largest, err
}

// shapeFrom takes the model's missing sizes from a training set, and creates the weights.
func (m *Model) shapeFrom(d *data.Dataset) error {
	if m.shaped() {
		return nil
	}
	old := m.Config()
	cfg := old
	h, w, c := d.Shape()
	cfg.ImageShape = [3]int{h, w, c}
	if cfg.Classes == 0 {
		cfg.Classes, cfg.ClassNames = d.Classes(), d.ClassNames()
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	set := func(c Config) {
		m.state.Lock()
		defer m.state.Unlock()
		m.net.Config.ImageShape, m.net.Config.Classes, m.net.Config.ClassNames = c.ImageShape, c.Classes, c.ClassNames
	}
	set(cfg)
	err := m.createVariables(math.MaxInt)
	if err != nil {
		set(old)
	}
	return err
}
