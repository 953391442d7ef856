/* malformed.c: passes Arrow data that is damaged or is not images. Each is refused with its reason,
 * not moved, and released once. */
#include <limits.h>
#include <math.h>

#include "arrays.h"

/* A small array, and copies of its structs before a case damaged them. */
typedef struct {
  struct ArrowSchema s, *sc;
  struct ArrowArray a, *ac;
} images;

typedef struct {
  const char *name;
  void (*damage)(images *);
  const char *message;
  int32_t status;
} misfit;

static struct ArrowSchema *no_schema;
static struct ArrowArray *no_array;

static void schema_released(images *i) { i->s.release = NULL; }
static void array_released(images *i) { i->a.release = NULL; }
static void child_released(images *i) { i->ac->release = NULL; }
static void child_schema_released(images *i) { i->sc->release = NULL; }
static void no_format(images *i) { i->s.format = NULL; }
static void empty_format(images *i) { i->s.format = ""; }
static void unknown_format(images *i) { i->sc->format = "?"; }
static void text_format(images *i) { i->sc->format = "u"; }
static void bool_format(images *i) { i->sc->format = "b"; }
static void negative_length(images *i) { i->a.length = -1; }
static void huge_length(images *i) { i->a.length = INT64_MAX; }
static void negative_offset(images *i) { i->a.offset = -5; }
static void huge_offset(images *i) { i->a.offset = INT64_MAX; }
static void offset_past_end(images *i) { i->a.offset = 1; }
static void too_many_nulls(images *i) { i->a.null_count = 11; }
static void nulls_without_bitmap(images *i) { i->a.null_count = 1; }
static void few_nulls(images *i) { i->a.null_count = -2; }
static void buffers_missing(images *i) { i->ac->n_buffers = 1; }
static void buffers_negative(images *i) { i->ac->n_buffers = -1; }
static void buffers_null(images *i) { i->ac->buffers = NULL; }
static void values_null(images *i) { i->ac->buffers = (const void **)calloc(2, sizeof(void *)); }
static void children_missing(images *i) { i->a.n_children = 0; }
static void children_negative(images *i) { i->s.n_children = i->a.n_children = -1; }
static void children_absurd(images *i) { i->s.n_children = i->a.n_children = INT64_MAX; }
static void children_null(images *i) { i->a.children = NULL; }
static void schema_children_null(images *i) { i->s.children = NULL; }
static void child_null(images *i) { i->a.children = &no_array; }
static void schema_child_null(images *i) { i->s.children = &no_schema; }
static void child_short(images *i) { i->ac->length = 639; }
static void list_of_none(images *i) { i->s.format = "+w:0"; }
static void list_of_minus(images *i) { i->s.format = "+w:-64"; }
static void list_of_much(images *i) { i->s.format = "+w:99999999999999999999"; }
static void list_of_other(images *i) { i->s.format = "+w:63"; }
static void list_unknown(images *i) { i->s.format = "+x"; }
static void list_plain(images *i) { i->s.format = "+l"; }
static void dictionary_half(images *i) { i->sc->dictionary = &i->s; }
static void circle(images *i) {
  static struct ArrowSchema *itself;
  itself = &i->s;
  i->s.children = &itself;
}
static void bad_metadata(images *i) {
  static const int32_t pairs = -7;
  i->s.metadata = (const char *)&pairs;
}
static void long_metadata(images *i) {
  static const int32_t pairs[3] = {1, INT32_MAX, 0};
  i->s.metadata = (const char *)pairs;
}
static void no_rows(images *i) { i->a.length = 0; }
static void nan_pixel(images *i) { ((float *)(uintptr_t)i->ac->buffers[1])[70] = NAN; }
static void infinite_pixel(images *i) { ((float *)(uintptr_t)i->ac->buffers[1])[70] = INFINITY; }
static void large_pixel(images *i) { ((float *)(uintptr_t)i->ac->buffers[1])[70] = 255; }

