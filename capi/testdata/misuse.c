/* misuse.c: makes wrong calls. Each returns its own error, nothing crashes, and the objects in use
 * stay usable. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arrays.h"

static struct ArrowSchema s;
static struct ArrowArray a;
static struct ArrowArrayStream stream;
static char *json = (char *)&json; /* a value that a failed call must not change */
static govpn_data d = 42;
static govpn_model m = 43;

static int32_t no_sum(float *values, int64_t count, void *user_data) { return values && count && !user_data; }
/* Requires that all functions of a model refuse this handle. */
static void refuse_model(govpn_model h, govpn_data with, const char *text) {
  uint8_t *bytes = NULL;
  size_t size = 7;
  FAILS(GOVPN_E_HANDLE, text, govpn_model_fit(h, with, 0, NULL, NULL, NULL));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_train_batch(h, with, NULL, &json));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_cancel(h));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_set_learning_rate(h, 0.1));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_share(h, 0, 1, NULL, NULL));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_predict(h, with, NULL, &s, &a));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_noise(h, with, NULL, &s, &a));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_evaluate(h, with, NULL, &json));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_history(h, &s, &a));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_config(h, &json));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_export_safetensors(h, "/tmp/x", NULL));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_import_safetensors(h, "/tmp/x", NULL));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_save(h, "/tmp/x"));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_to_bytes(h, &bytes, &size));
  CHECK(size == 7 && json == (char *)&json);
}

static void refuse_data(govpn_data h, govpn_model with, const char *text) {
  struct ArrowSchema ls;
  struct ArrowArray la;
  govpn_data x = 42, y = 42;
  make_labels(&ls, &la, 4);
  FAILS(GOVPN_E_HANDLE, text, govpn_data_set_labels(h, &ls, &la, NULL));
  ls.release(&ls);
  la.release(&la);
  FAILS(GOVPN_E_HANDLE, text, govpn_data_set_weights(h, NULL, NULL, NULL));
  FAILS(GOVPN_E_HANDLE, text, govpn_data_split(h, "{\"first\": 1}", &x, &y));
  FAILS(GOVPN_E_HANDLE, text, govpn_data_info(h, &json));
  FAILS(GOVPN_E_HANDLE, text, govpn_data_export_stream(h, NULL, &stream));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_fit(with, h, 0, NULL, NULL, NULL));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_predict(with, h, NULL, &s, &a));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_noise(with, h, NULL, &s, &a));
  FAILS(GOVPN_E_HANDLE, text, govpn_model_evaluate(with, h, NULL, &json));
  CHECK(x == 42 && y == 42 && json == (char *)&json);
}

static void handles(void) {
  govpn_data set = labelled(8), gone = labelled(8);
  govpn_model model = small_model(), lost = small_model();
  govpn_data_free(gone);
  govpn_model_free(lost);
  refuse_model(0, set, "model is 0");
  refuse_model(1, set, "never given out");
  refuse_model(lost, set, "freed");
  refuse_model(set, set, "is a handle of a data set, want one of a model");
  refuse_data(0, model, "is 0");
  refuse_data(~(govpn_data)0, model, "never given out");
  refuse_data(gone, model, "freed");
  refuse_data(model, model, "is a handle of a model, want one of a data set");
  FAILS(GOVPN_E_HANDLE, "valid", govpn_model_fit(model, set, gone, NULL, NULL, NULL));
  govpn_data_free(gone); /* again */
  govpn_model_free(lost);
  govpn_data_free(model); /* of the other kind: nothing happens */
  govpn_model_free(set);
  OK(govpn_model_cancel(model));
  OK(govpn_model_fit(model, set, 0, "{\"epochs\": 1}", NULL, NULL));
  govpn_data_free(set);
  govpn_model_free(model);
  CHECK(alive == 0);
}

