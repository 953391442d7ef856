/* host_mistakes.c: a host's mistakes, of which a sanitizer must find each one where the library meets it: the test proves that it looks. */
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
  for (int i = 0; i < 4000; i++) OK(govpn_build_info(&json)); /* Go's garbage still points to the last of them, not to all */
}

/* Labels that end before their array does. */
static void beyond(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = labelled(40);
  make_labels(&s, &a, 30);
  a.length = 40;
  OK(govpn_data_set_labels(d, &s, &a, NULL));
}

/* Pixels that the producer frees before their release is called. */
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
  } faults[] = {{"leak", leak}, {"beyond", beyond}, {"late", late}};
  for (int i = 0; i < 3; i++)
    if (count == 2 && !strcmp(arguments[1], faults[i].name)) faults[i].run();
  return 0;
}