static const misfit cases[] = {
    {"released schema", schema_released, "released", GOVPN_E_FORMAT},
    {"released array", array_released, "released", GOVPN_E_FORMAT},
    {"released child", child_released, "released", GOVPN_E_FORMAT},
    {"released schema of the child", child_schema_released, "released", GOVPN_E_FORMAT},
    {"no format", no_format, "format is NULL", GOVPN_E_FORMAT},
    {"empty format", empty_format, "format", GOVPN_E_FORMAT},
    {"unknown format", unknown_format, "", GOVPN_E_FORMAT},
    {"text", text_format, "n_buffers is 2, want 3", GOVPN_E_FORMAT},
    {"bool", bool_format, "bool", GOVPN_E_ARG},
    {"negative length", negative_length, "length is -1", GOVPN_E_FORMAT},
    {"huge length", huge_length, "too large", GOVPN_E_FORMAT},
    {"negative offset", negative_offset, "offset is -5", GOVPN_E_FORMAT},
    {"huge offset", huge_offset, "too large", GOVPN_E_FORMAT},
    {"offset past the end", offset_past_end, "want at least 704", GOVPN_E_FORMAT},
    {"more nulls than rows", too_many_nulls, "null_count is 11", GOVPN_E_FORMAT},
    {"nulls without a bitmap", nulls_without_bitmap, "validity", GOVPN_E_FORMAT},
    {"null_count -2", few_nulls, "null_count is -2", GOVPN_E_FORMAT},
    {"one buffer", buffers_missing, "n_buffers is 1, want 2", GOVPN_E_FORMAT},
    {"minus one buffer", buffers_negative, "n_buffers is -1, want 2", GOVPN_E_FORMAT},
    {"buffers NULL", buffers_null, "buffers is NULL", GOVPN_E_FORMAT},
    {"values NULL", values_null, "values is NULL", GOVPN_E_FORMAT},
    {"no children", children_missing, "n_children is 0, the schema has 1", GOVPN_E_FORMAT},
    {"minus one child", children_negative, "n_children is -1", GOVPN_E_FORMAT},
    {"absurdly many children", children_absurd, "n_children", GOVPN_E_FORMAT},
    {"children NULL", children_null, "children is NULL", GOVPN_E_FORMAT},
    {"schema's children NULL", schema_children_null, "children is NULL", GOVPN_E_FORMAT},
    {"child NULL", child_null, "child 0 is NULL", GOVPN_E_FORMAT},
    {"schema's child NULL", schema_child_null, "child 0 is NULL", GOVPN_E_FORMAT},
    {"child too short", child_short, "639 values, want at least 640", GOVPN_E_FORMAT},
    {"lists of 0", list_of_none, "+w:0", GOVPN_E_FORMAT},
    {"lists of -64", list_of_minus, "+w:-64", GOVPN_E_FORMAT},
    {"lists of far too many", list_of_much, "+w:9999", GOVPN_E_FORMAT},
    {"lists of another size", list_of_other, "63", GOVPN_E_ARG},
    {"unknown nesting", list_unknown, "", GOVPN_E_FORMAT},
    {"variable lists", list_plain, "n_buffers is 1, want 2", GOVPN_E_FORMAT},
    {"dictionary in the schema only", dictionary_half, "", GOVPN_E_FORMAT},
    {"schema that contains itself", circle, "nested", GOVPN_E_FORMAT},
    {"metadata of -7 pairs", bad_metadata, "metadata", GOVPN_E_FORMAT},
    {"metadata of 2 GiB", long_metadata, "metadata", GOVPN_E_FORMAT},
    {"no rows", no_rows, "empty", GOVPN_E_ARG},
    {"NaN", nan_pixel, "NaN", GOVPN_E_ARG},
    {"infinity", infinite_pixel, "Inf", GOVPN_E_ARG},
    {"255 as a float", large_pixel, "255", GOVPN_E_ARG},
};

static void refuse(const misfit *c) {
  images i;
  make_images(&i.s, &i.a, 10, 1);
  i.sc = i.s.children[0];
  i.ac = i.a.children[0];
  const images before = i;
  const struct ArrowSchema schema = *i.sc;
  const struct ArrowArray array = *i.ac;
  c->damage(&i);
  int s_whole = i.s.release != NULL, a_whole = i.a.release != NULL;
  govpn_data d = 42;
  int32_t status = govpn_data_import(&i.s, &i.a, shape, &d);
  if (status != c->status || !strstr(govpn_last_error(), c->message) || d != 42) {
    fprintf(stderr, "%s: %s: %s\n", c->name, govpn_status_name(status), govpn_last_error());
    exit(1);
  }
  CHECK(s_whole == (i.s.release != NULL) && a_whole == (i.a.release != NULL)); /* not moved */
  CHECK(alive == 2);
  if (i.ac->buffers != array.buffers) free(i.ac->buffers);
  *i.sc = schema;
  *i.ac = array;
  i.s = before.s;
  i.a = before.a;
  i.s.release(&i.s);
  i.a.release(&i.a);
  CHECK(alive == 0);
}

