/* arrow.c: moves, releases and hands out the structs of the Arrow C data interface. arrow_check.c
 * copies and checks them.
 *
 * arrow-go releases every schema that it reads, also after an error, and aborts the process if a
 * release callback leaves its struct unmarked. So arrow-go only sees a copy, whose release does
 * nothing but mark it. The producer's own release is called here, once.
 *
 * bridge_after_callback follows each callback of the host. */
#include "bridge.h"

#include <stdlib.h>

struct ArrowArray *bridge_take_array(struct ArrowArray *array) {
  struct ArrowArray *taken = malloc(sizeof *taken);
  if (!taken) return NULL;
  *taken = *array;
  array->release = NULL;
  return taken;
}

static void release_of_array(struct ArrowArray *array) {
  if (!array->release || !bridge_callable((void (*)(void))array->release)) return;
  array->release(array);
  bridge_after_callback();
}

void bridge_release_array(struct ArrowArray *taken) {
  if (taken) release_of_array(taken);
  free(taken);
}

void bridge_discard_array(struct ArrowArray *array) {
  release_of_array(array);
  array->release = NULL;
}

void bridge_return_array(struct ArrowArray *taken, struct ArrowArray *array) {
  *array = *taken;
  free(taken);
}

void bridge_release_schema(struct ArrowSchema *schema) {
  if (schema->release && bridge_callable((void (*)(void))schema->release)) {
    schema->release(schema);
    bridge_after_callback();
  }
  schema->release = NULL;
}

void bridge_move_schema(struct ArrowSchema *from, struct ArrowSchema *to) {
  *to = *from;
  from->release = NULL;
}

int bridge_stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  int code = stream->get_schema(stream, out);
  bridge_after_callback();
  return code;
}

int bridge_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  int code = stream->get_next(stream, out);
  bridge_after_callback();
  return code;
}

bridge_text *bridge_stream_error(struct ArrowArrayStream *stream) {
  const char *message = stream->get_last_error ? stream->get_last_error(stream) : NULL;
  bridge_after_callback();
  if (!message) return "no reason given";
  return bridge_is_text(message) ? message : "its message is no text";
}

void bridge_release_stream(struct ArrowArrayStream *stream) {
  if (stream->release) stream->release(stream);
  bridge_after_callback();
  stream->release = NULL;
}

/* arrow-go's release callbacks enter Go. In a forked child they would hang; while the process exits
 * they would find XLA gone. So each struct that is handed out gets one of the callbacks below
 * instead. */
static void (*go_release_schema)(struct ArrowSchema *);
static void (*go_release_array)(struct ArrowArray *);

static void release_schema(struct ArrowSchema *s) {
  if (!bridge_ended()) {
    bridge_enter_go(1);
    go_release_schema(s);
    bridge_leave_go();
  }
  s->release = NULL;
}

static void release_array(struct ArrowArray *a) {
  if (!bridge_ended()) {
    bridge_enter_go(1);
    go_release_array(a);
    bridge_leave_go();
  }
  a->release = NULL;
}

static void guard_schema(struct ArrowSchema *s) {
  go_release_schema = s->release;
  s->release = release_schema;
  for (int64_t i = 0; i < s->n_children; i++) guard_schema(s->children[i]);
}

static void guard_array(struct ArrowArray *a) {
  go_release_array = a->release;
  a->release = release_array;
  for (int64_t i = 0; i < a->n_children; i++) guard_array(a->children[i]);
}

void bridge_hand_out_schema(struct ArrowSchema *schema, struct ArrowSchema *out) {
  guard_schema(schema);
  struct ArrowSchema *child = schema->children[0];
  *out = *child;
  child->release = NULL;
  schema->release(schema);
}

void bridge_hand_out_array(struct ArrowArray *array, struct ArrowArray *out) {
  guard_array(array);
  *out = *array;
}
