/* stub.c: the public functions. Each refuses to run in a forked child, where the Go runtime would
 * hang, and while the process exits. Otherwise it calls its exported Go function. Go is never
 * entered before that check. */
#define _DEFAULT_SOURCE
#include "bridge.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __GLIBC__
#include <dirent.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "_cgo_export.h"

static atomic_int forked, exiting, watching;
static atomic_int inside;       /* calls that are in Go, of all threads */
static _Thread_local int mine;  /* those of this thread: more than one if a callback calls */
static pthread_key_t error_key; /* the thread's last error message, malloc'ed */

int bridge_ended(void) { return forked || exiting; }

void bridge_trim_heap(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void bridge_set_error(const char *message) {
  char *copy = strdup(message);
  free(pthread_getspecific(error_key));
  pthread_setspecific(error_key, copy);
}

/* While the process exits, no callback of the host is called: what it needs may be gone. */

void bridge_after_callback(void) {
  static const char message[] = "govpn: a child that was forked in a callback returned from it; call exec or _exit there\n";
  if (forked) {
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(2);
    _exit(2);
  }
  bridge_mend_handlers();
}

static _Thread_local int in_log;

void bridge_call_log(govpn_log_fn fn, int32_t level, bridge_text *message, uintptr_t user_data) {
  in_log++;
  if (!exiting) fn(level, message, (void *)user_data);
  in_log--;
  bridge_after_callback();
}

int bridge_in_log(void) { return in_log; }

int32_t bridge_call_progress(govpn_progress_fn fn, const govpn_progress *progress, uintptr_t user_data) {
  int32_t stop = exiting || fn(progress, (void *)user_data);
  bridge_after_callback();
  return stop;
}

int32_t bridge_call_sum(govpn_sum_fn fn, float *values, int64_t count, uintptr_t user_data) {
  int32_t stop = exiting || fn(values, count, (void *)user_data);
  bridge_after_callback();
  return stop;
}

static int32_t refuse(void) {
  if (!forked) {
    bridge_set_error("govpn cannot be used any more: the process exits");
    return GOVPN_E_CANCELLED;
  }
  bridge_set_error("govpn cannot be used in a forked child of the process that loaded it; "
                   "start workers by spawn instead of fork, or call exec first");
  return GOVPN_E_FORKED;
}

static void leave(void) {
  bridge_leave_go();
  mine--;
  inside--;
}

void bridge_watch_exit(void) { watching = 1; }

#ifdef __GLIBC__
extern int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle __attribute__((visibility("hidden")));

/* Returns 1 if all other threads of the process sleep, or if the system does not tell. */
static int at_rest(void) {
  DIR *threads = opendir("/proc/self/task");
  int rest = 1;
  for (struct dirent *entry; threads && (entry = readdir(threads));) {
    char path[sizeof "/proc/self/task//stat" + sizeof entry->d_name], text[512] = "", *name_end;
    if (entry->d_name[0] == '.' || atol(entry->d_name) == syscall(SYS_gettid)) continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue; /* it has just ended */
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    name_end = strrchr(text, ')'); /* "1234 (a name) S …" */
    rest &= !name_end || !strchr("RD", name_end[2]);
  }
  if (threads) closedir(threads);
  return rest;
}

/* Waits until the threads of XLA's plugin are done. After a call has returned, such a thread may
 * still hold the last reference to a program whose model was freed, and destroy it. The wait ends
 * when all threads slept at two looks in a row; or after 1 s, because the host's own threads may
 * never sleep. */
static void wait_for_plugin(void) {
  static const struct timespec pause = {0, 1000000};
  for (int i = 0, rested = 0; i < 1000 && rested < 2; i++) {
    rested = at_rest() ? rested + 1 : 0;
    nanosleep(&pause, NULL);
  }
}

/* Stops all calls before exit() runs the destructors of XLA's plugin, which would crash threads
 * that compute with it. If a call does not stop within 10 s (a long compilation), the process ends
 * at once, without running destructors. */
static void before_exit(int status, void *unused) {
  static const struct timespec pause = {0, 5000000};
  if (forked || atomic_exchange(&exiting, 1)) return;
  for (int i = 0; inside > mine && i < 2000; i++) {
    goCancelAll();
    nanosleep(&pause, NULL);
  }
  if (inside == mine) {
    wait_for_plugin();
    return;
  }
  fflush(NULL);
  _exit(status);
}

/* Registers before_exit when a thread ends or calls exit(). The handler that is registered last
 * runs first, and the plugin registers destructors as late as in its first step. A thread's own
 * destructors run before all of them: at that time before_exit still becomes the last one
 * registered. */
static void thread_ends(void *unused) {
  if (watching && !forked && (inside || syscall(SYS_gettid) == getpid())) on_exit(before_exit, NULL);
}

static void watch_thread(void) {
  static _Thread_local int watched;
  if (!watched) watched = !__cxa_thread_atexit_impl(thread_ends, NULL, &__dso_handle);
}
#else
static void watch_thread(void) {}
#endif

static void after_fork(void) { forked = 1; }

__attribute__((constructor)) static void set_up(void) {
  pthread_key_create(&error_key, free);
  pthread_atfork(NULL, NULL, after_fork);
  watch_thread();
}

/* A quick call is over in microseconds. It leaves the look at the host's handlers, which takes
 * longer, to the thread that looks every few milliseconds. */
enum { QUICK = 1 };

static int enter(int quick) {
  if (forked) return 0;
  watch_thread();
  mine++;
  inside++; /* before the look at exiting: before_exit looks the other way round */
  if (exiting) {
    mine--;
    inside--;
    return 0;
  }
  bridge_enter_go(quick);
  return 1;
}

/* Functions that work everywhere, also in a forked child. */

uint32_t govpn_abi_version(void) { return GOVPN_ABI_VERSION; }

const char *govpn_version(void) { return GOVPN_VERSION; }

const char *govpn_last_error(void) {
  const char *message = pthread_getspecific(error_key);
  return message ? message : "";
}

const char *govpn_status_name(int32_t status) {
  static const char *const names[] = {
      "GOVPN_OK",       "GOVPN_E_ARG",    "GOVPN_E_HANDLE", "GOVPN_E_UNSUPPORTED", "GOVPN_E_CANCELLED", "GOVPN_E_IO",
      "GOVPN_E_FORMAT", "GOVPN_E_MEMORY", "GOVPN_E_DEVICE", "GOVPN_E_FORKED",      "GOVPN_E_BUSY",      "GOVPN_E_INTERNAL"};
  return status >= 0 && status <= GOVPN_E_INTERNAL ? names[status] : "GOVPN_E_?";
}

void govpn_free(void *memory) {
  if (!forked) free(memory);
}

/* Functions that enter Go. */

#define CALL(name, export, parameters, arguments, quick) \
  int32_t name parameters {                              \
    if (!enter(quick)) return refuse();                  \
    int32_t status = export arguments;                   \
    leave();                                             \
    return status;                                       \
  }
#define GUARDED(name, export, parameters, arguments) CALL(name, export, parameters, arguments, 0)
#define GUARDED_QUICK(name, export, parameters, arguments) CALL(name, export, parameters, arguments, QUICK)

/* Functions that take Arrow structs from the host: see BRIDGE_PAGE. */
static int32_t no_memory(const void *a, const void *b) {
  if ((!a || (uintptr_t)a >= BRIDGE_PAGE) && (!b || (uintptr_t)b >= BRIDGE_PAGE)) return 0;
  bridge_set_error("govpn: malformed Arrow data: a struct is no memory that can be read");
  return GOVPN_E_FORMAT;
}
#define TAKING(name, export, parameters, arguments, a, b) \
  int32_t name parameters {                               \
    if (!enter(0)) return refuse();                       \
    int32_t status = no_memory(a, b);                     \
    if (!status) status = export arguments;               \
    leave();                                              \
    return status;                                        \
  }

GUARDED(govpn_init, goInit, (const char *json), (json))
GUARDED(govpn_build_info, goBuildInfo, (char **json), (json))
GUARDED(govpn_devices, goDevices, (char **json), (json))
GUARDED(govpn_set_log, goSetLog, (govpn_log_fn fn, void *user_data), (fn, (uintptr_t)user_data))

TAKING(govpn_data_import, goDataImport,
       (struct ArrowSchema * schema, struct ArrowArray *array, const char *json, govpn_data *out), (schema, array, json, out),
       schema, array)
TAKING(govpn_data_import_stream, goDataImportStream, (struct ArrowArrayStream * stream, const char *json, govpn_data *out),
       (stream, json, out), stream, NULL)
GUARDED(govpn_data_alloc, goDataAlloc,
        (const char *json, struct ArrowSchema *schema, struct ArrowArray *array, govpn_data *out), (json, schema, array, out))
GUARDED(govpn_data_open, goDataOpen, (const char *json, govpn_data *out), (json, out))
GUARDED_QUICK(govpn_data_cancel_open, goDataCancelOpen, (void), ())
GUARDED(govpn_data_export_stream, goDataExportStream, (govpn_data data, const char *json, struct ArrowArrayStream *out),
        (data, json, out))
TAKING(govpn_data_set_labels, goDataSetLabels,
       (govpn_data data, struct ArrowSchema *schema, struct ArrowArray *array, const char *json), (data, schema, array, json),
       schema, array)
TAKING(govpn_data_set_weights, goDataSetWeights,
       (govpn_data data, struct ArrowSchema *schema, struct ArrowArray *array, const char *json), (data, schema, array, json),
       schema, array)
GUARDED(govpn_data_split, goDataSplit, (govpn_data data, const char *json, govpn_data *a, govpn_data *b), (data, json, a, b))
GUARDED_QUICK(govpn_data_info, goDataInfo, (govpn_data data, char **json), (data, json))

void govpn_data_free(govpn_data data) {
  if (!data || !enter(0)) return;
  goDataFree(data);
  leave();
}

GUARDED(govpn_model_create, goModelCreate, (const char *json, govpn_model *out), (json, out))
GUARDED(govpn_estimate_memory, goEstimateMemory, (const char *json, char **json_out), (json, json_out))
GUARDED(govpn_model_fit, goModelFit,
        (govpn_model model, govpn_data train, govpn_data valid, const char *json, govpn_progress_fn progress, void *user_data),
        (model, train, valid, json, progress, (uintptr_t)user_data))
GUARDED(govpn_model_share, goModelShare,
        (govpn_model model, int32_t rank, int32_t workers, govpn_sum_fn sum, void *user_data), (model, rank, workers, sum, (uintptr_t)user_data))
GUARDED(govpn_model_train_batch, goModelTrainBatch, (govpn_model model, govpn_data data, const char *json, char **metrics),
        (model, data, json, metrics))
GUARDED_QUICK(govpn_model_cancel, goModelCancel, (govpn_model model), (model))
GUARDED_QUICK(govpn_model_set_learning_rate, goModelSetLearningRate, (govpn_model model, double rate), (model, rate))
GUARDED(govpn_model_predict, goModelPredict,
        (govpn_model model, govpn_data data, const char *json, struct ArrowSchema *schema, struct ArrowArray *array),
        (model, data, json, schema, array))
GUARDED(govpn_model_noise, goModelNoise,
        (govpn_model model, govpn_data data, const char *json, struct ArrowSchema *schema, struct ArrowArray *array),
        (model, data, json, schema, array))
GUARDED(govpn_model_evaluate, goModelEvaluate, (govpn_model model, govpn_data data, const char *json, char **json_out),
        (model, data, json, json_out))
GUARDED_QUICK(govpn_model_history, goModelHistory, (govpn_model model, struct ArrowSchema *schema, struct ArrowArray *array),
        (model, schema, array))
GUARDED_QUICK(govpn_model_config, goModelConfig, (govpn_model model, char **json), (model, json))
GUARDED(govpn_model_export_safetensors, goModelExportSafetensors, (govpn_model model, const char *path, const char *json),
        (model, path, json))
GUARDED(govpn_model_import_safetensors, goModelImportSafetensors, (govpn_model model, const char *path, const char *json),
        (model, path, json))
GUARDED(govpn_model_save, goModelSave, (govpn_model model, const char *path), (model, path))
GUARDED(govpn_model_load, goModelLoad, (const char *path, const char *json, govpn_model *out), (path, json, out))
GUARDED(govpn_model_to_bytes, goModelToBytes, (govpn_model model, uint8_t **bytes, size_t *size), (model, bytes, size))
GUARDED(govpn_model_from_bytes, goModelFromBytes, (const uint8_t *bytes, size_t size, const char *json, govpn_model *out),
        (bytes, size, json, out))

void govpn_model_free(govpn_model model) {
  if (!model || !enter(0)) return;
  goModelFree(model);
  leave();
}
