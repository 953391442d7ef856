/* threads.c: one model and several threads: busy, cancel, free while in use, one error message per thread. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <time.h>

#include "arrays.h"

static govpn_model model;
static govpn_data set;
static volatile int started;

static void pause_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&t, NULL);
}

static int32_t start(const govpn_progress *p, void *user_data) {
  (void)user_data;
  if (p->phase == GOVPN_PHASE_TRAINING || p->phase == GOVPN_PHASE_EPOCH) started = 1;
  return 0;
}

static void *fit_for_long(void *unused) {
  FAILS(GOVPN_E_CANCELLED, "stopped", govpn_model_fit(model, set, 0, "{\"epochs\": 1000000}", start, NULL));
  return unused;
}

static void busy_and_cancel(void) {
  pthread_t thread;
  struct ArrowSchema s;
  struct ArrowArray a;
  char *json = NULL;
  started = 0;
  CHECK(pthread_create(&thread, NULL, fit_for_long, NULL) == 0);
  while (!started) pause_ms(1);
  FAILS(GOVPN_E_BUSY, "training", govpn_model_fit(model, set, 0, NULL, NULL, NULL));
  FAILS(GOVPN_E_BUSY, "training", govpn_model_train_batch(model, set, NULL, NULL));
  FAILS(GOVPN_E_BUSY, "training", govpn_model_predict(model, set, NULL, &s, &a));
  FAILS(GOVPN_E_BUSY, "training", govpn_model_evaluate(model, set, NULL, &json));
  FAILS(GOVPN_E_BUSY, "training", govpn_model_save(model, "/tmp/never-written"));
  OK(govpn_model_config(model, &json));
  govpn_free(json);
  OK(govpn_model_history(model, &s, &a));
  s.release(&s);
  a.release(&a);
  OK(govpn_model_cancel(model));
  pthread_join(thread, NULL);
  OK(govpn_model_predict(model, set, NULL, &s, &a)); /* still usable */
  s.release(&s);
  a.release(&a);
}

/* Freeing what is in use does not wait; the call in progress ends well, and then all is released. */
static int32_t free_all(const govpn_progress *p, void *user_data) {
  (void)user_data;
  govpn_data_free(set);
  govpn_model_free(model);
  CHECK(alive == 1);
  return p->phase == GOVPN_PHASE_EPOCH;
}

static void free_in_use(void) {
  FAILS(GOVPN_E_CANCELLED, "stopped", govpn_model_fit(model, set, 0, "{\"epochs\": 100}", free_all, NULL));
  CHECK(alive == 0);
  EXPECT(GOVPN_E_HANDLE, govpn_model_cancel(model));
}

static void *fail_alone(void *unused) {
  CHECK(!strcmp(govpn_last_error(), ""));
  FAILS(GOVPN_E_ARG, "json is NULL", govpn_devices(NULL));
  return unused;
}

static void *predict_often(void *unused) {
  for (int i = 0; i < 20; i++) {
    struct ArrowSchema s;
    struct ArrowArray a;
    OK(govpn_model_predict(model, set, "{\"output\": \"proba\"}", &s, &a));
    CHECK(((const float *)a.children[0]->buffers[1])[0] <= 1);
    s.release(&s);
    a.release(&a);
    govpn_data d = labelled(4);
    govpn_data_free(d);
  }
  return unused;
}

static void many(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, predict_often, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

int main(void) {
  pthread_t thread;
  set = labelled(64);
  model = small_model();
  FAILS(GOVPN_E_HANDLE, "is 0", govpn_model_cancel(0));
  CHECK(pthread_create(&thread, NULL, fail_alone, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(strstr(govpn_last_error(), "is 0"));
  busy_and_cancel();
  many();
  free_in_use();
  puts("threads: ok");
  return 0;
}
