/* usage.c: calls every function of govpn.h in the way it is meant to be called. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arrays.h"

static char folder[] = "/tmp/govpn-usage-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void has(char *json, const char *text) {
  if (!strstr(json, text)) {
    fprintf(stderr, "%s\nis without %s\n", json, text);
    exit(1);
  }
  govpn_free(json);
}

static int logged;
static void on_log(int32_t level, const char *message, void *user_data) {
  CHECK(level >= GOVPN_LOG_INFO && user_data == &folder);
  logged += strstr(message, "device auto is ") != NULL;
}

static void library(void) {
  char *json = NULL;
  CHECK(govpn_abi_version() == GOVPN_ABI_VERSION);
  CHECK(strchr(govpn_version(), '.'));
  CHECK(!strcmp(govpn_status_name(GOVPN_E_BUSY), "GOVPN_E_BUSY") && !strcmp(govpn_status_name(99), "GOVPN_E_?"));
  CHECK(!strcmp(govpn_last_error(), ""));
  OK(govpn_init(NULL));
  OK(govpn_init("{\"threads\": 2, \"log_level\": \"info\"}"));
  OK(govpn_set_log(on_log, &folder));
  OK(govpn_build_info(&json));
  has(json, "\"abi_version\":1");
  CHECK(logged == 1);
  OK(govpn_devices(&json));
  has(json, "\"device\":\"go\"");
  govpn_free(NULL);
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  struct ArrowArray unused;
  (void)stream;
  make_table(out, &unused, 1);
  unused.release(&unused);
  return 0;
}

static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  struct ArrowSchema unused;
  int *left = stream->private_data;
  memset(out, 0, sizeof *out);
  if ((*left)-- <= 0) return 0;
  make_table(&unused, out, 20);
  unused.release(&unused);
  return 0;
}

static void stream_release(struct ArrowArrayStream *stream) { stream->release = NULL; }

static void import(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = 0, first = 0, second = 0;
  char *json = NULL;
  make_images(&s, &a, 40, 1);
  OK(govpn_data_import(&s, &a, shape, &d));
  CHECK(!s.release && !a.release && alive == 1); /* the array lives as long as the data set */
  make_labels(&s, &a, 40);
  OK(govpn_data_set_labels(d, &s, &a, "{\"class_names\": [\"a\", \"b\", \"c\", \"d\"]}"));
  CHECK(!s.release && !a.release && alive == 1);
  OK(govpn_data_info(d, &json));
  has(json, "\"images\":40,\"height\":8,\"width\":8,\"channels\":1,\"dtype\":\"float32\",\"labelled\":true,\"classes\":4");
  OK(govpn_data_split(d, "{\"first\": 30, \"seed\": 1}", &first, &second));
  OK(govpn_data_info(first, &json));
  has(json, "\"images\":30,");
  govpn_data_free(d);
  govpn_data_free(first);
  CHECK(alive == 1);
  govpn_data_free(second);
  CHECK(alive == 0);
  govpn_data_free(0);

  int batches = 3;
  struct ArrowArrayStream stream = {stream_schema, stream_next, NULL, stream_release, &batches};
  OK(govpn_data_import_stream(&stream, shape, &d));
  CHECK(!stream.release);
  OK(govpn_data_info(d, &json));
  has(json, "\"images\":60,");
  govpn_data_free(d);
  CHECK(alive == 0);
}

static void write_idx(const char *path, const uint8_t *header, size_t header_size, int labels) {
  FILE *f = fopen(path, "wb");
  CHECK(f && fwrite(header, 1, header_size, f) == header_size);
  for (int64_t i = 0; i < 3; i++)
    for (int64_t p = 0; p < (labels ? 1 : PIXELS); p++) fputc(labels ? (int)i : pixel(i, p), f);
  fclose(f);
}