static void nulls(void) {
  govpn_model model = small_model();
  govpn_data set = labelled(8);
  uint8_t byte = 0, *bytes = NULL;
  FAILS(GOVPN_E_ARG, "json is NULL", govpn_build_info(NULL));
  FAILS(GOVPN_E_ARG, "json is NULL", govpn_devices(NULL));
  FAILS(GOVPN_E_ARG, "schema is NULL", govpn_data_import(NULL, &a, NULL, &d));
  FAILS(GOVPN_E_ARG, "array is NULL", govpn_data_import(&s, NULL, NULL, &d));
  FAILS(GOVPN_E_ARG, "out is NULL", govpn_data_import(&s, &a, NULL, NULL));
  FAILS(GOVPN_E_ARG, "out is NULL", govpn_data_alloc("{}", &s, &a, NULL));
  FAILS(GOVPN_E_ARG, "out is NULL", govpn_data_open("{}", NULL));
  FAILS(GOVPN_E_ARG, "array is NULL", govpn_data_set_labels(set, &s, NULL, NULL));
  FAILS(GOVPN_E_ARG, "array is NULL", govpn_data_set_weights(set, &s, NULL, NULL));
  FAILS(GOVPN_E_ARG, "schema is NULL", govpn_data_set_weights(set, NULL, &a, NULL));
  FAILS(GOVPN_E_ARG, "b is NULL", govpn_data_split(set, NULL, &d, NULL));
  FAILS(GOVPN_E_ARG, "same address", govpn_data_split(set, NULL, &d, &d));
  FAILS(GOVPN_E_ARG, "json is NULL", govpn_data_info(set, NULL));
  FAILS(GOVPN_E_ARG, "out is NULL", govpn_data_export_stream(set, NULL, NULL));
  FAILS(GOVPN_E_ARG, "out is NULL", govpn_model_create(NULL, NULL));
  FAILS(GOVPN_E_ARG, "schema is NULL", govpn_model_predict(model, set, NULL, NULL, &a));
  FAILS(GOVPN_E_ARG, "array is NULL", govpn_model_noise(model, set, NULL, &s, NULL));
  FAILS(GOVPN_E_ARG, "json_out is NULL", govpn_model_evaluate(model, set, NULL, NULL));
  FAILS(GOVPN_E_ARG, "schema is NULL", govpn_model_history(model, NULL, &a));
  FAILS(GOVPN_E_ARG, "json is NULL", govpn_model_config(model, NULL));
  FAILS(GOVPN_E_ARG, "path is NULL", govpn_model_save(model, NULL));
  FAILS(GOVPN_E_ARG, "path is NULL", govpn_model_export_safetensors(model, NULL, NULL));
  FAILS(GOVPN_E_ARG, "path is NULL", govpn_model_import_safetensors(model, NULL, NULL));
  FAILS(GOVPN_E_ARG, "path is NULL", govpn_model_load(NULL, NULL, &m));
  FAILS(GOVPN_E_ARG, "size is NULL", govpn_model_to_bytes(model, &bytes, NULL));
  FAILS(GOVPN_E_ARG, "bytes is NULL", govpn_model_from_bytes(NULL, 10, NULL, &m));
  FAILS(GOVPN_E_ARG, "size", govpn_model_from_bytes(&byte, (size_t)-1, NULL, &m));
  govpn_model_free(model);
  govpn_data_free(set);
}

