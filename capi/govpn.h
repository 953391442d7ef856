/* govpn.h: the C interface of govpn (image classification with variational positive-incentive noise).
 *
 * Conventions
 *   - Functions return GOVPN_OK (0) or another GOVPN_* status. The reason of a failure is the calling thread's
 *     govpn_last_error(). On failure every output is left as it was.
 *   - Options are JSON text in UTF-8. NULL, "" and "{}" mean "all defaults"; an unknown key is an error (GOVPN_E_ARG).
 *   - Every char * and uint8_t * that a function hands out belongs to the caller, who frees it with govpn_free().
 *   - Handles are numbers, 0 is none. A handle that was freed, or never given out, is an error (GOVPN_E_HANDLE).
 *   - Arrow structs given in are moved (their release becomes NULL) on success only; after a failure they still belong to
 *     the caller. Arrow structs handed out belong to the caller, who calls their release.
 *   - Every function may be called from any thread. Callbacks run on the thread that called the function they were given to,
 *     and must not throw or longjmp. In a callback, only govpn_model_cancel, govpn_model_set_learning_rate, govpn_model_history,
 *     govpn_model_config and the functions that take no handle may be called on the model in use; others answer GOVPN_E_BUSY
 *     or wait.
 *   - A handler of SIGSEGV, SIGBUS or SIGFPE that is installed after the library was loaded must have SA_ONSTACK, and call the handler
 *     that was there before with every fault that is not its own: the library makes errors (GOVPN_E_INTERNAL) of its own faults.
 *     Of handlers that were there before, nothing is asked. The library changes the handler of no other signal that has one.
 *   - exit() may be called at any time, also while threads use the library. On devices of XLA (cpu, cuda) it cancels what they do and
 *     waits for that, for 10 seconds at most (then the process ends without its remaining handlers); callbacks are no longer made,
 *     functions answer GOVPN_E_CANCELLED, and freeing does nothing.
 *   - After fork() the child cannot use the library: every function answers GOVPN_E_FORKED there, and freeing does nothing.
 *     exec() in the child, or start workers by spawn.
 */
#ifndef GOVPN_H
#define GOVPN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The Arrow C data and stream interfaces, as defined in https://arrow.apache.org/docs/format/CDataInterface.html */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};
#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
  const char *(*get_last_error)(struct ArrowArrayStream *);
  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};
#endif /* ARROW_C_STREAM_INTERFACE */

/* Grows by one with every incompatible change of this header; compare it with govpn_abi_version(). */
#define GOVPN_ABI_VERSION 1

typedef uint64_t govpn_data;  /* a data set: images, and labels if known */
typedef uint64_t govpn_model; /* a classifier with its noise generator */

enum {
  GOVPN_OK = 0,
  GOVPN_E_ARG = 1,         /* an argument or an option is wrong; the message says what is wanted */
  GOVPN_E_HANDLE = 2,      /* a handle was freed, never given out, or is of the other kind */
  GOVPN_E_UNSUPPORTED = 3, /* correct, but this build, device or format cannot do it */
  GOVPN_E_CANCELLED = 4,   /* stopped by a callback or a cancel function; a model keeps what it has learned */
  GOVPN_E_IO = 5,          /* a file could not be read or written */
  GOVPN_E_FORMAT = 6,      /* a file or an Arrow struct is damaged or of another format */
  GOVPN_E_MEMORY = 7,      /* not enough memory on the host or the device */
  GOVPN_E_DEVICE = 8,      /* the device cannot be opened or failed */
  GOVPN_E_FORKED = 9,      /* called in a forked child */
  GOVPN_E_BUSY = 10,       /* the model is being trained */
  GOVPN_E_INTERNAL = 11    /* a defect of govpn; the model that met it is unusable and can only be freed */
};

enum {
  GOVPN_PHASE_COMPILING = 0, /* before the first step; a compilation cannot be stopped before its end */
  GOVPN_PHASE_TRAINING = 1,
  GOVPN_PHASE_EPOCH = 2 /* an epoch has just ended, with its evaluation */
};

