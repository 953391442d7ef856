/* inject.c: injects panics into the functions that the arguments name (without arguments, into all)
 * and into what works for them. A panic becomes an error and does no other harm: outputs stay as
 * they were, arguments still belong to the caller, and everything but the model in use goes on.
 *
 * The library must be built with the tag govpn_inject. internal/inject documents GOVPN_INJECT. */
#define _POSIX_C_SOURCE 200809L
#include <sys/stat.h>
#include <unistd.h>

#include "arrays.h"

static const char never[] = "/tmp/never-written", lending[] = "{\"shape\": [1, 8, 8, 1], \"dtype\": \"uint8\", \"device\": \"go\"}";
static char folder[] = "/tmp/govpn-inject-XXXXXX", paths[3][64];
static char streamed[128], decoded[128]; /* options that open the pictures in folder */
static govpn_data known;                 /* two bystanders, which no panic may harm */
static govpn_model bystander;
static uint8_t answer[16];

/* The objects of one case, made for it. */
static govpn_data set, pictures;
static govpn_model model;
static struct ArrowArrayStream stream; /* of pictures */
static struct ArrowSchema given_schema;
static struct ArrowArray given_array;

/* The outputs, and their contents before the call. */
static struct {
  struct ArrowSchema schema;
  struct ArrowArray array;
  struct ArrowArrayStream stream;
  char *json;
  uint8_t *bytes;
  size_t size;
  govpn_data data;
  govpn_model model;
} out, before;

static int32_t want;     /* the status that the call must return */
static const char *text; /* and what its message must contain */
#define PANICS(call) FAILS(want, text, call)

static void init(void) { PANICS(govpn_init(NULL)); }
static void build_info(void) { PANICS(govpn_build_info(&out.json)); }
static void devices(void) { PANICS(govpn_devices(&out.json)); }
static void set_log(void) { PANICS(govpn_set_log(NULL, NULL)); }
static void import(void) { PANICS(govpn_data_import(&given_schema, &given_array, shape, &out.data)); }
static void import_stream(void) { PANICS(govpn_data_import_stream(&stream, NULL, &out.data)); }
static void alloc(void) { PANICS(govpn_data_alloc(lending, &out.schema, &out.array, &out.data)); }
static void open_(void) { PANICS(govpn_data_open(decoded, &out.data)); }
static void cancel_open(void) { PANICS(govpn_data_cancel_open()); }
static void export_stream(void) { PANICS(govpn_data_export_stream(set, NULL, &out.stream)); }
static void set_labels(void) { PANICS(govpn_data_set_labels(set, &given_schema, &given_array, NULL)); }
static void set_weights(void) { PANICS(govpn_data_set_weights(set, &given_schema, &given_array, NULL)); }
static void split(void) {
  govpn_data second = 0;
  PANICS(govpn_data_split(set, "{\"first\": 3}", &out.data, &second));
  CHECK(!second);
}
static void info(void) { PANICS(govpn_data_info(set, &out.json)); }
static void create(void) { PANICS(govpn_model_create(NULL, &out.model)); }
static void estimate(void) { PANICS(govpn_estimate_memory("{\"image_shape\": [8, 8, 1], \"classes\": 4}", &out.json)); }
static void fit(void) { PANICS(govpn_model_fit(model, set, 0, "{\"epochs\": 1}", NULL, NULL)); }
static void fit_stream(void) { PANICS(govpn_model_fit(model, pictures, 0, "{\"epochs\": 1}", NULL, NULL)); }
static void train_batch(void) { PANICS(govpn_model_train_batch(model, set, NULL, &out.json)); }
static void share(void) { PANICS(govpn_model_share(model, 0, 1, NULL, NULL)); }
static void cancel(void) { PANICS(govpn_model_cancel(model)); }
static void set_rate(void) { PANICS(govpn_model_set_learning_rate(model, 0.1)); }
static void predict(void) { PANICS(govpn_model_predict(model, set, NULL, &out.schema, &out.array)); }
static void noise(void) { PANICS(govpn_model_noise(model, set, NULL, &out.schema, &out.array)); }
static void evaluate(void) { PANICS(govpn_model_evaluate(model, set, NULL, &out.json)); }
static void history(void) { PANICS(govpn_model_history(model, &out.schema, &out.array)); }
static void config(void) { PANICS(govpn_model_config(model, &out.json)); }
static void export_weights(void) { PANICS(govpn_model_export_safetensors(model, never, NULL)); }
static void import_weights(void) { PANICS(govpn_model_import_safetensors(model, never, NULL)); }
static void save(void) { PANICS(govpn_model_save(model, never)); }
static void load(void) { PANICS(govpn_model_load(never, NULL, &out.model)); }
static void to_bytes(void) { PANICS(govpn_model_to_bytes(model, &out.bytes, &out.size)); }
static void from_bytes(void) { PANICS(govpn_model_from_bytes(answer, sizeof answer, NULL, &out.model)); }
static void stream_fails(int code) { CHECK(code && strstr(stream.get_last_error(&stream), text)); }
static void stream_schema(void) { stream_fails(stream.get_schema(&stream, &out.schema)); }
static void stream_next(void) { stream_fails(stream.get_next(&stream, &out.array)); }