static void options(void) {
  govpn_model model = small_model();
  govpn_data set = labelled(8);
  FAILS(GOVPN_E_ARG, "unknown key \"pluginpaths\", want plugin_paths, threads, log_level", govpn_init("{\"pluginpaths\": []}"));
  FAILS(GOVPN_E_ARG, "log_level is \"loud\"", govpn_init("{\"log_level\": \"loud\"}"));
  FAILS(GOVPN_E_ARG, "threads is -1", govpn_init("{\"threads\": -1}"));
  FAILS(GOVPN_E_ARG, "log_level is \"\", want debug", govpn_init("{\"log_level\": \"\"}"));
  FAILS(GOVPN_E_ARG, "sa_onstack is of type number, want true or false", govpn_init("{\"sa_onstack\": 1}"));
  FAILS(GOVPN_E_ARG, "not JSON", govpn_init("threads"));
  FAILS(GOVPN_E_ARG, "want an object", govpn_init("[]"));
  FAILS(GOVPN_E_ARG, "text after", govpn_init("{} {}"));
  FAILS(GOVPN_E_ARG, "not UTF-8", govpn_init("{\"threads\": \xff}"));
  FAILS(GOVPN_E_ARG, "Base is \"resnet\"", govpn_model_create("{\"base\": \"resnet\"}", &m));
  FAILS(GOVPN_E_ARG, "\"device\" twice", govpn_model_create("{\"device\": \"go\", \"device\": \"cpu\"}", &m));
  FAILS(GOVPN_E_ARG, "depth", govpn_model_create("{\"depth\": 3}", &m));
  FAILS(GOVPN_E_ARG, "device is \"tpu\"", govpn_model_create("{\"device\": \"tpu\"}", &m));
  FAILS(GOVPN_E_ARG, "device is 3", govpn_model_create("{\"device\": 3}", &m));
  FAILS(GOVPN_E_ARG, "not JSON", govpn_model_create("{\"device\": \"go\"", &m));
  FAILS(GOVPN_E_ARG, "unknown key \"epoch\", want epochs", govpn_model_fit(model, set, 0, "{\"epoch\": 1}", NULL, NULL));
  FAILS(GOVPN_E_ARG, "Epochs is 2147483648", govpn_model_fit(model, set, 0, "{\"epochs\": 2147483648}", NULL, NULL));
  /* A NUL does not end the path. */
  FAILS(GOVPN_E_IO, "a\xef\xbf\xbd" "b", govpn_data_open("{\"format\": \"image-folder\", \"path\": \"a\\u0000b\"}", &d));
  FAILS(GOVPN_E_ARG, "want none", govpn_model_train_batch(model, set, "{\"epochs\": 1}", NULL));
  FAILS(GOVPN_E_ARG, "want none", govpn_data_set_weights(set, NULL, NULL, "{\"mean\": 1}"));
  FAILS(GOVPN_E_ARG, "Rank 2 of 2 Workers, want Rank from 0", govpn_model_share(model, 2, 2, no_sum, NULL));
  OK(govpn_model_share(model, 0, 1, no_sum, NULL));
  FAILS(GOVPN_E_CANCELLED, "the sum over all workers was stopped", govpn_model_train_batch(model, set, NULL, NULL));
  OK(govpn_model_share(model, 0, 1, NULL, NULL));
  FAILS(GOVPN_E_ARG, "LearningRate is 0, want a finite number > 0", govpn_model_set_learning_rate(model, 0));
  FAILS(GOVPN_E_ARG, "LearningRate is -1", govpn_model_set_learning_rate(model, -1));
  FAILS(GOVPN_E_ARG, "LearningRate is NaN", govpn_model_set_learning_rate(model, NAN));
  FAILS(GOVPN_E_ARG, "LearningRate is +Inf", govpn_model_set_learning_rate(model, INFINITY));
  FAILS(GOVPN_E_ARG, "format is \"png\"", govpn_data_open("{\"format\": \"png\"}", &d));
  FAILS(GOVPN_E_ARG, "want format, path, split,", govpn_data_open("{\"formt\": \"idx\"}", &d));
  FAILS(GOVPN_E_ARG, "center_crop, random_resized_crop {size, scale, ratio}, channels", govpn_data_open("{\"crop\": 3}", &d));
  FAILS(GOVPN_E_ARG, "center_crop is [0]", govpn_data_open("{\"format\": \"image-folder\", \"center_crop\": [0]}", &d));
  FAILS(GOVPN_E_ARG, "batch_size is -1", govpn_data_export_stream(set, "{\"batch_size\": -1}", &stream));
  FAILS(GOVPN_E_ARG, "epoch is -2", govpn_data_export_stream(set, "{\"epoch\": -2}", &stream));
  FAILS(GOVPN_E_ARG, "\"pixels\", want image, label", govpn_data_export_stream(set, "{\"columns\": [\"pixels\"]}", &stream));
  FAILS(GOVPN_E_ARG, "twice", govpn_data_export_stream(set, "{\"columns\": [\"label\", \"label\"]}", &stream));
  CHECK(!stream.release);
  FAILS(GOVPN_E_ARG, "shape is []", govpn_data_alloc(NULL, &s, &a, &d));
  FAILS(GOVPN_E_ARG, "shape is", govpn_data_alloc("{\"shape\": [1, 8, 0, 1], \"dtype\": \"uint8\"}", &s, &a, &d));
  FAILS(GOVPN_E_ARG, "shape is", govpn_data_alloc("{\"shape\": [4, 1000000, 1000000, 9], \"dtype\": \"uint8\"}", &s, &a, &d));
  FAILS(GOVPN_E_ARG, "shape is",
        govpn_data_alloc("{\"shape\": [9223372036854775807, 9, 9, 9], \"dtype\": \"uint8\"}", &s, &a, &d));
  FAILS(GOVPN_E_MEMORY, "bytes", govpn_data_alloc("{\"shape\": [99999999999, 9, 9, 9], \"dtype\": \"uint8\"}", &s, &a, &d));
  FAILS(GOVPN_E_ARG, "dtype is \"int8\"", govpn_data_alloc("{\"shape\": [1, 8, 8, 1], \"dtype\": \"int8\"}", &s, &a, &d));
  FAILS(GOVPN_E_ARG, "", govpn_data_split(set, "{\"first\": 9}", &d, &d));
  FAILS(GOVPN_E_ARG, "weights", govpn_model_predict(model, set, NULL, &s, &a)); /* untrained */
  OK(govpn_model_fit(model, set, 0, "{\"epochs\": 1}", NULL, NULL));
  FAILS(GOVPN_E_ARG, "Part is \"head\"", govpn_model_export_safetensors(model, "/tmp/x", "{\"part\": \"head\"}"));
  FAILS(GOVPN_E_ARG, "want replace_head", govpn_model_import_safetensors(model, "/tmp/x", "{\"head\": true}"));
  FAILS(GOVPN_E_ARG, "Output", govpn_model_predict(model, set, "{\"output\": \"text\"}", &s, &a));
  FAILS(GOVPN_E_ARG, "Samples", govpn_model_predict(model, set, "{\"noise\": \"classwise\", \"samples\": -1}", &s, &a));
  FAILS(GOVPN_E_ARG, "Samples is 9223372036854775807, want 1 to 1000000", govpn_model_predict(model, set, "{\"noise\": \"classwise\", \"samples\": 9223372036854775807}", &s, &a));
  FAILS(GOVPN_E_ARG, "Std is missing", govpn_model_predict(model, set, "{\"noise\": \"gaussian\"}", &s, &a));
  FAILS(GOVPN_E_ARG, "std is of type string, want a number", govpn_model_predict(model, set, "{\"std\": \"1\"}", &s, &a));
  FAILS(GOVPN_E_ARG, "Std is 1 with Noise none", govpn_model_evaluate(model, set, "{\"std\": 1}", &json));
  CHECK(m == 43 && d == 42);
  govpn_model_free(model);
  govpn_data_free(set);
}

