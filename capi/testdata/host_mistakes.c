/* host_mistakes.c: a host makes the mistake that the argument names. The sanitizer must report each
 * one where the library meets it. This proves that the sanitized library watches. */
#include "arrays.h"

static void predict(govpn_data d) {
  govpn_model m = small_model();
  struct ArrowSchema s;
  struct ArrowArray a;
  OK(govpn_model_fit(m, d, 0, "{\"epochs\": 1}", NULL, NULL));
  OK(govpn_model_predict(m, d, NULL, &s, &a));
}

static void leak(void) {
  char *json = NULL;
  /* Dead Go memory may still point to the last texts, but not to all. */
  for (int i = 0; i < 4000; i++) OK(govpn_build_info(&json));
}

/* Passes an array whose list of buffers has fewer entries than n_buffers says. C code reads
 * them. */
static void few(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = labelled(4);
  make_labels(&s, &a, 4);
  const void **shorter = malloc(sizeof *shorter);
  shorter[0] = NULL;
  a.buffers = shorter;
  govpn_data_set_labels(d, &s, &a, NULL);
}

/* Passes a schema whose child was freed. C code reads it. */
static void stale(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = 0;
  make_images(&s, &a, 4, 0);
  free(s.children[0]);
  govpn_data_import(&s, &a, shape, &d);
}

/* Passes labels that end before their array does. Go code reads them. */
static void beyond(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = labelled(40);
  make_labels(&s, &a, 30);
  a.length = 40;
  OK(govpn_data_set_labels(d, &s, &a, NULL));
}

/* Frees pixels before their release is called. Go code reads them. */
static void late(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = 0;
  make_table(&s, &a, 40);
  void *pixels = (void *)(uintptr_t)a.children[0]->children[0]->buffers[1];
  OK(govpn_data_import(&s, &a, shape, &d));
  free(pixels);
  predict(d);
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    void (*run)(void);
  } faults[] = {{"leak", leak}, {"few", few}, {"stale", stale}, {"beyond", beyond}, {"late", late}};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    if (count == 2 && !strcmp(arguments[1], faults[i].name)) faults[i].run();
  return 0;
}
