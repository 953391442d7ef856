package vpn

import (
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/govpn/govpn/models"
	"github.com/govpn/govpn/vpn/data"
)

// createVariables makes all weights of base and generator by building their graph once, without compiling it.
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
	// A weight, its gradient and the optimiser's two sums are the least that training holds.
	need, have := 4*int64(total)*int64(m.net.dtype.Size()), data.AvailableMemory()
	if need > have {
		s := m.net.cfg.ImageShape
		return memoryError(float64(need), have, "use smaller images or a smaller model", "training %d parameters for images of %d×%d×%d", total, s[0], s[1], s[2])
	}
	_, err = m.buildVariables(m.store, 1)
	return err
}

// planVariables declares all weights of base and generator in a store, without values, and counts their parameters.
func (m *Model) planVariables(plan *model.Store) (total int, err error) {
	const images = 1 << 12 // so many that no weight is the largest value
	largest, err := m.buildVariables(plan, images)
	if err != nil {
		return 0, err
	}
	m.imageBytes = map[string]int{"base": largest["base"] / images, "generator": largest["generator"] / images}
	parameters := map[string]int{}
	for _, part := range []string{"base", "generator"} {
		for _, v := range variables(plan, part) {
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

// buildVariables builds the graph of base and generator for so many images; it returns the bytes of each one's largest value.
func (m *Model) buildVariables(store *model.Store, images int) (largest map[string]int, err error) {
	largest = map[string]int{}
	err = try(func() error {
		g := NewGraph(m.backend, "variables")
		defer g.Finalize()
		s := m.net.cfg.ImageShape
		x := Parameter(g, "images", shapes.Make(m.net.dtype, images, s[0], s[1], s[2]))
		m.net.logits(store.RootScope(), x)
		m.net.noisyLogits(store.RootScope(), x, func(x *Node) *Node { return x })
		nodes := len(g.Nodes())
		if m.hasGenerator() {
			m.net.std(store.RootScope(), x, Parameter(g, "labels", shapes.Make(labelDType, images)))
		}
		for i, node := range g.Nodes() {
			part := "base"
			if i >= nodes {
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