static void files(void) {
  govpn_model model = small_model();
  static uint8_t foreign[64] = "not a model at all";
  uint8_t *bytes = NULL;
  size_t size = 0;
  FAILS(GOVPN_E_IO, "/nowhere/model", govpn_model_load("/nowhere/model", NULL, &m));
  FAILS(GOVPN_E_IO, "/nowhere/x", govpn_model_import_safetensors(model, "/nowhere/x", NULL));
  FAILS(GOVPN_E_IO, "/nowhere", govpn_data_open("{\"format\": \"fashion-mnist\", \"path\": \"/nowhere\", \"split\": \"test\"}", &d));
  FAILS(GOVPN_E_FORMAT, "", govpn_model_from_bytes(foreign, 0, NULL, &m));
  FAILS(GOVPN_E_FORMAT, "", govpn_model_from_bytes(foreign, sizeof foreign, NULL, &m));
  govpn_data set = labelled(8);
  OK(govpn_model_fit(model, set, 0, "{\"epochs\": 1}", NULL, NULL));
  FAILS(GOVPN_E_IO, "/nowhere/model", govpn_model_save(model, "/nowhere/model"));
  OK(govpn_model_to_bytes(model, &bytes, &size));
  FAILS(GOVPN_E_FORMAT, "", govpn_model_from_bytes(bytes, size - 1, NULL, &m));
  FAILS(GOVPN_E_FORMAT, "", govpn_model_from_bytes(bytes, 100, NULL, &m));
  bytes[size / 2] ^= 1;
  FAILS(GOVPN_E_FORMAT, "", govpn_model_from_bytes(bytes, size, NULL, &m));
  bytes[size / 2] ^= 1;
  FAILS(GOVPN_E_ARG, "tpu", govpn_model_from_bytes(bytes, size, "{\"device\": \"tpu\"}", &m));
  govpn_free(bytes);
  CHECK(m == 43);
  govpn_model_free(model);
  govpn_data_free(set);
}