/* Functions without a status set the message, or log a warning that the next call delivers. */
static char logged[1 << 14];
static void keep(int32_t level, const char *message, void *user_data) {
  if (level == GOVPN_LOG_WARNING && user_data == &out) snprintf(logged, sizeof logged, "%s", message);
}

static void warned(void) {
  OK(govpn_data_cancel_open());
  CHECK(strstr(logged, text));
  logged[0] = 0;
}

static void free_data(void) {
  govpn_data_free(set);
  CHECK(strstr(govpn_last_error(), text));
}

static void free_model(void) {
  govpn_model_free(model);
  CHECK(strstr(govpn_last_error(), text));
}

static void stream_release(void) {
  stream.release(&stream);
  warned();
}

static void release_lent(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data lent = 0;
  OK(govpn_data_alloc(lending, &s, &a, &lent));
  s.release(&s);
  a.release(&a);
  warned();
  govpn_data_free(lent);
}

enum { PLAIN, DATA, MODEL }; /* the kind of handle that a function uses */

static const struct {
  const char *export;
  void (*call)(void);
  int uses;
} exports[] = {
    {"goInit", init, PLAIN}, {"goBuildInfo", build_info, PLAIN}, {"goDevices", devices, PLAIN}, {"goSetLog", set_log, PLAIN},
    {"goDataImport", import, PLAIN}, {"goDataImportStream", import_stream, PLAIN}, {"goDataAlloc", alloc, PLAIN},
    {"goDataOpen", open_, PLAIN}, {"goDataCancelOpen", cancel_open, PLAIN}, {"goDataExportStream", export_stream, DATA},
    {"goDataSetLabels", set_labels, DATA}, {"goDataSetWeights", set_weights, DATA}, {"goDataSplit", split, DATA}, {"goDataInfo", info, DATA}, {"goDataFree", free_data, PLAIN},
    {"goModelCreate", create, PLAIN}, {"goEstimateMemory", estimate, PLAIN},
    {"goModelFit", fit, MODEL}, {"goModelTrainBatch", train_batch, MODEL},
    {"goModelShare", share, MODEL},
    {"goModelCancel", cancel, MODEL}, {"goModelSetLearningRate", set_rate, MODEL}, {"goModelPredict", predict, MODEL}, {"goModelNoise", noise, MODEL},
    {"goModelEvaluate", evaluate, MODEL}, {"goModelHistory", history, MODEL}, {"goModelConfig", config, PLAIN},
    {"goModelExportSafetensors", export_weights, MODEL}, {"goModelImportSafetensors", import_weights, MODEL},
    {"goModelSave", save, MODEL}, {"goModelLoad", load, PLAIN}, {"goModelToBytes", to_bytes, MODEL},
    {"goModelFromBytes", from_bytes, PLAIN}, {"goModelFree", free_model, PLAIN}, {"goStreamSchema", stream_schema, PLAIN},
    {"goStreamNext", stream_next, PLAIN}, {"goStreamRelease", stream_release, PLAIN},
};

/* Places behind the exported functions: graph code, goroutines, the writing of outputs, and
 * callbacks from C to Go. */
static const struct {
  const char *export, *where;
  void (*call)(void);
  int32_t want;
  int breaks; /* 1: the model is unusable afterwards */
} deeper[] = {
    {"goModelFit", "goModelFit,NewProgram", fit, GOVPN_E_INTERNAL, 1},
    {"goModelPredict", "goModelPredict,NewProgram", predict, GOVPN_E_INTERNAL, 1},
    {"goModelFit", "Batches).start.func1", fit_stream, GOVPN_E_INTERNAL, 1},
    {"goModelFit", "Batches).start.func2", fit_stream, GOVPN_E_INTERNAL, 1},
    {"goModelFit", "decoder).decode", fit_stream, GOVPN_E_INTERNAL, 1},
    {"goStreamNext", "Batches).start.func1", stream_next, GOVPN_E_INTERNAL, 0},
    {"goStreamNext", "Batches).start.func2", stream_next, GOVPN_E_INTERNAL, 0},
    {"goDataOpen", "decodeEach", open_, GOVPN_E_INTERNAL, 0}, {"goDataOpen", "decoder).decode", open_, GOVPN_E_INTERNAL, 0},
    {"goDataImport", "goDataImport,newDataset", import, GOVPN_E_INTERNAL, 0},
    {"goDataImportStream", "goStreamNext", import_stream, GOVPN_E_IO, 0},
    {"goDataAlloc", "handOutArray", alloc, GOVPN_E_INTERNAL, 0},
    {"goModelPredict", "handOutArray", predict, GOVPN_E_INTERNAL, 1},
    {"goModelHistory", "handOutArray", history, GOVPN_E_INTERNAL, 1},
    {"goStreamNext", "handOutArray", stream_next, GOVPN_E_INTERNAL, 0},
    {"goDataAlloc", "lender).Free", release_lent, GOVPN_E_INTERNAL, 0},
};

