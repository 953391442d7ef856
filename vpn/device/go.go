package device

import (
	"reflect"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// openGo opens the pure-Go backend with an unlimited pool of goroutines. Its default pool (compute v0.1.6) deadlocks: an
// operation holds one of the 2·GOMAXPROCS workers while it waits for workers for its parts, so that as many matrix
// products at once wait for ever. Unlimited, nothing waits for a worker; each product still has at most GOMAXPROCS parts.
// The backend's own option for that, "parallelism=-1", prints to standard output.
func openGo() (compute.Backend, error) {
	backend, err := gobackend.New("")
	if err != nil {
		return nil, err
	}
	if b := reflect.Indirect(reflect.ValueOf(backend)); b.Kind() == reflect.Struct && b.FieldByName("Workers").IsValid() {
		if pool, ok := b.FieldByName("Workers").Interface().(interface{ SetMaxParallelism(int) }); ok {
			pool.SetMaxParallelism(-1)
			return backend, nil
		}
	}
	return gobackend.New("ops_sequential") // another version: one operation at a time never waits for itself
}
