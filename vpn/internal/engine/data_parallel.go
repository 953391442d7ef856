package engine

import (
	"reflect"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/govpn/govpn/internal/fault"
)

// Spread is a set of devices of one backend and one kind that train together (data parallel). Each
// holds the weights and a slice of every batch. XLA's partitioner, through GoMLX's AutoSharding,
// turns the program of the whole batch into one for all devices. So the step is that of one device,
// with the same batch norms and the same noise.
//
// Everything else runs on the backend's first device, where the data set is, too. The images of a
// batch reach the other devices by way of the host. A nil Spread is the first device alone.
type Spread struct {
	devices    []compute.DeviceNum
	mesh       *distributed.DeviceMesh
	sliced     *distributed.ShardingSpec // of values with images on their first axis
	replicated *distributed.ShardingSpec // of all other values
}

// NewSpread returns the spread over devices with these numbers. None, or device 0 alone, is nil.
func NewSpread(devices []int) (*Spread, error) {
	if len(devices) == 0 || slices.Equal(devices, []int{0}) {
		return nil, nil
	}
	s := &Spread{}
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
	s.mesh, s.replicated = mesh, distributed.NewReplicatedShardingSpec(mesh)
	s.sliced, err = distributed.BuildSpec(mesh).S("batch").Done()
	return s, err
}

// Count returns how many devices there are.
func (s *Spread) Count() int {
	if s == nil {
		return 1
	}
	return len(s.devices)
}

// Devices returns the numbers of the devices.
func (s *Spread) Devices() []int {
	if s == nil {
		return []int{0}
	}
	var devices []int
	for _, d := range s.devices {
		devices = append(devices, int(d))
	}
	return devices
}

// SpreadOver makes a program run on the devices of a spread. batched says which inputs have images
// on their first axis. Its last value stands for all inputs that follow.
func (p *Program) SpreadOver(s *Spread, batched ...bool) {
	if s == nil {
		return
	}
	p.spread, p.batched = s, batched
	if s.mesh == nil {
		return
	}
	var specs []*distributed.ShardingSpec
	for _, b := range batched {
		specs = append(specs, map[bool]*distributed.ShardingSpec{true: s.sliced, false: s.replicated}[b])
	}
	p.exec.AutoSharding(s.mesh).WithDeviceAssignment(s.devices).WithInputShardingSpecs(specs...).WithOutputShardingSpecs(s.replicated)
}

// isSliced says whether each device gets a slice of input number i.
func (p *Program) isSliced(i int) bool {
	return p.spread.mesh != nil && p.batched[min(i, len(p.batched)-1)]
}

// shapes are the shapes of the inputs on each device, one device after another.
func (p *Program) shapes(inputs []any) (all []shapes.Shape) {
	for range p.spread.Count() {
		for i, in := range inputs {
			shape := in.(*tensors.Tensor).Shape()
			if p.spread != nil && p.isSliced(i) {
				shape = sliceShape(shape, p.spread.Count())
			}
			all = append(all, shape)
		}
	}
	return all
}

// sliceShape is a shape with one of n slices of its first axis.
func sliceShape(shape shapes.Shape, n int) shapes.Shape {
	shape = shape.Clone()
	shape.Dimensions[0] /= n
	return shape
}

// callSpread runs the program on the devices of its spread. It returns the results of the first
// device, and keeps those of the others as their copies.
func (p *Program) callSpread(inputs []any) (outputs []*tensors.Tensor, err error) {
	var args []any
	var slices []*tensors.Tensor
	defer func() { Free(slices...) }()
	for number, device := range p.spread.devices {
		for i, in := range inputs {
			t := in.(*tensors.Tensor)
			if p.isSliced(i) {
				t, err = send(p.backend, device, t, number, p.spread.Count())
				if err == nil {
					slices = append(slices, t)
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
		// Not CallOnDevice: that of GoMLX v0.28 ignores the device and takes the first.
		outputs, _, err = p.exec.CallWithGraphOnDevice(p.spread.devices[0], args...)
		return outputs, err
	}
	all, err := p.exec.Call(args...)
	if err != nil {
		return nil, err
	}
	n := len(all) / p.spread.Count()
	for i, t := range all[n:] {
		p.copies.keep(all[i%n], p.spread.devices[1+i/n], t)
	}
	return all[:n], nil
}

// Copies are the copies of tensors on other devices than their own.
type Copies map[*tensors.Tensor]map[compute.DeviceNum]*tensors.Tensor

// keep remembers the copy of a tensor on a device.
func (c Copies) keep(of *tensors.Tensor, device compute.DeviceNum, copied *tensors.Tensor) {
	if c[of] == nil {
		c[of] = map[compute.DeviceNum]*tensors.Tensor{}
	}
	c[of][device] = copied
}

// on returns a tensor that is on a device, or else its copy there. A tensor that is on no device
// yet goes there.
func (c Copies) on(backend compute.Backend, device compute.DeviceNum, t *tensors.Tensor) (*tensors.Tensor, error) {
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
	copied, err := send(backend, device, t, 0, 1)
	if err == nil {
		c.keep(t, device, copied)
	}
	return copied, err
}

// Prune frees the copies of all tensors but those to keep.
func (c Copies) Prune(keep map[*tensors.Tensor]bool) {
	for t, copied := range c {
		if keep[t] {
			continue
		}
		for _, t := range copied {
			Free(t)
		}
		delete(c, t)
	}
}

// send copies slice number i of n of a tensor's first axis to a device, by way of the host.
func send(backend compute.Backend, device compute.DeviceNum, t *tensors.Tensor, i, n int) (sent *tensors.Tensor, err error) {
	shape := t.Shape()
	if n > 1 {
		shape = sliceShape(shape, n)
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
		return nil, fault.Errorf(fault.ErrDevice, "vpn: sending %s to device %d: %w", shape, device, err)
	}
	return sent, nil
}
