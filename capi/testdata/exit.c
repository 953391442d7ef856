/* exit.c: calls exit() at the moment that the argument names. The process ends with status 0, soon,
 * and after the host's own exit handlers.
 *   training   another thread trains
 *   compiling  another thread compiles
 *   callback   in the progress callback
 *   freed      right after a model was freed: a thread of XLA may still destroy its programs */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <time.h>

#include "arrays.h"

static govpn_data set;
static govpn_model model;
static volatile int phase = -1;
static int in_callback;

static int32_t report(const govpn_progress *p, void *user_data) {
  (void)user_data;
  phase = p->phase;
  if (in_callback && phase != GOVPN_PHASE_COMPILING) exit(0);
  return 0;
}

static void *fit(void *unused) {
  govpn_model_fit(model, set, 0, "{\"epochs\": 1000000}", report, NULL);
  return unused;
}

/* Runs last. Freeing must not crash here. Other calls work, or return GOVPN_E_CANCELLED. */
static void host_handler(void) {
  char *json = NULL;
  int32_t status = govpn_data_info(set, &json);
  if (!strcmp(device(), "go"))
    CHECK(status == GOVPN_OK);
  else
    FAILS(GOVPN_E_CANCELLED, "process exits", status);
  govpn_data_free(set);
  govpn_model_free(model);
  puts("exit: ok");
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  pthread_t thread;
  char options[256];
  int when = strcmp(arguments[1], "compiling") ? GOVPN_PHASE_TRAINING : GOVPN_PHASE_COMPILING;
  in_callback = !strcmp(arguments[1], "callback");
  atexit(host_handler);
  set = labelled(2048);
  snprintf(options, sizeof options, "{\"device\": \"%s\", \"base\": \"dnn3\", \"mode\": \"plain\", \"batch_size\": 256}", device());
  OK(govpn_model_create(options, &model));
  if (!strcmp(arguments[1], "freed")) {
    OK(govpn_model_fit(model, set, 0, "{\"epochs\": 1}", NULL, NULL));
    govpn_model_free(model);
    return 0;
  }
  CHECK(pthread_create(&thread, NULL, fit, NULL) == 0);
  while (in_callback || phase < when) nanosleep(&(struct timespec){0, 1000000}, NULL);
  return 0;
}