enum { GOVPN_LOG_DEBUG = 0, GOVPN_LOG_INFO = 1, GOVPN_LOG_WARNING = 2, GOVPN_LOG_ERROR = 3 };

/* How far govpn_model_fit has come. Fields are only ever added at the end: struct_size says how much is there. */
typedef struct {
  uint32_t struct_size; /* bytes of this struct */
  int32_t epoch;        /* the current epoch, from 1 */
  int32_t epochs;       /* epochs to do in all */
  int32_t phase;        /* GOVPN_PHASE_* */
  int64_t step;         /* steps done, of all epochs */
  int64_t steps;        /* steps to do, in all epochs */
  double loss;          /* mean training loss of this epoch so far; NaN while compiling */
  double metric;        /* mean training accuracy of this epoch so far, 0..1; NaN while compiling */
  double elapsed_s;     /* seconds since fit was called */
} govpn_progress;

/* progress is valid during the call only. Return 0 to go on, anything else to stop training within one step. */
typedef int32_t (*govpn_progress_fn)(const govpn_progress *progress, void *user_data);

/* Replaces count values by their sums over all workers (see govpn_model_share), of the same bits everywhere. Return 0 to go on, anything
 * else to stop training. */
typedef int32_t (*govpn_sum_fn)(float *values, int64_t count, void *user_data);

/* level is GOVPN_LOG_*, message is valid during the call only. */
typedef void (*govpn_log_fn)(int32_t level, const char *message, void *user_data);

/* ---- the library ------------------------------------------------------------------------------------------------------ */

/* Returns the GOVPN_ABI_VERSION that the library was built with. Works in a forked child. */
uint32_t govpn_abi_version(void);

/* Returns the version, such as "0.1.0". Static; do not free. Works in a forked child. */
const char *govpn_version(void);
/* Returns the name of a status, such as "GOVPN_E_ARG", or "GOVPN_E_?" for a number that is none. Static; do not free. */
const char *govpn_status_name(int32_t status);

/* Returns the message of the calling thread's last failure, whole, "" when there was none. Do not free; valid until the
 * thread's next govpn call. A success does not clear it. Works in a forked child. */
const char *govpn_last_error(void);

/* Sets the library up; optional, and may be repeated (devices that are already open stay as they are).
 *   json  {"plugin_paths": [..],  XLA plugins: files, or folders to search
 *          "threads": 0,          threads of the device go, 0 = all cores
 *          "log_level": "warning"} least level that reaches the log callback: "debug" "info" "warning" "error" "off" */
int32_t govpn_init(const char *json);

/* Describes the build.
 *   json  receives {"version", "abi_version", "go_version", "gomlx_version", "os", "arch", "simd", "xla", "default_device",
 *         "base_models", "generators"}; free with govpn_free */
int32_t govpn_build_info(char **json);

/* Lists the devices.
 *   json  receives [{"device", "available", "description", "plugin", "devices", "why"}, ..]; free with govpn_free */
int32_t govpn_devices(char **json);

/* Sends log messages to fn (NULL: nowhere, the default). Messages are kept until a govpn function is about to return, and
 * delivered on that thread.
 *   user_data  passed through; may go once govpn_set_log has been called again: that waits for the calls of the fn before on
 *         other threads, except where it is called by a log callback itself */
int32_t govpn_set_log(govpn_log_fn fn, void *user_data);

/* Frees text and bytes that a govpn function handed out; NULL is fine. Not for Arrow structs. */
void govpn_free(void *memory);

/* ---- data sets -------------------------------------------------------------------------------------------------------- */

/* Makes a data set of Arrow memory, without copying pixels where the layout allows it.
 *   schema, array  images: a fixed_shape_tensor (H, W, C) or (H, W), any permutation, or a FixedSizeList with "shape" given,
 *                  of uint8 (0..255) or float32 (0..1); or a struct array with such a column and optionally a column of
 *                  labels (see govpn_data_set_labels). Moved on success. No nulls.
 *   json           {"shape": [H, W, C],      needed when the array does not tell
 *                   "image_column": "image", default: the first of image, images, pixels
 *                   "label_column": "label", default: label, labels or y, if there
 *                   "class_names": [..]}     names of labels 0, 1, ..
 *   out            receives the data set; free with govpn_data_free, which calls the array's release after the last use */