static void open_files(void) {
  static const uint8_t images[16] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 8}, labels[8] = {0, 0, 8, 1, 0, 0, 0, 3};
  char options[512];
  char *json = NULL;
  govpn_data d = 0;
  write_idx(in_folder("images"), images, sizeof images, 0);
  write_idx(in_folder("labels"), labels, sizeof labels, 1);
  snprintf(options, sizeof options, "{\"format\": \"idx\", \"images\": \"%s/images\", \"labels\": \"%s/labels\"}", folder, folder);
  OK(govpn_data_cancel_open()); /* nothing runs */
  OK(govpn_data_open(options, &d));
  OK(govpn_data_info(d, &json));
  has(json, "\"images\":3,");

  struct ArrowArrayStream stream;
  struct ArrowArray a;
  OK(govpn_data_export_stream(d, "{}", &stream));
  govpn_data_free(d);
  CHECK(stream.get_next(&stream, &a) == 0 && a.length == 3 && ((const int32_t *)a.children[1]->buffers[1])[2] == 2);
  stream.release(&stream);
  /* The data set is freed: the host may write to the memory. */
  ((uint8_t *)(uintptr_t)a.children[0]->children[0]->buffers[1])[3 * PIXELS - 1] = 255;
  a.release(&a);
}

/* Streams a folder of images. The pixels of class k have the value 60 k. */
static void open_folder(void) {
  char options[256], path[256];
  char *json = NULL;
  govpn_data d = 0;
  for (int i = 0; i < 40; i++) {
    snprintf(path, sizeof path, "%s/class%d", folder, i % CLASSES);
    if (i < CLASSES) CHECK(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/class%d/%02d.bmp", folder, i % CLASSES, i);
    write_bmp(path, 60 * (i % CLASSES), 54 + 3 * PIXELS);
  }
  snprintf(options, sizeof options,
           "{\"format\": \"image-folder\", \"path\": \"%s\", \"center_crop\": [6], \"channels\": 1, \"stream\": true}", folder);
  OK(govpn_data_open(options, &d));
  OK(govpn_data_info(d, &json));
  has(json, "\"images\":40,\"height\":6,\"width\":6,\"channels\":1,\"dtype\":\"uint8\",\"labelled\":true,\"classes\":4");

  struct ArrowArrayStream stream;
  struct ArrowArray arrays[4]; /* all kept: the queue does not wait for them */
  OK(govpn_data_export_stream(d, "{\"batch_size\": 10, \"shuffle\": true}", &stream));
  for (int k = 0; k < 4; k++) CHECK(stream.get_next(&stream, &arrays[k]) == 0 && arrays[k].length == 10);
  stream.release(&stream);
  OK(govpn_data_info(d, &json));
  has(json, "\"streamed\":true,\"memory_bytes\":1440,\"skipped\":[]");
  govpn_data_free(d);
  for (int k = 0; k < 4; k++) {
    const uint8_t *pixels = arrays[k].children[0]->children[0]->buffers[1];
    for (int i = 0; i < 10 * 36; i++) CHECK(pixels[i] == 60 * ((const int32_t *)arrays[k].children[1]->buffers[1])[i / 36]);
    arrays[k].release(&arrays[k]);
  }
  for (int i = 0; i < 40; i++) {
    snprintf(path, sizeof path, "%s/class%d/%02d.bmp", folder, i % CLASSES, i);
    CHECK(unlink(path) == 0);
    snprintf(path, sizeof path, "%s/class%d", folder, i % CLASSES);
    if (i >= 40 - CLASSES) CHECK(rmdir(path) == 0);
  }
}

static void *read_stream(void *stream) {
  struct ArrowArray a;
  CHECK(((struct ArrowArrayStream *)stream)->get_next(stream, &a) == 0 && a.length == 16);
  a.release(&a);
  return NULL;
}

/* Exports a data set as a stream: as one array without a copy, which outlives the handle; or in
 * batches, in any order. */
static void export_(void) {
  struct ArrowArrayStream stream;
  struct ArrowSchema s;
  struct ArrowArray a, b;
  govpn_data d = labelled(40);
  OK(govpn_data_export_stream(d, NULL, &stream));
  CHECK(stream.get_schema(&stream, &s) == 0 && !strcmp(s.format, "+s") && s.n_children == 2);
  CHECK(!strcmp(s.children[0]->name, "image") && !strcmp(s.children[0]->format, "+w:64") && s.children[0]->metadata);
  CHECK(!strcmp(s.children[1]->name, "label") && !strcmp(s.children[1]->format, "i"));
  s.release(&s);
  CHECK(stream.get_next(&stream, &a) == 0 && a.length == 40);
  CHECK(stream.get_next(&stream, &b) == 0 && !b.release && !stream.get_last_error(&stream));
  stream.release(&stream);
  CHECK(!stream.release);

  OK(govpn_data_export_stream(d, "{\"columns\": [\"image\"]}", &stream));
  CHECK(stream.get_next(&stream, &b) == 0 && b.n_children == 1);
  /* Both arrays share the memory of the data set. */
  CHECK(b.children[0]->children[0]->buffers[1] == a.children[0]->children[0]->buffers[1]);
  b.release(&b);
  stream.release(&stream);

  OK(govpn_data_export_stream(d, "{\"batch_size\": 16, \"shuffle\": true, \"seed\": 3, \"epoch\": 1}", &stream));
  govpn_data_free(d);
  CHECK(alive == 1);
  pthread_t other;
  CHECK(pthread_create(&other, NULL, read_stream, &stream) == 0 && pthread_join(other, NULL) == 0);
  CHECK(stream.get_next(&stream, &b) == 0 && b.length == 16);
  const uint8_t *pixels = b.children[0]->children[0]->buffers[1];
  const int32_t *labels = b.children[1]->buffers[1];
  int in_order = 0;
  for (int i = 0; i < 16; i++) {
    int k = labels[i]; /* tells where the bright square is */
    CHECK(pixels[64 * i + 32 * (k / 2) + 4 * (k % 2)] >= 150 && pixels[64 * i + 32 * (1 - k / 2) + 4 * (k % 2)] < 150);
    in_order += k == i % CLASSES;
  }
  CHECK(in_order < 16);
  stream.release(&stream); /* before its end */
  b.release(&b);
  CHECK(alive == 1);
  a.release(&a);
  CHECK(alive == 0);
}

/* Writes to lent memory, which the model then reads. The memory outlives the data set. */
static void lend(govpn_model m) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = 0;
  char *json = NULL, options[128];
  snprintf(options, sizeof options, "{\"shape\": [16, 8, 8, 1], \"dtype\": \"uint8\", \"device\": \"%s\"}", device());
  OK(govpn_data_alloc(options, &s, &a, &d));
  CHECK(!strcmp(s.format, "+w:64") && !strcmp(s.children[0]->format, "C") && a.length == 16 && a.children[0]->length == 16 * PIXELS);
  uint8_t *memory = (uint8_t *)(uintptr_t)a.children[0]->buffers[1];
  CHECK(memory[0] == 0 && memory[16 * PIXELS - 1] == 0);
  for (int64_t i = 0; i < 16 * PIXELS; i++) memory[i] = (uint8_t)pixel(i / PIXELS, i % PIXELS);

  struct ArrowSchema ps;
  struct ArrowArray pa;
  OK(govpn_model_predict(m, d, NULL, &ps, &pa));
  int right = 0;
  for (int i = 0; i < 16; i++) right += ((const int32_t *)pa.buffers[1])[i] == i % CLASSES;
  CHECK(right >= 15);
  ps.release(&ps);
  pa.release(&pa);

  OK(govpn_data_info(d, &json));
  has(json, "\"bytes_copied\":0");
  govpn_data_free(d);
  for (int64_t i = 0; i < 16 * PIXELS; i++) memory[i] = (uint8_t)i;
  CHECK(memory[255] == 255);
  s.release(&s);
  a.release(&a);
  CHECK(!s.release && !a.release);
}

