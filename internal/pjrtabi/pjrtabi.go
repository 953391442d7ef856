//go:build cgo

// Package pjrtabi asks a PJRT plugin which version of PJRT's C interface it implements. go-xla does
// not ask, and a plugin that is too old or cut off ends the process. Besides capi, this is the only
// package that uses cgo.
package pjrtabi

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// The beginning of PJRT_Api in pjrt_c_api.h, which is the same in all versions.
typedef struct {
  size_t struct_size;
  void *extension_start;
  struct {
    size_t struct_size;
    void *extension_start;
    int major, minor;
  } version;
} pjrt_api;

// ask returns what is wrong, to be freed, or NULL. A library that is a plugin stays loaded.
static char *ask(const char *path, pjrt_api *found) {
  void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (!library) return strdup(dlerror());
  const pjrt_api *(*get)(void) = (const pjrt_api *(*)(void))dlsym(library, "GetPjrtApi");
  if (!get) {
    dlclose(library);
    return strdup("it exports no GetPjrtApi");
  }
  const pjrt_api *api = get();
  if (!api) return strdup("its GetPjrtApi returns nothing");
  found->struct_size = api->struct_size;
  if (api->struct_size >= sizeof *found) *found = *api;
  return NULL;
}
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Version is what a plugin says about itself.
type Version struct {
	Major, Minor int
	Bytes        uint64 // size of its table of functions
}

// Ask loads a plugin. The caller must know that the file is a library that this process can load.
func Ask(path string) (Version, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var found C.pjrt_api
	if wrong := C.ask(name, &found); wrong != nil {
		defer C.free(unsafe.Pointer(wrong))
		return Version{}, errors.New(C.GoString(wrong))
	}
	return Version{
		Major: int(found.version.major),
		Minor: int(found.version.minor),
		Bytes: uint64(found.struct_size),
	}, nil
}