int32_t govpn_data_import(struct ArrowSchema *schema, struct ArrowArray *array, const char *json, govpn_data *out);

/* Makes a data set of a stream of struct arrays (record batches); reads it to the end.
 *   stream  moved (and released) on success; after a failure it may have been read in part, and belongs to the caller
 *   json    as in govpn_data_import
 *   out     receives the data set; free with govpn_data_free */
int32_t govpn_data_import_stream(struct ArrowArrayStream *stream, const char *json, govpn_data *out);

/* Lends memory that the device computes on directly: fill it, and nothing is ever copied.
 *   json    {"shape": [N, H, W, C], "dtype": "uint8" | "float32", "device": "auto"}; shape and dtype are required
 *   schema, array  receive N zeroed images as an arrow.fixed_shape_tensor. The memory may be written through the child's
 *                  buffers[1] until a model first uses the data set; it stays valid until the array is released, also after
 *                  govpn_data_free(out)
 *   out     receives the data set over the same memory; free with govpn_data_free */
int32_t govpn_data_alloc(const char *json, struct ArrowSchema *schema, struct ArrowArray *array, govpn_data *out);

/* Opens a data set on disk: decodes its images on all cores to memory, uint8; or, as a stream, leaves them on disk, so that the
 * set may be larger than memory.
 *   json  {"format":      what is at path:
 *            "idx"            IDX files (MNIST and its family), gzip or not: "images": path, "labels": path (optional), no path
 *            "fashion-mnist"  the folder of Fashion-MNIST's four IDX files; split "train" or "test"
 *            "cifar10"        the folder or the tar or tar.gz file of CIFAR-10's binary version; split "train" or "test"
 *            "cifar100"       the same of CIFAR-100; "labels": "fine" (default) or "coarse"
 *            "tiny-imagenet"  Tiny ImageNet as published, folder, tar or tar.gz; split "train", "val" or "test" (unlabelled)
 *            "image-folder"   folders of .jpg, .jpeg, .png, .webp and .bmp files, <path>/<split>/<class>/<file>, or a tar or tar.gz
 *                             file of that. Classes are the folders in the order of their names, images in that of their paths
 *            "arrow", "parquet"  a table, or a folder of its parts (with a split, those whose names begin with it), with a column
 *                             of encoded images (bytes, or Hugging Face's struct of bytes and path) or of tensors
 *          "path":        folder, archive or file
 *          "split":       as above; "" where there is one only
 *          "image_column": "image", "images", "img" or "pixels" by default; "label_column": "label", "labels", "y" or
 *                         "fine_label" by default, where there is one; "class_names": in place of those in the files
 *          "stream":      false; true decodes while the set is used: ahead on all cores, into a queue of at most 8 batches and
 *                         64 MiB, but two batches always (govpn_data_info tells). Files must stay as they are until the set
 *                         is freed. tar.gz files and tables are unpacked once, to a temporary file in $TMPDIR
 *          "skip_broken": false; true leaves out images that do not decode, and govpn_data_info lists them. A stream is
 *                         decoded once to find them
 *          and what happens to every image, in this order, as torchvision does it:
 *          "resize":      [s], the shorter side becomes s; or [height, width]. Bilinear, antialiased
 *          "center_crop": [s] or [height, width]; an image that is smaller is padded with 0
 *          "random_resized_crop": {"size": [s] or [height, width], "scale": [0.08, 1], "ratio": [3/4, 4/3]}, drawn anew for every
 *                         epoch of training (and once where the set is decoded to memory)
 *          "channels":    3 (RGB) or 1 (grey); 0: 3 of encoded images, else as they are}
 *         Pixels are those of Pillow: palettes, grey and CMYK become RGB, alpha is dropped, 16 bits become 8, EXIF orientation
 *         is applied. All images must come out of one size.
 *         An image has at most 2^26 pixels and 2^28 bytes, a set 2^24 files, and a tar.gz file unpacks to at most 1 GiB or 20 times
 *         its size. What is larger, or is not as large as it says, is GOVPN_E_FORMAT before memory is taken for it, and the
 *         message names the file; so are symbolic links that leave the folder, and links and ".." in archives
 *   out   receives the data set; free with govpn_data_free */
