/* arrays.h: makes Arrow arrays for the test programs, counts those that are not released, and
 * checks conditions and statuses. */
#ifndef ARRAYS_H
#define ARRAYS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../govpn.h"

static _Atomic int alive; /* top-level Arrow structs that were made here and not yet released */

/* Reports a status that is not the wanted one and ends the program. */
static void stop(const char *file, int line, const char *what, int32_t got, int32_t want) {
  fprintf(stderr, "%s:%d: %s: got %s, want %s: %s\n", file, line, what, govpn_status_name(got), govpn_status_name(want),
          govpn_last_error());
  exit(1);
}

#define UNUSED __attribute__((unused))

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);       \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

#define EXPECT(want, call)                                                            \
  do {                                                                                \
    int32_t status_ = (call);                                                         \
    if (status_ != (want)) stop(__FILE__, __LINE__, #call, status_, want);            \
  } while (0)

#define OK(call) EXPECT(GOVPN_OK, call)

/* Requires that the call fails with this status and that its message contains this text. */
#define FAILS(want, text, call)                                                       \
  do {                                                                                \
    EXPECT(want, call);                                                               \
    if (!strstr(govpn_last_error(), text)) {                                          \
      fprintf(stderr, "%s:%d: %s: message is \"%s\", want \"%s\" in it\n", __FILE__, __LINE__, #call, govpn_last_error(), text); \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

static void release_schema(struct ArrowSchema *s) {
  CHECK(s->release);
  for (int64_t i = 0; i < s->n_children; i++) {
    if (s->children[i]->release) s->children[i]->release(s->children[i]);
    free(s->children[i]);
  }
  if (s->private_data) alive--;
  free(s->children);
  s->release = NULL;
}

static void release_array(struct ArrowArray *a) {
  CHECK(a->release);
  for (int64_t i = 0; i < a->n_children; i++) {
    if (a->children[i]->release) a->children[i]->release(a->children[i]);
    free(a->children[i]);
  }
  for (int64_t i = 0; i < a->n_buffers; i++) free((void *)(uintptr_t)a->buffers[i]);
  if (a->private_data) alive--;
  free(a->buffers);
  free(a->children);
  a->release = NULL;
}

/* Makes a schema and its array with so many buffers and children, still empty. */
static void node(struct ArrowSchema *s, struct ArrowArray *a, const char *format, const char *name, int64_t length,
                 int64_t buffers, int64_t children) {
  memset(s, 0, sizeof *s);
  memset(a, 0, sizeof *a);
  s->format = format;
  s->name = name;
  s->n_children = a->n_children = children;
  s->children = calloc((size_t)children + 1, sizeof *s->children);
  a->children = calloc((size_t)children + 1, sizeof *a->children);
  for (int64_t i = 0; i < children; i++) {
    s->children[i] = calloc(1, sizeof **s->children);
    a->children[i] = calloc(1, sizeof **a->children);
  }
  a->length = length;
  a->n_buffers = buffers;
  a->buffers = calloc((size_t)buffers + 1, sizeof *a->buffers);
  s->release = release_schema;
  a->release = release_array;
}

/* Counts the two structs in alive until they are released. */
static void count(struct ArrowSchema *s, struct ArrowArray *a) {
  s->private_data = a->private_data = &alive;
  alive += 2;
}

enum { SIDE = 8, PIXELS = SIDE * SIDE, CLASSES = 4 };

static unsigned random_state = 1;
static unsigned next_random(void) { return (random_state = random_state * 1664525u + 1013904223u) >> 16; }

/* Returns pixel p of image i: a bright square on a noisy ground, whose place tells the class,
 * i % CLASSES. */
static int pixel(int64_t i, int64_t p) {
  int64_t y = p / SIDE, x = p % SIDE, class_ = i % CLASSES;
  int bright = y / 4 == class_ / 2 && x / 4 == class_ % 2;
  return (int)(next_random() % 80) + (bright ? 150 : 0);
}

/* Makes n images as FixedSizeList[64] of uint8 or float. The buffers are exactly as long as needed,
 * so that a sanitizer sees a read beyond them. */
static void fill_images(struct ArrowSchema *s, struct ArrowArray *a, int64_t n, int floats) {
  node(s, a, "+w:64", "image", n, 1, 1);
  node(s->children[0], a->children[0], floats ? "f" : "C", "item", n * PIXELS, 2, 0);
  uint8_t *bytes = malloc((size_t)n * PIXELS * (floats ? sizeof(float) : 1));
  float *numbers = (float *)(void *)bytes;
  for (int64_t i = 0; i < n * PIXELS; i++) {
    int v = pixel(i / PIXELS, i % PIXELS);
    if (floats)
      numbers[i] = (float)v / 255;
    else
      bytes[i] = (uint8_t)v;
  }
  a->children[0]->buffers[1] = bytes;
}

UNUSED static void make_images(struct ArrowSchema *s, struct ArrowArray *a, int64_t n, int floats) {
  fill_images(s, a, n, floats);
  count(s, a);
}

static void fill_labels(struct ArrowSchema *s, struct ArrowArray *a, int64_t n) {
  node(s, a, "s", "label", n, 2, 0);
  int16_t *labels = malloc((size_t)n * sizeof *labels);
  for (int64_t i = 0; i < n; i++) labels[i] = (int16_t)(i % CLASSES);
  a->buffers[1] = labels;
}

UNUSED static void make_labels(struct ArrowSchema *s, struct ArrowArray *a, int64_t n) {
  fill_labels(s, a, n);
  count(s, a);
}

/* Makes n soft labels as FixedSizeList[4] of float: 0.7 for the class i % CLASSES, 0.1 for each
 * other. */
UNUSED static void make_soft_labels(struct ArrowSchema *s, struct ArrowArray *a, int64_t n) {
  node(s, a, "+w:4", "label", n, 1, 1);
  node(s->children[0], a->children[0], "f", "item", n * CLASSES, 2, 0);
  float *p = malloc((size_t)n * CLASSES * sizeof *p);
  for (int64_t i = 0; i < n * CLASSES; i++) p[i] = i / CLASSES % CLASSES == i % CLASSES ? 0.7f : 0.1f;
  a->children[0]->buffers[1] = p;
  count(s, a);
}

/* Makes n weights as floats: 0.5 and 2 in turn. */
UNUSED static void make_weights(struct ArrowSchema *s, struct ArrowArray *a, int64_t n) {
  node(s, a, "f", "weight", n, 2, 0);
  float *w = malloc((size_t)n * sizeof *w);
  for (int64_t i = 0; i < n; i++) w[i] = i % 2 ? 2.f : 0.5f;
  a->buffers[1] = w;
  count(s, a);
}

/* Makes a struct array of n images and their labels. */
static void make_table(struct ArrowSchema *s, struct ArrowArray *a, int64_t n) {
  node(s, a, "+s", "", n, 1, 2);
  fill_images(s->children[0], a->children[0], n, 0);
  fill_labels(s->children[1], a->children[1], n);
  count(s, a);
}

/* Writes a picture of 8×8 equal grey pixels as a BMP file of 24 bits, cut off after `bytes`
 * bytes. */
UNUSED static void write_bmp(const char *path, int value, size_t bytes) {
  uint8_t file[54 + 3 * PIXELS] = {'B', 'M', 246, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, SIDE, 0, 0, 0, SIDE, 0, 0, 0, 1, 0, 24};
  memset(file + 54, value, 3 * PIXELS);
  FILE *f = fopen(path, "wb");
  CHECK(f && bytes <= sizeof file && fwrite(file, 1, bytes, f) == bytes && fclose(f) == 0);
}

static const char *const shape = "{\"shape\": [8, 8, 1]}";

/* Returns a data set of n labelled images. */
UNUSED static govpn_data labelled(int64_t n) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = 0;
  make_table(&s, &a, n);
  OK(govpn_data_import(&s, &a, shape, &d));
  CHECK(d && !s.release && !a.release);
  return d;
}

/* Returns the device to test: $GOVPN_TEST_DEVICE, or "go". */
UNUSED static const char *device(void) {
  const char *name = getenv("GOVPN_TEST_DEVICE");
  return name ? name : "go";
}

/* Returns a small model that trains in an instant. */
UNUSED static govpn_model small_model(void) {
  govpn_model m = 0;
  char options[256];
  snprintf(options, sizeof options, "{\"device\": \"%s\", \"base\": \"sr\", \"batch_size\": 64, "
           "\"learning_rate\": 0.01, \"seed\": 7, \"image_shape\": [8, 8, 1], \"classes\": 4}", device());
  OK(govpn_model_create(options, &m));
  CHECK(m);
  return m;
}

#endif
