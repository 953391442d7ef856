/* cycles.c: a model is made, trained by a step, asked and freed, over and over: memory stays flat. */
#define _DEFAULT_SOURCE
#include <malloc.h>
#include <unistd.h>

#include "arrays.h"

static void create_step_predict_free(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  char options[128];
  govpn_data d = labelled(4);
  govpn_model m = 0;
  snprintf(options, sizeof options, "{\"device\": \"%s\", \"base\": \"sr\", \"mode\": \"plain\"}", device());
  OK(govpn_model_create(options, &m));
  OK(govpn_model_train_batch(m, d, NULL, NULL));
  OK(govpn_model_predict(m, d, NULL, &s, &a));
  s.release(&s);
  a.release(&a);
  govpn_model_free(m);
  govpn_data_free(d);
}

/* What hands out memory, or fails after it took some. */
static void everything(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  struct ArrowArrayStream stream;
  char *json = NULL;
  uint8_t *bytes = NULL;
  size_t size = 0;
  govpn_data d = labelled(4), lent = 0, first = 0, second = 0;
  govpn_model m = small_model(), again = 0, none = 0;
  char options[128];
  OK(govpn_model_train_batch(m, d, NULL, &json));
  govpn_free(json);
  OK(govpn_model_predict(m, d, "{\"output\": \"proba\"}", &s, &a));
  s.release(&s);
  a.release(&a);
  OK(govpn_model_to_bytes(m, &bytes, &size));
  snprintf(options, sizeof options, "{\"device\": \"%s\"}", device());
  OK(govpn_model_from_bytes(bytes, size, options, &again));
  bytes[size - 1] ^= 1;
  FAILS(GOVPN_E_FORMAT, "damaged", govpn_model_from_bytes(bytes, size, options, &none));
  govpn_free(bytes);
  OK(govpn_model_history(again, &s, &a));
  s.release(&s);
  a.release(&a);
  OK(govpn_data_export_stream(d, "{\"batch_size\": 3}", &stream));
  CHECK(stream.get_next(&stream, &a) == 0 && a.length == 3);
  stream.release(&stream);
  a.release(&a);
  OK(govpn_data_split(d, "{\"first\": 2}", &first, &second));
  snprintf(options, sizeof options, "{\"shape\": [4, 8, 8, 1], \"dtype\": \"uint8\", \"device\": \"%s\"}", device());
  OK(govpn_data_alloc(options, &s, &a, &lent));
  s.release(&s);
  a.release(&a);
  make_images(&s, &a, 4, 0);
  a.children[0]->length = 1;
  EXPECT(GOVPN_E_FORMAT, govpn_data_import(&s, &a, shape, &none));
  s.release(&s);
  a.release(&a);
  govpn_data_free(lent);
  govpn_data_free(first);
  govpn_data_free(second);
  govpn_data_free(d);
  govpn_model_free(m);
  govpn_model_free(again);
}

/* Bytes that malloc has given out in this process. */
static long heap(void) {
  struct mallinfo2 m = mallinfo2();
  return (long)(m.uordblks + m.hblkhd);
}

/* Bytes of this process that are in memory and no file's. */
static long resident(void) {
  long pages = 0, shared = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  CHECK(f && fscanf(f, "%*d %ld %ld", &pages, &shared) == 2 && fclose(f) == 0);
  return (pages - shared) * sysconf(_SC_PAGESIZE);
}

/* n cycles, of which the last three quarters may leave so many bytes each of malloc's, and 32 MiB in all: Go's heap breathes. */
static void repeat(void (*cycle)(void), long n, long bytes) {
  long h = 0, r = 0, most = bytes * (n - n / 4);
  for (long i = 0; i < n; i++) {
    if (i == n / 4) h = heap(), r = resident();
    cycle();
    CHECK(alive == 0);
  }
  h = heap() - h;
  r = resident() - r;
  if (getenv("VERBOSE")) printf("%ld cycles: malloc %+ld, resident %+ld\n", n, h, r);
  CHECK(h <= most);
  CHECK(r <= 32 << 20);
}

int main(void) {
  if (!strcmp(device(), "go")) {
    repeat(create_step_predict_free, 10000, 10);
    repeat(everything, 100, 200);
  } else {
    /* XLA's plugin for the CPU keeps some of what it compiles and runs with, 1 to 3 kB per cycle. */
    repeat(create_step_predict_free, 100, 5000);
  }
  puts("cycles: ok");
  return 0;
}