int32_t govpn_data_open(const char *json, govpn_data *out);

/* Stops the govpn_data_open calls that run in this process: they return GOVPN_E_CANCELLED within a file's time. From any thread. Not
 * an error when there are none. */
int32_t govpn_data_cancel_open(void);

/* Hands a data set out as an Arrow C stream of struct arrays {"image": fixed_shape_tensor (H, W, C) of uint8 or float32, "label":
 * int32, where the set is labelled}. The label's field has the class names, a JSON list, as metadata "govpn.class_names".
 *   json  {"batch_size": 0,    images per array, the last may have fewer; 0: all in one array
 *          "shuffle": false,   true serves them in an order drawn of seed and epoch
 *          "seed": 0, "epoch": 0,  of that order and of random crops
 *          "columns": ["image", "label"]}  without "image" nothing is decoded
 *   out   receives the stream, to be read by one thread at a time; release it with its release, also before the end: that stops
 *         the decoding and waits for it, an image's time at most. Errors have the message of get_last_error and the code EINVAL
 *         (a damaged file), EIO, ENOMEM, ENOSYS (not supported) or EPERM (a forked child)
 * Of a set in memory, images that lie there one after another (all of them, when nothing is shuffled) are handed out without a
 * copy: the arrays share the memory, which stays until the last of them is released, also after govpn_data_free(data); write to it
 * only when the set is freed. Other arrays have memory of their own: a streamed set with batch_size 0 needs room for all images. */
int32_t govpn_data_export_stream(govpn_data data, const char *json, struct ArrowArrayStream *out);

/* Gives a data set its labels, replacing those it has. Calls that already use the data set keep the old ones.
 *   schema, array  integers of any width, 0 or more, or a dictionary of class names; one per image, no nulls. Copied; moved
 *                  and released on success. Or soft labels, the probabilities of K classes, 2 or more: a FixedSizeList[K] of
 *                  float32 or float64, 0 or more, each list of sum 1 (within 0.001; it is divided by its sum). Training learns
 *                  them; all else (validation, evaluation, noise, split, export) uses the class of the largest, of equal ones
 *                  the first
 *   json           {"class_names": [..]} */
int32_t govpn_data_set_labels(govpn_data data, struct ArrowSchema *schema, struct ArrowArray *array, const char *json);

/* Gives a data set weights, replacing those it has: how much each image counts in training (govpn_model_fit,
 * govpn_model_train_batch; nothing else uses them). Every term of an image in the loss is multiplied by the image's weight, divided
 * by the mean weight of the training set. New labels leave the weights as they are; a split divides them as it does the images.
 * Calls that already use the data set keep the old ones.
 *   schema, array  float32, one per image, finite and 0 or more, at least one above 0, no nulls. Copied; moved and released on
 *                  success. NULL, both of them: no weights
 *   json           no options yet */
int32_t govpn_data_set_weights(govpn_data data, struct ArrowSchema *schema, struct ArrowArray *array, const char *json);

/* Splits a data set in two at random; of a labelled one every class in proportion. Nothing is copied: both parts share the
 * images, and so do their streams.
 *   json  {"first": images in a, "seed": 0}
 *   a, b  receive the parts; free each with govpn_data_free; data stays usable */
int32_t govpn_data_split(govpn_data data, const char *json, govpn_data *a, govpn_data *b);

/* Describes a data set.
 *   json  receives {"images", "height", "width", "channels", "dtype", "labelled", "classes", "class_names",
 *         "bytes_copied", "why", "streamed", "memory_bytes" (host memory of the pixels; of a stream, the most that its queue
 *         has held), "skipped" (broken images that were left out, each with the reason), "soft_labels" (the labels are
 *         probabilities), "weighted" (the images have weights)}; free with govpn_free */