typedef struct {
  pthread_t thread;
  int calls, epochs;
} watcher;

static int32_t watch(const govpn_progress *p, void *user_data) {
  watcher *w = user_data;
  CHECK(p->struct_size == sizeof *p && pthread_equal(w->thread, pthread_self()));
  CHECK(p->phase >= GOVPN_PHASE_COMPILING && p->phase <= GOVPN_PHASE_EPOCH && p->epoch <= p->epochs && p->step <= p->steps);
  w->calls++;
  if (p->phase == GOVPN_PHASE_EPOCH) w->epochs++;
  return 0;
}

static void train(govpn_model m, govpn_data d, govpn_data valid) {
  watcher w = {pthread_self(), 0, 0};
  char *json = NULL;
  OK(govpn_model_fit(m, d, valid, "{\"epochs\": 12}", watch, &w));
  CHECK(w.epochs == 12 && w.calls > 12);
  OK(govpn_model_train_batch(m, valid, NULL, &json));
  has(json, "\"loss\":");
  OK(govpn_model_train_batch(m, valid, "{}", NULL));
  OK(govpn_model_cancel(m));

  struct ArrowSchema s;
  struct ArrowArray a;
  OK(govpn_model_history(m, &s, &a));
  CHECK(!strcmp(s.format, "+s") && s.n_children == 12 && !strcmp(s.children[0]->name, "epoch") && a.length == 12);
  CHECK(((const int32_t *)a.children[0]->buffers[1])[11] == 12);
  CHECK(((const double *)a.children[4]->buffers[1])[11] > 0.9); /* val_accuracy */
  CHECK(((const double *)a.children[11]->buffers[1])[0] == 0.01); /* learning_rate */
  s.release(&s);
  a.release(&a);
}

