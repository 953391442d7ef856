/* cycles.c: makes a model, trains it for a step, predicts and frees it, over and over. Memory stays
 * flat. The argument is the number of cycles on the device "go". */
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

/* Calls every function that hands out memory, or that fails after it took some. */
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

/* Returns the bytes that malloc has given out in this process. */
static long heap(void) {
  struct mallinfo2 m = mallinfo2();
  return (long)(m.uordblks + m.hblkhd);
}

/* Returns the resident bytes of this process, without those of files. */
static long resident(void) {
  long pages = 0, shared = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  CHECK(f && fscanf(f, "%*d %ld %ld", &pages, &shared) == 2 && fclose(f) == 0);
  return (pages - shared) * sysconf(_SC_PAGESIZE);
}

/* Runs n cycles. Each of the last three quarters may leave `bytes` bytes in malloc's heap, and all
 * of them 32 MiB of resident memory: Go's heap grows and shrinks. */
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

int main(int count, char **arguments) {
  CHECK(count == 2);
  if (!strcmp(device(), "go")) {
    repeat(create_step_predict_free, atol(arguments[1]), 10);
    repeat(everything, 100, 200);
  } else {
    /* XLA's plugin for the CPU keeps 1 to 3 kB of every compilation. */
    repeat(create_step_predict_free, 100, 5000);
  }
  puts("cycles: ok");
  return 0;
}