int32_t govpn_data_info(govpn_data data, char **json);

/* Frees a data set; 0 is fine. Never waits: a call that still uses it finishes, and then its memory is released. */
void govpn_data_free(govpn_data data);

/* ---- models ----------------------------------------------------------------------------------------------------------- */

/* Makes an untrained model.
 *   json  {"device": "auto" | "go" | "cpu" | "cuda",
 *          "devices": 1, how many devices of its kind train together, or a list of their numbers, from 0: each takes a part of every
 *            batch, whose size (with "accumulate", that of its parts) must be a multiple; the result is that of one device, batch
 *            norms among it. All else computes on the first; govpn_devices tells how many there are. Not kept in files,
 *          "preset": "default" | "paper" | "official" | "augmented", and any of:
 *          "base": one of govpn_build_info's "base_models", "generator": "dnn3" | "resnet18",
 *          "mode": "joint" | "frozen" | "plain" | "gaussian",
 *          "epochs", "batch_size", "accumulate": in how many equal parts, one after another, a step computes its batch (1), which takes
 *          less memory and is the same step, but that batch norms take their statistics of each part,
 *          "remat": true computes the values within the networks' blocks again for the gradient: less memory, more time, the
 *          same step (false),
 *          "eval_batch_size", "optimizer": "adam" | "sgd", "learning_rate", "momentum",
 *          "weight_decay", "schedule": "constant" | "cosine", "noise_samples", "base_loss_weight",
 *          "label_fusion": "bias" | "plane" | "embedding" | "film", "label_coefficient" and (both of "bias" alone)
 *          "label_encoding": "scaled" | "index", "std": "abs" | "bounded" | "rms", "std_range": [low, high], "std_rms",
 *          "fixed_std", "normalize": {"where", "mean", "std"}, "clip_noisy",
 *          "noise_distribution": "normal" | "laplace" | "uniform", "label_smoothing",
 *          "entropy_weight", "noise_layer": 0 (pixels) or the number of a hidden layer of the base, whose output gets the noise: 1
 *            and 2 (dnn3), 1 to 4 (ResNets), 1 to 12 (ViTs),
 *          "noisy_batch_norm": "shared" | "separate", "compute_dtype": "float32" | "bfloat16" | "float64",
 *          "augment": what training does to clean images, on the device and anew for every image, in this order: a list of
 *            {"name": "RandomCrop", "size": [32, 32], "padding": [4]}, {"name": "RandomHorizontalFlip", "p": 0.5}, .. with
 *            torchvision v2's names, parameters and meaning: RandomCrop, RandomHorizontalFlip, RandomRotation, RandomAffine,
 *            ColorJitter, GaussianBlur, GaussianNoise (which also takes "fraction", of the pixels that get noise),
 *          "patience", "restore_best", "seed",
 *          "image_shape": [H, W, C], "classes", "class_names",
 *          "attributes": {"key": "text", ..}, the caller's own notes, kept with the model and in its files}
 *   out   receives the model; free with govpn_model_free */
int32_t govpn_model_create(const char *json, govpn_model *out);

/* Says about how much memory a model would take, without making it: for planning. Takes some time, as it builds the graphs.
 *   json      that of govpn_model_create, with "image_shape" and "classes", and
 *             {"images": those of the data set, uint8, in memory; 0 (the default) for none, as with streams}
 *   json_out  receives {"parameters", and of each of "training", "inference", "classwise": {"host_bytes", "device_bytes"}}: the
 *             peak, with weights, optimiser, best epoch and data set. device_bytes is 0 of devices that compute in the host's
 *             memory (go, cpu), classwise 0 without a generator; free with govpn_free
 * Calls that would need more than there is on the host are GOVPN_E_MEMORY before they begin. */
int32_t govpn_estimate_memory(const char *json, char **json_out);