/* Sets soft labels. Training learns them, so that its loss stays above their entropy, 0.94 nats.
 * Everything else uses the class with the largest probability. */
static void train_soft(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = labelled(256), part = 0, rest = 0;
  govpn_model m = small_model();
  char *json = NULL;
  make_soft_labels(&s, &a, 256);
  OK(govpn_data_set_labels(d, &s, &a, NULL));
  CHECK(!s.release && !a.release && alive == 1);
  OK(govpn_data_split(d, "{\"first\": 192}", &part, &rest));
  OK(govpn_data_info(rest, &json));
  has(json, "\"classes\":4,");
  OK(govpn_data_info(rest, &json));
  has(json, "\"soft_labels\":true");
  OK(govpn_model_fit(m, part, rest, "{\"epochs\": 20}", NULL, NULL));
  OK(govpn_model_train_batch(m, rest, NULL, &json));
  double loss = strtod(strstr(json, "\"loss\":") + 7, NULL);
  CHECK(loss > 0.9 && loss < 1.2);
  govpn_free(json);
  OK(govpn_model_evaluate(m, rest, NULL, &json));
  CHECK(strtod(strstr(json, "\"accuracy\":") + 11, NULL) > 0.9);
  govpn_free(json);
  govpn_model_free(m);
  govpn_data_free(d);
  govpn_data_free(part);
  govpn_data_free(rest);
  CHECK(alive == 0);
}

/* Two threads with a model each are two workers. Each adds its values and waits for the other's. */

typedef struct {
  pthread_barrier_t barrier;
  float *values[2];
} meeting;

typedef struct {
  meeting *with;
  govpn_data data;
  govpn_model model;
  int rank;
} worker;

static int32_t add_up(float *values, int64_t count, void *user_data) {
  worker *w = user_data;
  w->with->values[w->rank] = values;
  pthread_barrier_wait(&w->with->barrier);
  float *total = malloc(sizeof(float) * (size_t)count);
  for (int64_t i = 0; i < count; i++) total[i] = w->with->values[0][i] + w->with->values[1][i];
  pthread_barrier_wait(&w->with->barrier);
  memcpy(values, total, sizeof(float) * (size_t)count);
  free(total);
  return 0;
}

static void *work(void *argument) {
  worker *w = argument;
  OK(govpn_model_share(w->model, w->rank, 2, add_up, w));
  OK(govpn_model_fit(w->model, w->data, 0, "{\"epochs\": 3}", NULL, NULL));
  OK(govpn_model_share(w->model, 0, 1, NULL, NULL));
  return NULL;
}

/* Returns the mean loss of the last epoch. */
static double last_loss(govpn_model m) {
  struct ArrowSchema s;
  struct ArrowArray a;
  OK(govpn_model_history(m, &s, &a));
  double loss = ((const double *)a.children[1]->buffers[1])[a.length - 1];
  s.release(&s);
  a.release(&a);
  return loss;
}

static void fit_shared(void) {
  meeting with;
  worker w[2];
  pthread_t threads[2];
  govpn_data d = labelled(256);
  CHECK(!pthread_barrier_init(&with.barrier, NULL, 2));
  for (int i = 0; i < 2; i++) {
    w[i] = (worker){&with, d, small_model(), i};
    CHECK(!pthread_create(&threads[i], NULL, work, &w[i]));
  }
  for (int i = 0; i < 2; i++) CHECK(!pthread_join(threads[i], NULL));
  govpn_model alone = small_model();
  OK(govpn_model_fit(alone, d, 0, "{\"epochs\": 3}", NULL, NULL));
  double difference = last_loss(w[0].model) - last_loss(alone);
  CHECK(last_loss(w[0].model) == last_loss(w[1].model) && difference < 1e-4 && difference > -1e-4);
  for (int i = 0; i < 2; i++) govpn_model_free(w[i].model);
  govpn_model_free(alone);
  govpn_data_free(d);
  pthread_barrier_destroy(&with.barrier);
  CHECK(alive == 0);
}

