package vpn

import (
	"context"
	"reflect"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/vpn/data"
)

// Training can be spread over several devices of a backend, of one kind (data parallel): each holds the weights and a part of every batch,
// and XLA's partitioner, of GoMLX's AutoSharding, makes the program of the whole batch one for all devices. So the step is that of one
// device, batch norms and noise among it. All else computes on the backend's first device, and the data set is there: images of
// a batch go to the others by the host.

// spread is how training is spread; nil: it is on the first device as all else.
type spread struct {
	devices      []compute.DeviceNum
	mesh         *distributed.DeviceMesh
	batch, whole *distributed.ShardingSpec // of values with images on their first axis, and of all others
}

// SetDevices spreads training over these devices of the backend, numbered from 0 as it counts them, from the next call on; none is
// the first alone. The number of images in a batch, or in each of its parts (Config.Accumulate), must be a multiple of theirs. It is no
// part of the model or its files.
func (m *Model) SetDevices(devices ...int) error {
	_, end, err := m.startTraining(context.Background())
	if err != nil {
		return err
	}
	defer end()
	has := int(m.backend.NumDevices())
	for i, d := range devices {
		if d < 0 || d >= has || slices.Contains(devices[:i], d) {
			return argumentError("devices is %v, want numbers from 0 to %d, each once: %s has %d", devices, has-1, m.backend.Name(), has)
		}
	}
	s, err := newSpread(devices)
	if err != nil {
		return data.Errorf(ErrDevice, "vpn: devices %v: %w", devices, err)
	}
	m.copies.prune(nil)
	m.state.Lock()
	m.spread = s
	m.state.Unlock()
	return m.buildTraining()
}

func newSpread(devices []int) (*spread, error) {
	if len(devices) == 0 || slices.Equal(devices, []int{0}) {
		return nil, nil
	}
	s := &spread{}
	for _, d := range devices {
		s.devices = append(s.devices, compute.DeviceNum(d))
	}
	if len(devices) == 1 {
		return s, nil
	}
	mesh, err := distributed.NewDeviceMesh([]int{len(devices)}, []string{"batch"})
	if err != nil {
		return nil, err
	}
	s.mesh, s.whole = mesh, distributed.NewReplicatedShardingSpec(mesh)
	s.batch, err = distributed.BuildSpec(mesh).S("batch").Done()
	return s, err
}

// Devices are those that training is spread over.
func (m *Model) Devices() []int {
	m.state.Lock()
	defer m.state.Unlock()
	if m.spread == nil {
		return []int{0}
	}
	var devices []int
	for _, d := range m.spread.devices {
		devices = append(devices, int(d))
	}
	return devices
}

// count is how many devices there are.
func (s *spread) count() int {
	if s == nil {
		return 1
	}
	return len(s.devices)
}

// over makes a program run on the devices of a spread; batch says which inputs have images on their first axis, the last for all beyond.
func (p *program) over(s *spread, batch ...bool) {
	if s == nil {
		return
	}
	p.spread, p.batch = s, batch
	if s.mesh == nil {
		return
	}
	var specs []*distributed.ShardingSpec
	for _, b := range batch {
		specs = append(specs, map[bool]*distributed.ShardingSpec{true: s.batch, false: s.whole}[b])
	}
	p.exec.AutoSharding(s.mesh).WithDeviceAssignment(s.devices).WithInputShardingSpecs(specs...).WithOutputShardingSpecs(s.whole)
}

// divided says whether input number i has images on its first axis, which the devices share.
func (p *program) divided(i int) bool { return p.spread.mesh != nil && p.batch[min(i, len(p.batch)-1)] }

// shapes are those of the inputs, for each device.
func (p *program) shapes(inputs []any) (all []shapes.Shape) {
	for range p.spread.count() {
		for i, in := range inputs {
			shape := in.(*tensors.Tensor).Shape()
			if p.spread != nil && p.divided(i) {
				shape = part(shape, p.spread.count())
			}
			all = append(all, shape)
		}
	}
	return all
}

