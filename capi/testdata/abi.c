/* abi.c: version 1 of the binary interface on 64-bit systems. Compiled programs rely on every line.
 *
 * This file must compile as C and as C++, and the library must export exactly these functions. A
 * new function, a new value and a new last field of govpn_progress each add a line. Any other
 * change breaks compiled programs: then GOVPN_ABI_VERSION, the SONAME and the node in exports.map
 * grow by one. */
#include "govpn.h"

#ifdef __cplusplus
#define CHECK(condition) static_assert(condition, #condition)
#else
#define CHECK(condition) _Static_assert(condition, #condition)
#endif
#define SIZE(type, size) CHECK(sizeof(type) == size)
#define FIELD(type, name, offset, size) CHECK(offsetof(type, name) == offset && sizeof(((type *)0)->name) == size)

CHECK(GOVPN_ABI_VERSION == 1);

SIZE(govpn_progress, 56);
FIELD(govpn_progress, struct_size, 0, 4);
FIELD(govpn_progress, epoch, 4, 4);
FIELD(govpn_progress, epochs, 8, 4);
FIELD(govpn_progress, phase, 12, 4);
FIELD(govpn_progress, step, 16, 8);
FIELD(govpn_progress, steps, 24, 8);
FIELD(govpn_progress, loss, 32, 8);
FIELD(govpn_progress, metric, 40, 8);
FIELD(govpn_progress, elapsed_s, 48, 8);

static inline void types(govpn_progress *p) {
  uint32_t *u = &p->struct_size;
  int32_t *i[] = {&p->epoch, &p->epochs, &p->phase};
  int64_t *l[] = {&p->step, &p->steps};
  double *d[] = {&p->loss, &p->metric, &p->elapsed_s};
  (void)u, (void)i, (void)l, (void)d;
}

SIZE(struct ArrowSchema, 72);
FIELD(struct ArrowSchema, format, 0, 8);
FIELD(struct ArrowSchema, name, 8, 8);
FIELD(struct ArrowSchema, metadata, 16, 8);
FIELD(struct ArrowSchema, flags, 24, 8);
FIELD(struct ArrowSchema, n_children, 32, 8);
FIELD(struct ArrowSchema, children, 40, 8);
FIELD(struct ArrowSchema, dictionary, 48, 8);
FIELD(struct ArrowSchema, release, 56, 8);
FIELD(struct ArrowSchema, private_data, 64, 8);

SIZE(struct ArrowArray, 80);
FIELD(struct ArrowArray, length, 0, 8);
FIELD(struct ArrowArray, null_count, 8, 8);
FIELD(struct ArrowArray, offset, 16, 8);
FIELD(struct ArrowArray, n_buffers, 24, 8);
FIELD(struct ArrowArray, n_children, 32, 8);
FIELD(struct ArrowArray, buffers, 40, 8);
FIELD(struct ArrowArray, children, 48, 8);
FIELD(struct ArrowArray, dictionary, 56, 8);
FIELD(struct ArrowArray, release, 64, 8);
FIELD(struct ArrowArray, private_data, 72, 8);

SIZE(struct ArrowArrayStream, 40);
FIELD(struct ArrowArrayStream, get_schema, 0, 8);
FIELD(struct ArrowArrayStream, get_next, 8, 8);
FIELD(struct ArrowArrayStream, get_last_error, 16, 8);
FIELD(struct ArrowArrayStream, release, 24, 8);
FIELD(struct ArrowArrayStream, private_data, 32, 8);

SIZE(govpn_data, 8);
SIZE(govpn_model, 8);

CHECK(GOVPN_OK == 0);
CHECK(GOVPN_E_ARG == 1);
CHECK(GOVPN_E_HANDLE == 2);
CHECK(GOVPN_E_UNSUPPORTED == 3);
CHECK(GOVPN_E_CANCELLED == 4);
CHECK(GOVPN_E_IO == 5);
CHECK(GOVPN_E_FORMAT == 6);
CHECK(GOVPN_E_MEMORY == 7);
CHECK(GOVPN_E_DEVICE == 8);
CHECK(GOVPN_E_FORKED == 9);
CHECK(GOVPN_E_BUSY == 10);
CHECK(GOVPN_E_INTERNAL == 11);

CHECK(GOVPN_PHASE_COMPILING == 0);
CHECK(GOVPN_PHASE_TRAINING == 1);
CHECK(GOVPN_PHASE_EPOCH == 2);