/* Sets a learning rate that falls with the epochs. */
static int32_t slower(const govpn_progress *p, void *user_data) {
  if (p->phase == GOVPN_PHASE_EPOCH) OK(govpn_model_set_learning_rate(*(govpn_model *)user_data, 0.05 / (p->epoch + 1)));
  return 0;
}

/* Images of class 0 have wrong labels and weight 0: training ignores them, with a learning rate
 * that falls. */
static void train_weighted(void) {
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_data d = labelled(256), clean = labelled(64);
  govpn_model m = small_model();
  char *json = NULL;
  make_labels(&s, &a, 256);
  for (int i = 0; i < 256; i += 8) ((int16_t *)(uintptr_t)a.buffers[1])[i] = 3;
  OK(govpn_data_set_labels(d, &s, &a, NULL));
  make_weights(&s, &a, 256);
  for (int i = 0; i < 256; i += 8) ((float *)(uintptr_t)a.buffers[1])[i] = 0;
  OK(govpn_data_set_weights(d, &s, &a, NULL));
  CHECK(!s.release && !a.release && alive == 2);
  OK(govpn_data_info(d, &json));
  has(json, "\"weighted\":true");
  OK(govpn_model_fit(m, d, 0, "{\"epochs\": 20}", slower, &m));
  OK(govpn_model_evaluate(m, clean, NULL, &json));
  CHECK(strtod(strstr(json, "\"accuracy\":") + 11, NULL) > 0.95);
  govpn_free(json);
  OK(govpn_model_config(m, &json));
  has(json, "\"learning_rate\":0.002380952380952381"); /* 0.05 / 21 */
  OK(govpn_model_history(m, &s, &a));
  const double *rate = a.children[11]->buffers[1];
  /* The second rate is multiplied by the cosine schedule's (1 + cos(pi/20))/2. */
  CHECK(rate[0] == 0.01 && rate[1] < 0.025 && rate[1] > 0.0245);
  s.release(&s);
  a.release(&a);
  OK(govpn_model_train_batch(m, d, NULL, &json));
  has(json, "\"learning_rate\":");
  OK(govpn_data_set_weights(d, NULL, NULL, NULL));
  OK(govpn_data_info(d, &json));
  has(json, "\"weighted\":false");
  govpn_model_free(m);
  govpn_data_free(d);
  govpn_data_free(clean);
  CHECK(alive == 0);
}

static void infer(govpn_model m, govpn_data d) {
  struct ArrowSchema s;
  struct ArrowArray a;
  char *json = NULL;
  OK(govpn_model_predict(m, d, "{\"noise\": \"classwise\", \"samples\": 2, \"output\": \"proba\"}", &s, &a));
  CHECK(!strcmp(s.format, "+w:4") && s.metadata && a.length == 32);
  const float *p = a.children[0]->buffers[1];
  for (int i = 0; i < 32; i++) CHECK(fabsf(p[4 * i] + p[4 * i + 1] + p[4 * i + 2] + p[4 * i + 3] - 1) < 1e-4f);
  s.release(&s);
  /* A consumer may move a child out and release its parent. */
  struct ArrowArray moved = *a.children[0];
  a.children[0]->release = NULL;
  a.release(&a);
  CHECK(((const float *)moved.buffers[1])[0] <= 1);
  moved.release(&moved);

  OK(govpn_model_predict(m, d, "{\"noise\": \"label\", \"output\": \"logits\"}", &s, &a));
  CHECK(!strcmp(s.format, "+w:4") && a.length == 32 && isfinite(((const float *)a.children[0]->buffers[1])[127]));
  s.release(&s);
  a.release(&a);
  OK(govpn_model_predict(m, d, "{\"noise\": \"gaussian\", \"std\": 0.05, \"samples\": 3}", &s, &a));
  CHECK(!strcmp(s.format, "i") && a.length == 32);
  s.release(&s);
  a.release(&a);

  OK(govpn_model_noise(m, d, NULL, &s, &a));
  CHECK(!strcmp(s.format, "+w:64") && a.length == 32 && ((const float *)a.children[0]->buffers[1])[0] >= 0);
  s.release(&s);
  a.release(&a);
  OK(govpn_model_noise(m, d, "{\"output\": \"sample\", \"samples\": 3, \"seed\": 5}", &s, &a));
  CHECK(!strcmp(s.format, "+w:2048") && a.length == 3);
  s.release(&s);
  a.release(&a);
  OK(govpn_model_evaluate(m, d, "{\"noise\": \"none\"}", &json));
  has(json, "\"images\":32,");
  char text[32];
  snprintf(text, sizeof text, "\"device\":\"%s\"", device());
  OK(govpn_model_config(m, &json));
  has(json, text);
}

