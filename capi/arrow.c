/* arrow.c: moves, releases and hands out the structs of the Arrow C data interface. arrow_check.c
 * checks them.
 *
 * arrow-go releases every schema that it reads, also after an error, and aborts the process if a
 * release callback leaves its struct unmarked. So arrow-go only sees a borrowed copy, whose release
 * does nothing but mark it. The producer's own release is called here, once. */
#include "bridge.h"

#include <stdlib.h>

static void forget_schema(struct ArrowSchema *s) { s->release = NULL; }

struct ArrowSchema *bridge_borrow_schema(const struct ArrowSchema *schema) {
  struct ArrowSchema *copy = calloc(1, sizeof *copy);
  if (!copy) return NULL;
  *copy = *schema;
  copy->release = forget_schema;
  copy->dictionary = NULL;
  copy->children = calloc((size_t)schema->n_children + 1, sizeof *copy->children);
  int complete = copy->children != NULL;
  for (int64_t i = 0; complete && i < schema->n_children; i++)
    complete = (copy->children[i] = bridge_borrow_schema(schema->children[i])) != NULL;
  if (complete && schema->dictionary) complete = (copy->dictionary = bridge_borrow_schema(schema->dictionary)) != NULL;
  if (complete) return copy;
  bridge_free_borrowed_schema(copy);
  return NULL;
}

void bridge_free_borrowed_schema(struct ArrowSchema *borrowed) {
  if (!borrowed) return;
  for (int64_t i = 0; borrowed->children && i < borrowed->n_children; i++) bridge_free_borrowed_schema(borrowed->children[i]);
  bridge_free_borrowed_schema(borrowed->dictionary);
  free(borrowed->children);
  free(borrowed);
}

struct ArrowArray *bridge_take_array(struct ArrowArray *array) {
  struct ArrowArray *taken = malloc(sizeof *taken);
  if (!taken) return NULL;
  *taken = *array;
  array->release = NULL;
  return taken;
}

void bridge_release_array(struct ArrowArray *taken) {
  if (taken && taken->release) taken->release(taken);
  free(taken);
}

void bridge_discard_array(struct ArrowArray *array) {
  if (array->release) array->release(array);
  array->release = NULL;
}

void bridge_return_array(struct ArrowArray *taken, struct ArrowArray *array) {
  *array = *taken;
  free(taken);
}

void bridge_release_schema(struct ArrowSchema *schema) {
  if (schema->release) schema->release(schema);
  schema->release = NULL;
}

void bridge_move_schema(struct ArrowSchema *from, struct ArrowSchema *to) {
  *to = *from;
  from->release = NULL;
}

int bridge_stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) { return stream->get_schema(stream, out); }

int bridge_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) { return stream->get_next(stream, out); }

bridge_text *bridge_stream_error(struct ArrowArrayStream *stream) {
  const char *message = stream->get_last_error ? stream->get_last_error(stream) : NULL;
  return message ? message : "no reason given";
}

void bridge_release_stream(struct ArrowArrayStream *stream) {
  if (stream->release) stream->release(stream);
  stream->release = NULL;
}

/* arrow-go's release callbacks enter Go. In a forked child they would hang; while the process exits
 * they would find XLA gone. So each struct that is handed out gets one of the callbacks below
 * instead. */
static void (*go_release_schema)(struct ArrowSchema *);
static void (*go_release_array)(struct ArrowArray *);

static void release_schema(struct ArrowSchema *s) {
  if (!bridge_ended()) go_release_schema(s);
  s->release = NULL;
}

static void release_array(struct ArrowArray *a) {
  if (!bridge_ended()) go_release_array(a);
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