CHECK(GOVPN_LOG_DEBUG == 0);
CHECK(GOVPN_LOG_INFO == 1);
CHECK(GOVPN_LOG_WARNING == 2);
CHECK(GOVPN_LOG_ERROR == 3);

/* The signatures. A function with another signature does not compile as the initial value. */

int32_t (*progress_fn)(const govpn_progress *, void *) = (govpn_progress_fn)0;
int32_t (*sum_fn)(float *, int64_t, void *) = (govpn_sum_fn)0;
void (*log_fn)(int32_t, const char *, void *) = (govpn_log_fn)0;

uint32_t (*abi_version_)(void) = govpn_abi_version;
const char *(*version_)(void) = govpn_version;
const char *(*status_name_)(int32_t) = govpn_status_name;
const char *(*last_error_)(void) = govpn_last_error;
int32_t (*init_)(const char *) = govpn_init;
int32_t (*build_info_)(char **) = govpn_build_info;
int32_t (*devices_)(char **) = govpn_devices;
int32_t (*set_log_)(govpn_log_fn, void *) = govpn_set_log;
void (*free_)(void *) = govpn_free;
int32_t (*data_import_)(struct ArrowSchema *, struct ArrowArray *, const char *, govpn_data *) = govpn_data_import;
int32_t (*data_import_stream_)(struct ArrowArrayStream *, const char *, govpn_data *) = govpn_data_import_stream;
int32_t (*data_alloc_)(const char *, struct ArrowSchema *, struct ArrowArray *, govpn_data *) = govpn_data_alloc;
int32_t (*data_open_)(const char *, govpn_data *) = govpn_data_open;
int32_t (*data_cancel_open_)(void) = govpn_data_cancel_open;
int32_t (*data_export_stream_)(govpn_data, const char *, struct ArrowArrayStream *) = govpn_data_export_stream;
int32_t (*data_set_labels_)(govpn_data, struct ArrowSchema *, struct ArrowArray *, const char *) = govpn_data_set_labels;
int32_t (*data_set_weights_)(govpn_data, struct ArrowSchema *, struct ArrowArray *, const char *) = govpn_data_set_weights;
int32_t (*data_split_)(govpn_data, const char *, govpn_data *, govpn_data *) = govpn_data_split;
int32_t (*data_info_)(govpn_data, char **) = govpn_data_info;
void (*data_free_)(govpn_data) = govpn_data_free;
int32_t (*model_create_)(const char *, govpn_model *) = govpn_model_create;
int32_t (*estimate_memory_)(const char *, char **) = govpn_estimate_memory;
int32_t (*model_fit_)(govpn_model, govpn_data, govpn_data, const char *, govpn_progress_fn, void *) = govpn_model_fit;
int32_t (*model_share_)(govpn_model, int32_t, int32_t, govpn_sum_fn, void *) = govpn_model_share;
int32_t (*model_train_batch_)(govpn_model, govpn_data, const char *, char **) = govpn_model_train_batch;
int32_t (*model_cancel_)(govpn_model) = govpn_model_cancel;
int32_t (*model_set_learning_rate_)(govpn_model, double) = govpn_model_set_learning_rate;
int32_t (*model_predict_)(govpn_model, govpn_data, const char *, struct ArrowSchema *, struct ArrowArray *) = govpn_model_predict;
int32_t (*model_noise_)(govpn_model, govpn_data, const char *, struct ArrowSchema *, struct ArrowArray *) = govpn_model_noise;
int32_t (*model_evaluate_)(govpn_model, govpn_data, const char *, char **) = govpn_model_evaluate;
int32_t (*model_history_)(govpn_model, struct ArrowSchema *, struct ArrowArray *) = govpn_model_history;
int32_t (*model_config_)(govpn_model, char **) = govpn_model_config;
int32_t (*model_export_safetensors_)(govpn_model, const char *, const char *) = govpn_model_export_safetensors;
int32_t (*model_import_safetensors_)(govpn_model, const char *, const char *) = govpn_model_import_safetensors;
int32_t (*model_save_)(govpn_model, const char *) = govpn_model_save;
int32_t (*model_load_)(const char *, const char *, govpn_model *) = govpn_model_load;
int32_t (*model_to_bytes_)(govpn_model, uint8_t **, size_t *) = govpn_model_to_bytes;
int32_t (*model_from_bytes_)(const uint8_t *, size_t, const char *, govpn_model *) = govpn_model_from_bytes;
void (*model_free_)(govpn_model) = govpn_model_free;
