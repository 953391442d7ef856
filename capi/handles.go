package main

import (
	"fmt"
	"sync"

	"github.com/govpn/govpn/internal/inject"
	"github.com/govpn/govpn/vpn"
	"github.com/govpn/govpn/vpn/data"
)

// An object is a data set or a model, which a handle stands for.
type object interface {
	*data.Dataset | *vpn.Model
}

// An entry is an object with the number of its users: the handle, until it is freed, and every call
// that uses the object. The last user closes the object. So freeing a handle never waits for a call.
type entry struct {
	object any
	device string // the name of a model's device
	users  int
	failed error // the internal error that made the object unusable, or nil
}

// handles holds the handles that are not freed. Their numbers are never used again, so that a stale
// handle is an error and not another object.
var handles = struct {
	sync.Mutex
	count uint64
	live  map[uint64]*entry
	open  map[*entry]bool // all objects that are not closed, also of freed handles
}{live: map[uint64]*entry{}, open: map[*entry]bool{}}

// put returns a new handle for an object. device is the name of a model's device.
func put[T object](o T, device string) uint64 {
	handles.Lock()
	defer handles.Unlock()
	handles.count++
	// The factor is odd, so that no two handles are equal. The products are scattered, so that a stray
	// small number is no handle.
	h := handles.count * 0x9E3779B97F4A7C15
	e := &entry{object: o, device: device, users: 1}
	handles.live[h], handles.open[e] = e, true
	return h
}

// use calls f with the object of a handle. The object stays alive until f returns. name is the name
// of the argument in messages.
func use[T object](h uint64, name string, f func(T) error) error {
	e, o, err := acquire[T](h, name)
	if err != nil {
		return err
	}
	defer e.drop()
	inject.Panic()
	return f(o)
}

func acquire[T object](h uint64, name string) (*entry, T, error) {
	handles.Lock()
	defer handles.Unlock()
	var none T
	e, ok := handles.live[h]
	if !ok && h == 0 {
		return nil, none, data.Errorf(errHandle, "govpn: %s is 0, want a handle of %s", name, kind(none))
	}
	if !ok {
		return nil, none, data.Errorf(errHandle, "govpn: %s is %#x, which was freed or never given out, want a handle of %s", name, h, kind(none))
	}
	o, ok := e.object.(T)
	if !ok {
		return nil, none, data.Errorf(errHandle, "govpn: %s is a handle of %s, want one of %s", name, kind(e.object), kind(none))
	}
	if e.failed != nil {
		return nil, none, data.Errorf(vpn.ErrInternal, "govpn: %s is unusable since an earlier failure (%w) and can only be freed", name, e.failed)
	}
	e.users++
	return e, o, nil
}

func (e *entry) drop() {
	handles.Lock()
	e.users--
	last := e.users == 0
	if last {
		delete(handles.open, e)
	}
	handles.Unlock()
	if !last {
		return
	}
	switch o := e.object.(type) {
	case *data.Dataset:
		o.Close()
	case *vpn.Model:
		if err := o.Close(); err != nil {
			record(logWarning, err.Error())
		}
	}
}

// openModels returns all models that are not closed.
func openModels() (models []*vpn.Model) {
	handles.Lock()
	defer handles.Unlock()
	for e := range handles.open {
		if m, ok := e.object.(*vpn.Model); ok {
			models = append(models, m)
		}
	}
	return models
}

// fail makes the object unusable: later calls return err, and the object can only be freed.
func (e *entry) fail(err error) {
	handles.Lock()
	defer handles.Unlock()
	e.failed = err
}

// replace makes a handle stand for another object. Calls that use the old one keep it until they end.
func replace[T object](h uint64, name string, o T) error {
	handles.Lock()
	old, ok := handles.live[h]
	if ok {
		handles.live[h] = &entry{object: o, users: 1}
	}
	handles.Unlock()
	if !ok {
		return data.Errorf(errHandle, "govpn: %s was freed during the call", name)
	}
	old.drop()
	return nil
}

// free frees a handle; 0 is fine. Its object is closed when the last call that uses it ends.
func free[T object](h uint64, name string) error {
	if h == 0 {
		return nil
	}
	handles.Lock()
	e, ok := handles.live[h]
	var o any
	if ok {
		o = e.object
	}
	if _, same := o.(T); !same {
		handles.Unlock()
		return data.Errorf(errHandle, "govpn: %s is %#x, which was freed, never given out, or is of another kind", name, h)
	}
	delete(handles.live, h)
	handles.Unlock()
	e.drop()
	return nil
}

func kind(o any) string {
	switch o.(type) {
	case *data.Dataset:
		return "a data set"
	case *vpn.Model:
		return "a model"
	}
	return fmt.Sprintf("%T", o)
}