static void labels(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = labelled(10);
  make_labels(&s, &a, 10);
  a.length = 9;
  FAILS(GOVPN_E_ARG, "9", govpn_data_set_labels(d, &s, &a, NULL));
  a.length = 10;
  ((int16_t *)(uintptr_t)a.buffers[1])[3] = -1;
  FAILS(GOVPN_E_ARG, "-1", govpn_data_set_labels(d, &s, &a, NULL));
  CHECK(s.release && a.release);
  s.format = "e"; /* half-precision numbers */
  FAILS(GOVPN_E_ARG, "", govpn_data_set_labels(d, &s, &a, NULL));
  s.format = "s";
  FAILS(GOVPN_E_ARG, "class_name", govpn_data_set_labels(d, &s, &a, "{\"class_name\": []}"));
  a.release(&a);
  FAILS(GOVPN_E_FORMAT, "released", govpn_data_set_labels(d, &s, &a, NULL));
  s.release(&s);

  make_soft_labels(&s, &a, 10);
  float *p = (float *)(uintptr_t)a.children[0]->buffers[1];
  p[9] = 0.5f;
  FAILS(GOVPN_E_ARG, "labels[2] has the sum 1.4, want probabilities of sum 1", govpn_data_set_labels(d, &s, &a, NULL));
  p[9] = -0.1f;
  FAILS(GOVPN_E_ARG, "labels[2, 1] is -0.1", govpn_data_set_labels(d, &s, &a, NULL));
  p[9] = 0.1f;
  FAILS(GOVPN_E_ARG, "class_names has 2 names, want 4", govpn_data_set_labels(d, &s, &a, "{\"class_names\": [\"a\", \"b\"]}"));
  a.children[0]->length = 39;
  FAILS(GOVPN_E_FORMAT, "", govpn_data_set_labels(d, &s, &a, NULL));
  a.children[0]->length = 40;
  CHECK(s.release && a.release);
  s.format = "+w:1";
  FAILS(GOVPN_E_ARG, "the number of classes of the soft labels is 1", govpn_data_set_labels(d, &s, &a, NULL));
  s.format = "+w:4";
  OK(govpn_data_set_labels(d, &s, &a, NULL));
  govpn_data_free(d);
  CHECK(alive == 0);
}

static void weights(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = labelled(10);
  make_weights(&s, &a, 10);
  float *w = (float *)(uintptr_t)a.buffers[1];
  a.length = 9;
  FAILS(GOVPN_E_ARG, "weights has 9 values, want 10: one per image", govpn_data_set_weights(d, &s, &a, NULL));
  a.length = 10;
  for (int i = 0; i < 3; i++) {
    w[4] = (float[]){NAN, INFINITY, -1}[i];
    FAILS(GOVPN_E_ARG, "weights[4] is ", govpn_data_set_weights(d, &s, &a, NULL));
  }
  for (int i = 0; i < 10; i++) w[i] = 0;
  FAILS(GOVPN_E_ARG, "weights are all 0, want at least one above 0", govpn_data_set_weights(d, &s, &a, NULL));
  w[4] = 1;
  s.format = "i";
  FAILS(GOVPN_E_ARG, "weights has type int32, want float32", govpn_data_set_weights(d, &s, &a, NULL));
  s.format = "f";
  static const uint8_t valid[] = {0xef, 3};
  a.buffers[0] = valid;
  a.null_count = 1;
  FAILS(GOVPN_E_ARG, "weights[4] is null", govpn_data_set_weights(d, &s, &a, NULL));
  a.buffers[0] = NULL;
  a.null_count = 0;
  CHECK(s.release && a.release);
  OK(govpn_data_set_weights(d, &s, &a, NULL));
  CHECK(!s.release && !a.release);
  FAILS(GOVPN_E_FORMAT, "released", govpn_data_set_weights(d, &s, &a, NULL));
  govpn_data_free(d);
  CHECK(alive == 0);
}

static int fail_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  (void)stream, (void)out;
  return 5;
}
static int table_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  struct ArrowArray unused;
  (void)stream;
  make_table(out, &unused, 1);
  unused.release(&unused);
  return 0;
}
static int fail_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  struct ArrowSchema unused;
  int *calls = stream->private_data;
  make_table(&unused, out, 4);
  unused.release(&unused);
  if (*calls < 0) out->children[0]->length = 3; /* malformed */
  if (++*calls != 3) return 0;
  out->release(out);
  return 22;
}
static const char *why(struct ArrowArrayStream *stream) { return stream ? "the disk is gone" : NULL; }
static void release_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }
static const char *no_text(struct ArrowArrayStream *stream) { return stream ? (const char *)1 : NULL; }

/* A producer that changes its schema after get_schema: the images become a plain list. The array is
 * as the schema was, or as it is now. */