/* Trains.
 *   train     labelled; of soft labels (see govpn_data_set_labels), K must be the model's classes; of weights (see
 *             govpn_data_set_weights), one must be above 0
 *   valid     labelled, for early stopping and the best weights; 0 for none
 *   json      {"epochs": 0 (as configured), "resume": false, "checkpoint": path written after every epoch,
 *             "augment": null (as configured) or a list as in govpn_model_create, [] for none,
 *             "schedule": "" (as configured) | "constant" | "cosine"; both stay for later fits}
 *   progress  called before and after compilation, about every 50 ms and after every epoch; NULL for none
 * Returns GOVPN_E_CANCELLED when stopped (the model is usable with the weights so far), GOVPN_E_BUSY when already training. */
int32_t govpn_model_fit(govpn_model model, govpn_data train, govpn_data valid, const char *json, govpn_progress_fn progress,
                        void *user_data);

/* Makes the model one of several, in processes of their own, that train together: in the calls of govpn_model_fit and
 * govpn_model_train_batch that follow, each computes its part of every batch, sum adds up what they have found, and all make the same
 * step, that of one model with the whole batch. Noise and augmentation are those of the whole batch; batch norm's statistics are
 * those of each part. All must have the same configuration, weights and data sets, whole, and make the same calls. Validation is
 * not divided. Not kept in files.
 *   rank       the number of this worker, from 0
 *   workers    how many there are; "batch_size" must be a multiple of it, and of it times "accumulate"
 *   sum        called once per step, on the thread that trains; NULL: not shared any more
 *   user_data  passed through; must live as long as sum may be called */
int32_t govpn_model_share(govpn_model model, int32_t rank, int32_t workers, govpn_sum_fn sum, void *user_data);

/* Takes one training step on all images of a labelled data set.
 *   json     no options yet
 *   metrics  receives {"loss" (with the reward of "entropy_weight"), "accuracy", "std_mean", "std_min", "std_max" (null where there
 *            is none), "learning_rate" (of the step)}, or pass NULL; free with govpn_free */
int32_t govpn_model_train_batch(govpn_model model, govpn_data data, const char *json, char **metrics);

/* Stops the model's running fit or prediction within one step; from any thread. Not an error when nothing runs. */
int32_t govpn_model_cancel(govpn_model model);

/* Changes the model's "learning_rate" from the next training step on; "schedule" still multiplies it. It is saved with the model.
 * Answers at once, also during fit and in its callback; the checkpoint of an epoch is written before that epoch's callback.
 *   rate  finite and above 0 */
int32_t govpn_model_set_learning_rate(govpn_model model, double rate);

/* Classifies N images.
 *   json           {"noise": "none" |
 *                            "classwise": for every class, noise drawn for that class and the class's probability under it |
 *                            "label":     one pass with noise drawn for the image's own label, which the data set must have. An
 *                                         oracle: it reads the label, so its accuracy is leakage, for analysis only |
 *                            "gaussian":  one pass with noise of the standard deviation "std" for every pixel; also of models
 *                                         without a generator. Of one seed, "label" and "gaussian" draw the same noise but for
 *                                         the standard deviation,
 *                   "std": a number >= 0 in units of the pixel range 0 to 1 (with "noise_layer" of that layer); wanted with
 *                          "gaussian", refused with other noise,
 *                   "samples": 1 (draws per image, of classwise per image and class, whose probabilities are averaged),
 *                   "seed": 0 (as configured),
 *                   "output": "label" | "proba" | "scores" (of classwise not normalised to sum 1) | "logits" (of one sample, not
 *                             of classwise)}; default "none", "label"
 *   schema, array  receive N int32 labels, or N float32 fixed_shape_tensors of shape [classes] */
int32_t govpn_model_predict(govpn_model model, govpn_data data, const char *json, struct ArrowSchema *schema,
                            struct ArrowArray *array);

