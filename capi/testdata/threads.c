/* threads.c: several threads use one model. All get the same answers. A model in training is busy,
 * can be cancelled and can be freed. Each thread has its own error message, and gets the log
 * messages of its own calls. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
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

/* Freeing an object in use does not wait. The call in progress succeeds, then all is released. */
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

enum { THREADS = 16, IMAGES = 64, SCORES = IMAGES * CLASSES };
static float answer[SCORES];
static const char *const ways[] = {"{\"output\": \"proba\"}", "{\"noise\": \"classwise\", \"output\": \"proba\"}"};

static void predict(const char *how, float *scores) {
  struct ArrowSchema s;
  struct ArrowArray a;
  OK(govpn_model_predict(model, set, how, &s, &a));
  memcpy(scores, a.children[0]->buffers[1], SCORES * sizeof *scores);
  s.release(&s);
  a.release(&a);
}

static void *predict_often(void *how) {
  for (int i = 0; i < 3; i++) {
    float scores[SCORES];
    predict(how, scores);
    CHECK(!memcmp(scores, answer, sizeof answer));
    govpn_data_free(labelled(4));
  }
  return NULL;
}

static void many(const char *how) {
  pthread_t threads[THREADS];
  predict(how, answer);
  for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, predict_often, (void *)(uintptr_t)how) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

/* Trains another model on the same data set meanwhile. */
static void *fit_another(void *another) {
  FAILS(GOVPN_E_CANCELLED, "stopped", govpn_model_fit(*(govpn_model *)another, set, 0, "{\"epochs\": 1000000}", start, NULL));
  return NULL;
}

static void predict_beside_training(void) {
  pthread_t thread;
  govpn_model another = small_model();
  started = 0;
  CHECK(pthread_create(&thread, NULL, fit_another, &another) == 0);
  while (!started) pause_ms(1);
  many(ways[0]);
  OK(govpn_model_cancel(another));
  pthread_join(thread, NULL);
  govpn_model_free(another);
}

/* Messages that a call logs arrive on its thread before it returns. */
static _Thread_local int logged;

static void count_log(int32_t level, const char *message, void *user_data) {
  CHECK(user_data == &model && level == GOVPN_LOG_INFO && strstr(message, "device auto is"));
  logged++;
}

static void *create_on_auto(void *unused) {
  govpn_model m = 0;
  OK(govpn_model_create("{\"base\": \"sr\"}", &m));
  CHECK(logged == 1);
  govpn_model_free(m);
  return unused;
}

static void logs(void) {
  pthread_t threads[2];
  OK(govpn_init("{\"log_level\": \"info\"}"));
  OK(govpn_set_log(count_log, &model));
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_create(&threads[i], NULL, create_on_auto, NULL) == 0);
    pthread_join(threads[i], NULL);
  }
  OK(govpn_set_log(NULL, NULL));
  CHECK(logged == 0);
}

/* Once govpn_set_log has returned, the callback before is not called any more. */
static _Atomic int arrived, late, leaving;

static void count_late(int32_t level, const char *message, void *user_data) {
  (void)level;
  (void)message;
  pause_ms(1);
  *(atomic_int *)user_data ? late++ : arrived++;
}

static void *create_often(void *unused) {
  while (!leaving) {
    govpn_model m = 0;
    OK(govpn_model_create("{\"base\": \"sr\"}", &m));
    govpn_model_free(m);
  }
  return unused;
}

static void log_changes(void) {
  pthread_t threads[3];
  atomic_int gone[20];
  for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, create_often, NULL) == 0);
  for (int i = 0; i < 20; i++) {
    gone[i] = 0;
    OK(govpn_set_log(count_late, &gone[i]));
    for (int before = arrived; arrived == before;) pause_ms(1);
    OK(govpn_set_log(NULL, NULL));
    gone[i] = 1;
  }
  leaving = 1;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  CHECK(late == 0);
}

int main(void) {
  pthread_t thread;
  set = labelled(IMAGES);
  model = small_model();
  FAILS(GOVPN_E_HANDLE, "is 0", govpn_model_cancel(0));
  CHECK(pthread_create(&thread, NULL, fail_alone, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(strstr(govpn_last_error(), "is 0"));
  busy_and_cancel();
  for (int i = 0; i < 2; i++) many(ways[i]);
  predict_beside_training();
  logs();
  log_changes();
  free_in_use();
  puts("threads: ok");
  return 0;
}