// part is a shape with one of n parts of its first axis.
func part(shape shapes.Shape, n int) shapes.Shape {
	shape = shape.Clone()
	shape.Dimensions[0] /= n
	return shape
}

// spreadCall is call on the devices of a spread: it returns the results of the first one, and keeps those of the others as their copies.
func (p *program) spreadCall(inputs []any) (outputs []*tensors.Tensor, err error) {
	var args []any
	var parts []*tensors.Tensor
	defer func() { free(parts...) }()
	for number, device := range p.spread.devices {
		for i, in := range inputs {
			t := in.(*tensors.Tensor)
			if p.divided(i) {
				t, err = p.copies.send(p.backend, device, t, number, p.spread.count())
				if err == nil {
					parts = append(parts, t)
				}
			} else {
				t, err = p.copies.on(p.backend, device, t)
			}
			if err != nil {
				return nil, err
			}
			args = append(args, t)
		}
	}
	if p.spread.mesh == nil {
		outputs, _, err = p.exec.CallWithGraphOnDevice(p.spread.devices[0], args...) // CallOnDevice of GoMLX v0.28 takes the first
		return outputs, err
	}
	all, err := p.exec.Call(args...)
	if err != nil {
		return nil, err
	}
	n := len(all) / p.spread.count()
	for i, t := range all[n:] {
		p.copies.keep(all[i%n], p.spread.devices[1+i/n], t)
	}
	return all[:n], nil
}

// copies are those of tensors on other devices than theirs.
type copies map[*tensors.Tensor]map[compute.DeviceNum]*tensors.Tensor

func (c copies) keep(of *tensors.Tensor, device compute.DeviceNum, copied *tensors.Tensor) {
	if c[of] == nil {
		c[of] = map[compute.DeviceNum]*tensors.Tensor{}
	}
	c[of][device] = copied
}

// on is a tensor, or its copy, that is on a device; one that is on none yet goes there.
func (c copies) on(backend compute.Backend, device compute.DeviceNum, t *tensors.Tensor) (*tensors.Tensor, error) {
	if !t.IsOnAnyDevice() {
		_, err := t.Buffer(backend, device)
		return t, err
	}
	if t.IsOnDevice(device) {
		return t, nil
	}
	if copied := c[t][device]; copied != nil {
		return copied, nil
	}
	copied, err := c.send(backend, device, t, 0, 1)
	if err == nil {
		c.keep(t, device, copied)
	}
	return copied, err
}

// send copies part number i of n of a tensor's first axis to a device, by the host.
func (c copies) send(backend compute.Backend, device compute.DeviceNum, t *tensors.Tensor, i, n int) (sent *tensors.Tensor, err error) {
	shape := t.Shape()
	if n > 1 {
		shape = part(shape, n)
	}
	var buffer compute.Buffer
	read := t.ConstFlatData(func(flat any) {
		size := shape.Size()
		buffer, err = backend.BufferFromFlatData(device, reflect.ValueOf(flat).Slice(i*size, (i+1)*size).Interface(), shape)
	})
	if err == nil {
		err = read
	}
	if err == nil {
		sent, err = tensors.FromBuffer(buffer)
	}
	if err != nil {
		return nil, data.Errorf(ErrDevice, "vpn: sending %s to device %d: %w", shape, device, err)
	}
	return sent, nil
}

// prune frees the copies of all tensors but these.
func (c copies) prune(kept map[*tensors.Tensor]bool) {
	for t, copied := range c {
		if kept[t] {
			continue
		}
		for _, t := range copied {
			free(t)
		}
		delete(c, t)
	}
}

// pruneCopies frees all copies but those of the weights.
func (m *Model) pruneCopies() {
	if len(m.copies) == 0 {
		return
	}
	kept := map[*tensors.Tensor]bool{}
	for v := range m.store.IterVariables() {
		kept[v.MustValue()] = true
	}
	m.copies.prune(kept)
}