/* Computes the noise for N labelled images.
 *   json           {"output": "std" | "sample" | "gradient", "samples": n, "seed": 0 (as configured)}; default "std"
 *   schema, array  receive, as float32 fixed_shape_tensors, the standard deviations: N of shape [H, W, C]; or noise drawn
 *                  with them: n of shape [N, H, W, C]. With "noise_layer", the shape of that layer's output takes the place of
 *                  [H, W, C]: [width], [height, width, channels] or [tokens, width]. With "gradient", of models without a
 *                  generator, too: N of shape [H, W, C], the gradient of the cross-entropy at the label with respect to the
 *                  pixels, without noise, in nats per pixel range */
int32_t govpn_model_noise(govpn_model model, govpn_data data, const char *json, struct ArrowSchema *schema,
                          struct ArrowArray *array);

/* Measures the model on a labelled data set.
 *   json      {"noise", "std", "samples", "seed"} as in govpn_model_predict; cross_entropy (nats) is of the averaged probabilities
 *   json_out  receives {"images", "accuracy", "cross_entropy", "std_mean", "std_rms", "std_min", "std_max",
 *             "std_cv", "std_label_change", "std_image_change"} (null where there is none; the changes over the first 1,024 images);
 *             free with govpn_free */
int32_t govpn_model_evaluate(govpn_model model, govpn_data data, const char *json, char **json_out);

/* Copies the training history: a struct array with a row per epoch and the columns epoch (int32), loss, accuracy, val_loss,
 * val_accuracy, std_mean, std_min, std_max, seconds, images_per_second, data_wait (the fraction of the seconds spent waiting for
 * images), learning_rate (of the epoch's last step, scheduled) (float64, NaN where there is none). Answers at once, also during
 * fit. */
int32_t govpn_model_history(govpn_model model, struct ArrowSchema *schema, struct ArrowArray *array);

/* Describes the model. Answers at once, also during fit.
 *   json  receives {"config", "parameters", "device", "devices" (a list), "epochs_done", "best_epoch", "trained" (the base has weights),
 *         "generator_trained", "warnings"}; free with govpn_free */
int32_t govpn_model_config(govpn_model model, char **json);

/* Writes the weights as a safetensors file, with PyTorch's names and layouts.
 *   json  {"part": "" both, as base.* and generator.* |
 *                  "base" alone, without that prefix, as torchvision and timm load it with strict=True (auxiliary batch norms,
 *                  which they do not have, are left out) |
 *                  "generator" alone, without that prefix} */
int32_t govpn_model_export_safetensors(govpn_model model, const char *path, const char *json);

/* Reads weights from a safetensors file: base.*, generator.* or both; or a state dictionary of the base as torchvision and
 * timm publish it, whose names have no such prefix. F64, F32, F16 and BF16 are converted. What does not fit is listed, and
 * nothing is changed. Before fit, the model needs image_shape and classes in its configuration.
 *   json  {"replace_head": false}  true ignores the last linear layer of the base in the file, which may be of other classes or
 *                                  missing; the model keeps its own, newly initialised until a fit trains it */
int32_t govpn_model_import_safetensors(govpn_model model, const char *path, const char *json);

/* Writes everything (weights, optimiser, configuration, history, random state) to a file, replacing it in one step. */
int32_t govpn_model_save(govpn_model model, const char *path);

/* Reads a model that govpn_model_save wrote.
 *   json  {"device": "auto", "devices": 1}, as in govpn_model_create
 *   out   receives the model; free with govpn_model_free */
int32_t govpn_model_load(const char *path, const char *json, govpn_model *out);

/* Does what govpn_model_save does, in memory.
 *   bytes, size  receive the content; free bytes with govpn_free */
int32_t govpn_model_to_bytes(govpn_model model, uint8_t **bytes, size_t *size);

/* Reads a model from size bytes that govpn_model_to_bytes made; they are not kept.
 *   json  {"device": "auto", "devices": 1}, as in govpn_model_create
 *   out   receives the model; free with govpn_model_free */
int32_t govpn_model_from_bytes(const uint8_t *bytes, size_t size, const char *json, govpn_model *out);

/* Frees a model; 0 is fine. Never waits: calls that still use it finish first. */
void govpn_model_free(govpn_model model);

#ifdef __cplusplus
}
#endif

#endif /* GOVPN_H */
