package device

import (
	"reflect"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// openGo opens the pure-Go backend without a limit on its goroutines. Its default pool (compute
// v0.1.6) can deadlock. An operation keeps one of the 2·GOMAXPROCS workers while it waits for
// workers for its own parts, so that many matrix products at the same time wait for ever. Without a
// limit nothing waits for a worker, and each product still has at most GOMAXPROCS parts. The
// backend's own option for this, "parallelism=-1", prints to standard output.
func openGo() (compute.Backend, error) {
	backend, err := gobackend.New("")
	if err != nil {
		return nil, err
	}
	if b := reflect.Indirect(reflect.ValueOf(backend)); b.Kind() == reflect.Struct &&
		b.FieldByName("Workers").IsValid() {
		if pool, ok := b.FieldByName("Workers").Interface().(interface{ SetMaxParallelism(int) }); ok {
			pool.SetMaxParallelism(-1)
			return backend, nil
		}
	}
	return gobackend.New("ops_sequential") // another version: a single operation at a time never waits for itself
}