/* Stores a model in every way. The loaded models predict the same. */
static void store(govpn_model m, govpn_data d) {
  govpn_model again[4] = {0, 0, small_model(), small_model()};
  uint8_t *bytes = NULL;
  size_t size = 0;
  OK(govpn_model_save(m, in_folder("model")));
  char options[64];
  snprintf(options, sizeof options, "{\"device\": \"%s\"}", device());
  OK(govpn_model_load(in_folder("model"), options, &again[0]));
  OK(govpn_model_to_bytes(m, &bytes, &size));
  OK(govpn_model_from_bytes(bytes, size, options, &again[1]));
  govpn_free(bytes);
  OK(govpn_model_export_safetensors(m, in_folder("weights"), NULL));
  OK(govpn_model_import_safetensors(again[2], in_folder("weights"), "{}"));
  OK(govpn_model_export_safetensors(m, in_folder("base"), "{\"part\": \"base\"}"));
  OK(govpn_model_import_safetensors(again[3], in_folder("base"), "{\"replace_head\": false}"));
  for (int k = 0; k < 4; k++) {
    struct ArrowSchema s, s2;
    struct ArrowArray a, a2;
    OK(govpn_model_predict(m, d, "{\"output\": \"logits\"}", &s, &a));
    OK(govpn_model_predict(again[k], d, "{\"output\": \"logits\"}", &s2, &a2));
    CHECK(!memcmp(a.children[0]->buffers[1], a2.children[0]->buffers[1], sizeof(float) * 32 * CLASSES));
    s.release(&s);
    a.release(&a);
    s2.release(&s2);
    a2.release(&a2);
    govpn_model_free(again[k]);
  }
}

/* Estimates memory without a model. A call that does not fit in memory is refused, and the model
 * works as before. */
static void memory(govpn_model m, govpn_data d) {
  char options[200], *json = NULL;
  const char *format = "{\"device\": \"%s\", \"image_shape\": [8, 8, 1], \"classes\": 4, \"batch_size\": %d, \"images\": %lld}";
  snprintf(options, sizeof options, format, device(), 256, 1000LL);
  OK(govpn_estimate_memory(options, &json));
  /* The base dnn3 has layers of 64-1024-1024-4, the generator of 64-1024-1024-64. */
  has(json, "\"parameters\":2302020,\"training\":{\"host_bytes\":");
  FAILS(GOVPN_E_ARG, "images is -1", (snprintf(options, sizeof options, format, device(), 256, -1LL), govpn_estimate_memory(options, &json)));
  FAILS(GOVPN_E_ARG, "ImageShape", govpn_estimate_memory("{\"device\": \"go\"}", &json));
  struct ArrowSchema s;
  struct ArrowArray a;
  govpn_model large;
  FAILS(GOVPN_E_MEMORY, "parameters for images of 4000",
        govpn_model_create("{\"device\": \"go\", \"image_shape\": [4000, 4000, 3], \"classes\": 10}", &large));
  OK(govpn_model_noise(m, d, "{\"output\": \"sample\", \"samples\": 1}", &s, &a));
  s.release(&s);
  a.release(&a);
}

int main(void) {
  CHECK(mkdtemp(folder));
  library();
  import();
  open_folder();
  open_files();
  export_();
  train_soft();
  train_weighted();
  fit_shared();
  govpn_data d = labelled(256), valid = labelled(32);
  govpn_model m = small_model();
  train(m, d, valid);
  infer(m, valid);
  store(m, valid);
  memory(m, valid);
  lend(m);
  govpn_model_free(m);
  govpn_model_free(0);
  govpn_data_free(d);
  govpn_data_free(valid);
  CHECK(alive == 0);
  OK(govpn_set_log(NULL, NULL));
  static const char *const files[] = {"images", "labels", "model", "weights", "base"};
  for (int i = 0; i < 5; i++) unlink(in_folder(files[i]));
  CHECK(rmdir(folder) == 0);
  puts("usage: ok");
  return 0;
}