/* Images that are broken, or of a wrong size, are errors that name the file, when it is read. */
static void images(void) {
  char folder[] = "/tmp/govpn-misuse-XXXXXX", paths[3][64], options[256];
  CHECK(mkdtemp(folder));
  snprintf(paths[0], sizeof paths[0], "%s/class", folder);
  CHECK(mkdir(paths[0], 0700) == 0);
  snprintf(paths[1], sizeof paths[1], "%s/class/1.bmp", folder);
  snprintf(paths[2], sizeof paths[2], "%s/class/2.bmp", folder);
  write_bmp(paths[1], 7, 54 + 3 * PIXELS);
  write_bmp(paths[2], 7, 54 + 3);
  const char *format = "{\"format\": \"image-folder\", \"path\": \"%s\", \"stream\": %s, \"skip_broken\": %s}";
  snprintf(options, sizeof options, format, folder, "false", "false");
  FAILS(GOVPN_E_FORMAT, "class/2.bmp", govpn_data_open(options, &d));
  snprintf(options, sizeof options, format, folder, "true", "false");
  govpn_data set = 0;
  OK(govpn_data_open(options, &set));
  OK(govpn_data_export_stream(set, "{\"batch_size\": 1}", &stream));
  CHECK(stream.get_next(&stream, &a) == 0 && a.length == 1);
  a.release(&a);
  for (int i = 0; i < 2; i++) /* the error stays */
    CHECK(stream.get_next(&stream, &a) == EINVAL && strstr(stream.get_last_error(&stream), "class/2.bmp"));
  stream.release(&stream);
  govpn_model model = 0;
  OK(govpn_model_create("{\"device\": \"go\", \"base\": \"sr\", \"mode\": \"plain\"}", &model));
  FAILS(GOVPN_E_FORMAT, "class/2.bmp", govpn_model_fit(model, set, 0, NULL, NULL, NULL));
  govpn_data_free(set);
  snprintf(options, sizeof options, format, folder, "true", "true");
  OK(govpn_data_open(options, &set));
  OK(govpn_data_info(set, &json));
  CHECK(strstr(json, "\"images\":1,") && strstr(json, "class/2.bmp"));
  govpn_free(json);
  json = (char *)&json;
  OK(govpn_model_fit(model, set, 0, "{\"epochs\": 1}", NULL, NULL));
  govpn_model_free(model);
  govpn_data_free(set);
  for (int i = 2; i >= 0; i--) CHECK(remove(paths[i]) == 0);
  CHECK(rmdir(folder) == 0);
}

/* After a fork, calls of the child return errors and do not hang. The child may release what it
 * inherited. */
static void fork_(void) {
  struct ArrowSchema ps;
  struct ArrowArray pa;
  govpn_data set = 0;
  OK(govpn_data_alloc("{\"shape\": [4, 8, 8, 1], \"dtype\": \"float32\", \"device\": \"go\"}", &ps, &pa, &set));
  CHECK(govpn_data_export_stream(set, NULL, &stream) == GOVPN_OK);
  govpn_model model = small_model();
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(20); /* ends a child that hangs */
    FAILS(GOVPN_E_FORKED, "fork", govpn_data_info(set, &json));
    FAILS(GOVPN_E_FORKED, "fork", govpn_init(NULL));
    FAILS(GOVPN_E_FORKED, "fork", govpn_model_fit(model, set, 0, NULL, NULL, NULL));
    CHECK(govpn_abi_version() == GOVPN_ABI_VERSION && govpn_version()[0]);
    CHECK(stream.get_schema(&stream, &s) && stream.get_next(&stream, &a) && strstr(stream.get_last_error(&stream), "fork"));
    stream.release(&stream);
    CHECK(!stream.release);
    govpn_data_free(set);
    govpn_model_free(model);
    govpn_free(NULL);
    struct ArrowArray moved = *pa.children[0];
    pa.children[0]->release = NULL;
    moved.release(&moved);
    ps.release(&ps);
    pa.release(&pa);
    CHECK(!ps.release && !pa.release);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OK(govpn_data_info(set, &json));
  govpn_free(json);
  CHECK(stream.get_next(&stream, &a) == 0 && a.length == 4);
  a.release(&a);
  stream.release(&stream);
  ps.release(&ps);
  pa.release(&pa);
  govpn_data_free(set);
  govpn_model_free(model);
}

int main(void) {
  handles();
  nulls();
  options();
  files();
  images();
  fork_();
  CHECK(alive == 0);
  puts("misuse: ok");
  return 0;
}
