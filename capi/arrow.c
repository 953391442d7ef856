/* arrow.c: checks, borrows and hands out the structs of the Arrow C data interface.
 *
 * arrow-go releases what it is given, also after an error, and aborts on a release callback that does not mark its struct.
 * So it only ever sees borrowed copies whose release does nothing; the producer's own release is called here, once. */
#include "bridge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_CHILDREN = 1 << 16, MAX_PAIRS = 1 << 12, MAX_VALUE = 1 << 26 };

typedef struct {
  char *buffer;
  size_t size;
} reason;

__attribute__((format(printf, 2, 3))) static const char *because(reason r, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(r.buffer, r.size, format, arguments);
  va_end(arguments);
  return r.buffer;
}

/* Metadata has no overall size: this finds absurd counts, the rest is the producer's word. */
static int metadata_is_sound(const char *p) {
  int32_t pairs, bytes;
  if (!p) return 1;
  memcpy(&pairs, p, sizeof pairs);
  p += sizeof pairs;
  if (pairs < 0 || pairs > MAX_PAIRS) return 0;
  for (int32_t i = 0; i < 2 * pairs; i++) {
    memcpy(&bytes, p, sizeof bytes);
    if (bytes < 0 || bytes > MAX_VALUE) return 0;
    p += sizeof bytes + (size_t)bytes;
  }
  return 1;
}

static const char *check_schema(const struct ArrowSchema *s, const char *where, int depth, reason r) {
  if (depth > MAX_DEPTH) return because(r, "%s: nested more than %d deep", where, MAX_DEPTH);
  if (!s->release) return because(r, "%s was already released", where);
  if (!s->format) return because(r, "%s: format is NULL", where);
  if (s->n_children < 0 || s->n_children > MAX_CHILDREN)
    return because(r, "%s: n_children is %lld, want 0 to %d", where, (long long)s->n_children, MAX_CHILDREN);
  if (s->n_children > 0 && !s->children) return because(r, "%s: children is NULL", where);
  if (!metadata_is_sound(s->metadata)) return because(r, "%s: metadata is malformed", where);
  for (int64_t i = 0; i < s->n_children; i++) {
    if (!s->children[i]) return because(r, "%s: child %lld is NULL", where, (long long)i);
    const char *why = check_schema(s->children[i], "schema of a child", depth + 1, r);
    if (why) return why;
  }
  return s->dictionary ? check_schema(s->dictionary, "schema of a dictionary", depth + 1, r) : NULL;
}

/* Returns how many buffers an array of this format has, -1 when the format does not tell. */
static int buffers_of(const char *format) {
  if (format[0] == '+') return format[1] == 's' || format[1] == 'w' ? 1 : format[1] == 'l' || format[1] == 'L' ? 2 : -1;
  if (format[0] == 'n') return 0;
  if (strchr("uUzZ", format[0])) return 3;
  return format[0] == 'v' ? -1 : 2;
}

static const char *check_counts(const struct ArrowSchema *s, const struct ArrowArray *a, const char *where, reason r) {
  int want = buffers_of(s->format);
  if (!a->release) return because(r, "%s was already released", where);
  if (a->length < 0) return because(r, "%s: length is %lld, want 0 or more", where, (long long)a->length);
  if (a->offset < 0) return because(r, "%s: offset is %lld, want 0 or more", where, (long long)a->offset);
  if (a->length > INT64_MAX / 8 - a->offset) return because(r, "%s: length + offset is too large", where);
  if (a->null_count < -1 || a->null_count > a->length)
    return because(r, "%s: null_count is %lld, want -1 to %lld", where, (long long)a->null_count, (long long)a->length);
  if (a->n_buffers < 0 || (want >= 0 && a->n_buffers != want))
    return because(r, "%s: n_buffers is %lld, want %d for format \"%.40s\"", where, (long long)a->n_buffers, want, s->format);
  if (a->n_buffers > 0 && !a->buffers) return because(r, "%s: buffers is NULL", where);
  if (want > 0 && a->null_count > 0 && !a->buffers[0]) return because(r, "%s: has nulls but no validity buffer", where);
  if (want == 2 && s->format[0] != '+' && a->length > 0 && !a->buffers[1])
    return because(r, "%s: the buffer of the values is NULL", where);
  if (a->n_children != s->n_children)
    return because(r, "%s: n_children is %lld, the schema has %lld", where, (long long)a->n_children, (long long)s->n_children);
  if (a->n_children > 0 && !a->children) return because(r, "%s: children is NULL", where);
  if (!a->dictionary != !s->dictionary) return because(r, "%s: only one of schema and array has a dictionary", where);
  return NULL;
}

static const char *check_array(const struct ArrowSchema *s, const struct ArrowArray *a, const char *where, reason r) {
  const char *why = check_counts(s, a, where, r);
  if (why) return why;
  int64_t used = a->offset + a->length, per = 0;
  if (!strcmp(s->format, "+s")) per = 1;
  if (!strncmp(s->format, "+w:", 3)) {
    per = strtoll(s->format + 3, NULL, 10);
    if (per <= 0 || per > INT32_MAX || s->n_children != 1 || used > INT64_MAX / per)
      return because(r, "%s: format is \"%.40s\" with %lld children, want a list size of 1 to %d and 1 child", where, s->format,
                     (long long)s->n_children, INT32_MAX);
  }
  for (int64_t i = 0; i < a->n_children; i++) {
    if (!a->children[i]) return because(r, "%s: child %lld is NULL", where, (long long)i);
    if (per > 0 && a->children[i]->length < used * per)
      return because(r, "%s: child %lld has %lld values, want at least %lld", where, (long long)i,
                     (long long)a->children[i]->length, (long long)(used * per));
    if ((why = check_array(s->children[i], a->children[i], "a child array", r))) return why;
  }
  return a->dictionary ? check_array(s->dictionary, a->dictionary, "a dictionary", r) : NULL;
}

const char *bridge_check(const struct ArrowSchema *schema, const struct ArrowArray *array, char *buffer, size_t size) {
  reason r = {buffer, size};
  const char *why = check_schema(schema, "schema", 0, r);
  return why || !array ? why : check_array(schema, array, "array", r);
}

static void forget_schema(struct ArrowSchema *s) { s->release = NULL; }
static void forget_array(struct ArrowArray *a) { a->release = NULL; }

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

void bridge_borrow_array(const struct ArrowArray *array, struct ArrowArray *out) {
  *out = *array;
  out->release = forget_array;
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

/* arrow-go's release callbacks enter Go: in a forked child they would hang. */
static void (*go_release_schema)(struct ArrowSchema *);
static void (*go_release_array)(struct ArrowArray *);

static void release_schema(struct ArrowSchema *s) {
  if (!bridge_forked()) go_release_schema(s);
  s->release = NULL;
}

static void release_array(struct ArrowArray *a) {
  if (!bridge_forked()) go_release_array(a);
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