static struct ArrowSchema *given;
static int changing_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  table_schema(stream, out);
  given = out->children[0];
  return 0;
}
static int next_once(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  struct ArrowSchema unused;
  int *calls = stream->private_data;
  if (*calls & 1) return out->release = NULL, 0;
  make_table(&unused, out, 4);
  unused.release(&unused);
  given->format = "i";
  given->n_children = 0;
  given->name = (const char *)1;
  if (*calls & 2) {
    struct ArrowArray *images = out->children[0];
    images->children[0]->release(images->children[0]);
    free(images->children[0]);
    images->n_children = 0;
    images->buffers = realloc(images->buffers, 2 * sizeof *images->buffers);
    images->n_buffers = 2;
    images->buffers[1] = calloc(4, 4);
  }
  *calls |= 1;
  return 0;
}
static void release_changed(struct ArrowSchema *s) {
  given->n_children = 1;
  release_schema(s);
}
static int restored_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  changing_schema(stream, out);
  out->release = release_changed;
  return 0;
}

static void changes(void) {
  govpn_data d = 0;
  int calls = 0;
  struct ArrowArrayStream stream = {restored_schema, next_once, NULL, release_stream, &calls};
  OK(govpn_data_import_stream(&stream, shape, &d));
  govpn_data_free(d);
  calls = 2;
  stream.release = release_stream;
  FAILS(GOVPN_E_FORMAT, "n_buffers is 2, want 1 for format \"+w:64\"", govpn_data_import_stream(&stream, shape, &d));
  CHECK(alive == 0);
}

/* Pointers that cannot be followed: into the page at NULL, into the kernel's half, and to where no
 * address is. */
static void refuse_pointer(void *place, const void *pointer, struct ArrowSchema *s, struct ArrowArray *a) {
  void *before = *(void **)place;
  govpn_data d = 42;
  memcpy(place, &pointer, sizeof pointer);
  EXPECT(GOVPN_E_FORMAT, govpn_data_import(s, a, shape, &d));
  memcpy(place, &before, sizeof before);
  CHECK(d == 42);
}

static void pointers(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  make_table(&s, &a, 4);
  void *places[] = {&s.format, &s.name, &s.metadata, &s.children, &s.children[1], &s.children[1]->name,
                    &s.release, &a.children, &a.children[0], &a.buffers, &a.children[1]->buffers,
                    &a.children[1]->buffers[1], &a.release, &a.children[0]->release};
  const uintptr_t far[] = {UINTPTR_MAX, UINTPTR_MAX - 7, (uintptr_t)1 << 63, (uintptr_t)1 << 48, (uintptr_t)0xffff8000 << 32};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    for (uintptr_t p = 1; p < 4096; p += i < 3 ? 1 : 41) refuse_pointer(places[i], (const void *)p, &s, &a);
    for (size_t k = 0; k < sizeof far / sizeof *far; k++) refuse_pointer(places[i], (const void *)far[k], &s, &a);
  }
  for (uintptr_t p = 1; p < 4096; p++) {
    govpn_data d = 42;
    EXPECT(GOVPN_E_FORMAT, govpn_data_import((void *)p, &a, shape, &d));
    EXPECT(GOVPN_E_FORMAT, govpn_data_import(&s, (void *)p, shape, &d));
    EXPECT(GOVPN_E_FORMAT, govpn_data_import_stream((void *)p, shape, &d));
  }
  s.release(&s);
  a.release(&a);
}

static void streams(void) {
  govpn_data d = 0;
  int calls = 0;
  struct ArrowArrayStream stream = {fail_schema, fail_next, why, release_stream, &calls};
  FAILS(GOVPN_E_IO, "the disk is gone", govpn_data_import_stream(&stream, shape, &d));
  stream.get_schema = table_schema;
  FAILS(GOVPN_E_IO, "code 22", govpn_data_import_stream(&stream, shape, &d));
  calls = -1;
  FAILS(GOVPN_E_FORMAT, "child", govpn_data_import_stream(&stream, shape, &d));
  stream.get_last_error = NULL;
  stream.get_schema = fail_schema;
  FAILS(GOVPN_E_IO, "no reason", govpn_data_import_stream(&stream, shape, &d));
  CHECK(stream.release && d == 0);
  stream.get_last_error = no_text;
  FAILS(GOVPN_E_IO, "no text", govpn_data_import_stream(&stream, shape, &d));
  int (*next)(struct ArrowArrayStream *, struct ArrowArray *) = stream.get_next;
  memcpy(&stream.get_next, &(uintptr_t){8}, sizeof next);
  FAILS(GOVPN_E_FORMAT, "no function", govpn_data_import_stream(&stream, shape, &d));
  stream.get_next = next;
  stream.release = NULL;
  FAILS(GOVPN_E_FORMAT, "released", govpn_data_import_stream(&stream, shape, &d));
  FAILS(GOVPN_E_ARG, "stream is NULL", govpn_data_import_stream(NULL, shape, &d));
  CHECK(alive == 0);
}

int main(void) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) refuse(&cases[k]);
  labels();
  weights();
  streams();
  changes();
  pointers();
  puts("malformed: ok");
  return 0;
}