static int same_answer(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  OK(govpn_model_predict(bystander, known, NULL, &s, &a));
  uint8_t labels[sizeof answer];
  for (size_t i = 0; i < sizeof answer; i++) labels[i] = (uint8_t)((const int32_t *)a.buffers[1])[i];
  s.release(&s);
  a.release(&a);
  if (!answer[0] && !answer[1]) memcpy(answer, labels, sizeof answer);
  return !memcmp(answer, labels, sizeof answer);
}

static void set_up(void (*make)(struct ArrowSchema *, struct ArrowArray *, int64_t)) {
  govpn_data few = labelled(4);
  set = labelled(16);
  model = small_model();
  OK(govpn_model_train_batch(model, few, NULL, NULL));
  govpn_data_free(few);
  OK(govpn_data_open(streamed, &pictures));
  OK(govpn_data_export_stream(pictures, "{\"batch_size\": 1}", &stream));
  make(&given_schema, &given_array, 16);
}

/* Makes a call in which a panic is injected, checks what it left, and frees everything. */
static void inject(const char *where, const char *within, void (*call)(void), int32_t status, int breaks) {
  char armed[128];
  set_up(call == set_labels ? make_labels : call == set_weights ? make_weights : make_table);
  want = status;
  text = strchr(where, ':') ? "injected" : "nil pointer";
  snprintf(armed, sizeof armed, "%s%s", where, within);
  setenv("GOVPN_INJECT", armed, 1);
  call();
  unsetenv("GOVPN_INJECT");
  if (memcmp(&out, &before, sizeof out)) fprintf(stderr, "%s: outputs changed\n", armed), exit(1);
  CHECK(given_schema.release && given_array.release && same_answer());
  given_schema.release(&given_schema);
  given_array.release(&given_array);
  if (breaks) {
    want = GOVPN_E_INTERNAL;
    text = "unusable since an earlier failure";
    fit(), predict(), save(), history(), config();
  } else {
    OK(govpn_model_fit(model, set, 0, "{\"epochs\": 1}", NULL, NULL));
  }
  if (stream.release) stream.release(&stream);
  govpn_data_free(set);
  govpn_data_free(pictures);
  govpn_model_free(model);
  CHECK(alive == 1 && !memcmp(&out, &before, sizeof out));
}

/* Injects into the function of this name, or into all if it is NULL. Returns how many there are. */
static int inject_all(const char *only) {
  int found = 0;
  for (size_t i = 0; i < sizeof exports / sizeof *exports; i++) {
    char ordinary[64];
    if (only && strcmp(only, exports[i].export)) continue;
    snprintf(ordinary, sizeof ordinary, "error:%s", exports[i].export);
    inject(exports[i].export, "", exports[i].call, GOVPN_E_INTERNAL, 0);
    inject(ordinary, "", exports[i].call, GOVPN_E_ARG, 0);
    if (exports[i].uses == DATA) inject(exports[i].export, ",main.use[", exports[i].call, GOVPN_E_INTERNAL, 0);
    if (exports[i].uses == MODEL) {
      inject(exports[i].export, ",useModel", exports[i].call, GOVPN_E_INTERNAL, 1);
      inject(ordinary, ",useModel", exports[i].call, GOVPN_E_ARG, 0);
    }
    found++;
  }
  for (size_t i = 0; i < sizeof deeper / sizeof *deeper; i++)
    if (!only || !strcmp(only, deeper[i].export)) inject(deeper[i].where, "", deeper[i].call, deeper[i].want, deeper[i].breaks);
  return found;
}

static void make_pictures(void) {
  CHECK(mkdtemp(folder));
  snprintf(paths[0], sizeof paths[0], "%s/class", folder);
  CHECK(mkdir(paths[0], 0700) == 0);
  for (int i = 1; i < 3; i++) {
    snprintf(paths[i], sizeof paths[i], "%s/class/%d.bmp", folder, i);
    write_bmp(paths[i], 7, 54 + 3 * PIXELS);
  }
  const char *format = "{\"format\": \"image-folder\", \"path\": \"%s\", \"channels\": 1, \"stream\": %s}";
  snprintf(streamed, sizeof streamed, format, folder, "true");
  snprintf(decoded, sizeof decoded, format, folder, "false");
}

int main(int count, char **arguments) {
  memset(&before, 0x5a, sizeof before);
  memcpy(&out, &before, sizeof out);
  make_pictures();
  OK(govpn_set_log(keep, &out));
  known = labelled(16);
  bystander = small_model();
  OK(govpn_model_fit(bystander, known, 0, "{\"epochs\": 9}", NULL, NULL));
  CHECK(same_answer() && alive == 1);
  if (count == 1) inject_all(NULL);
  for (int i = 1; i < count; i++) CHECK(inject_all(arguments[i]));
  govpn_model_free(bystander);
  govpn_data_free(known);
  CHECK(alive == 0);
  for (int i = 2; i >= 0; i--) CHECK(remove(paths[i]) == 0);
  CHECK(rmdir(folder) == 0);
  puts("inject: ok");
  return 0;
}
