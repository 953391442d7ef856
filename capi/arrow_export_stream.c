/* arrow_export_stream.c: the Arrow C streams that govpn hands out. Their callbacks may run on any
 * thread, also after the data set was freed. They return EPERM in a forked child, where Go would
 * hang, and while the process exits. */
#include "bridge.h"

#include <errno.h>
#include <stdlib.h>

#include "_cgo_export.h"

typedef struct {
  uintptr_t handle; /* the cgo.Handle of the stream in Go */
  char *error;      /* why the last callback failed, malloc'ed; NULL if it succeeded */
} producer;

/* Calls one of the two functions below, which enter Go, and keeps the message of its failure. */
static int run(struct ArrowArrayStream *stream, int (*callback)(uintptr_t, void *, char **), void *out) {
  producer *p = stream->private_data;
  if (bridge_ended()) return EPERM;
  free(p->error);
  p->error = NULL;
  bridge_enter_go(0);
  int code = callback(p->handle, out, &p->error);
  bridge_leave_go();
  return code;
}

static int call_schema(uintptr_t handle, void *out, char **error) { return goStreamSchema(handle, out, error); }
static int call_next(uintptr_t handle, void *out, char **error) { return goStreamNext(handle, out, error); }

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) { return run(stream, call_schema, out); }
static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) { return run(stream, call_next, out); }

static const char *get_last_error(struct ArrowArrayStream *stream) {
  if (bridge_ended()) return "govpn cannot be used in a forked child of the process that loaded it, nor while that exits";
  return ((producer *)stream->private_data)->error;
}

static void release_stream(struct ArrowArrayStream *stream) {
  producer *p = stream->private_data;
  if (!bridge_ended()) {
    bridge_enter_go(1);
    goStreamRelease(p->handle);
    bridge_leave_go();
    free(p->error);
    free(p);
  }
  stream->private_data = NULL;
  stream->release = NULL;
}

int bridge_new_stream(struct ArrowArrayStream *out, uintptr_t handle) {
  producer *p = malloc(sizeof *p);
  if (!p) return 0;
  *p = (producer){handle, NULL};
  *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, p};
  return 1;
}
