package vpn

import (
	"context"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/fault"
	"github.com/govpn/govpn/vpn/internal/engine"
)

// SetDevices spreads training over these devices of the backend, numbered from 0 as the backend
// counts them, from the next call on. Without arguments it is the first device alone. Each batch,
// or with Config.Accumulate each part of one, must have a multiple of that many images. Inference
// stays on the first device. The setting belongs to this Model, not to its file.
func (m *Model) SetDevices(devices ...int) error {
	_, end, err := m.startTraining(context.Background())
	if err != nil {
		return err
	}
	defer end()
	has := int(m.backend.NumDevices())
	for i, d := range devices {
		if d < 0 || d >= has || slices.Contains(devices[:i], d) {
			return argumentError("devices is %v, want numbers from 0 to %d, each once: %s has %d",
				devices, has-1, m.backend.Name(), has)
		}
	}
	s, err := engine.NewSpread(devices)
	if err != nil {
		return fault.Errorf(ErrDevice, "vpn: devices %v: %w", devices, err)
	}
	m.copies.Prune(nil)
	m.state.Lock()
	m.spread = s
	m.state.Unlock()
	return m.buildTraining()
}

// Devices returns the numbers of the devices that training is spread over.
func (m *Model) Devices() []int {
	m.state.Lock()
	defer m.state.Unlock()
	return m.spread.Devices()
}

// pruneCopies frees all copies on other devices but those of the weights.
func (m *Model) pruneCopies() {
	if len(m.copies) == 0 {
		return
	}
	kept := map[*tensors.Tensor]bool{}
	for v := range m.store.IterVariables() {
		kept[v.MustValue()] = true
	}
	m.copies.Prune(kept)
}
