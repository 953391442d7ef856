/* govpn.h: the C interface of govpn, which trains image classifiers together with learned noise
 * (variational positive-incentive noise).
 *
 * Results and errors
 *   - A function that returns int32_t returns GOVPN_OK (0) or another GOVPN_E_* status.
 *   - After a failure, govpn_last_error() tells the calling thread the reason.
 *   - A function that fails leaves its outputs as they were.
 *   - Every such function may return GOVPN_E_ARG (a pointer that must be given is NULL, an option
 *     is wrong), GOVPN_E_HANDLE, GOVPN_E_FORKED and GOVPN_E_INTERNAL, and GOVPN_E_CANCELLED while
 *     the process exits. "Errors" below names the other statuses.
 *
 * Options
 *   - Options are one JSON object, as UTF-8 text that ends with NUL. NULL, "" and "{}" mean the
 *     defaults. The text is read during the call only.
 *   - An unknown key, a key given twice and a value of a wrong type are GOVPN_E_ARG.
 *   - This header writes {"key": value} with the default value.
 *
 * Memory
 *   - Text (char *) and bytes (uint8_t *) that a function hands out belong to the caller. Free them
 *     with govpn_free(). Results of type const char * are not freed.
 *   - A handle is a number; 0 is none. The caller frees each handle once. A handle that was freed
 *     or never given out is GOVPN_E_HANDLE.
 *   - Arrow structs that the caller passes in are moved on success: the library takes over the
 *     memory and sets their release to NULL. After a failure they still belong to the caller.
 *   - Arrow structs that a function hands out belong to the caller, who calls their release. What
 *     they held before the call is overwritten, not released.
 *
 * Threads
 *   - Every function may be called from any thread, also on the same handle at the same time.
 *   - Calls that compute with the same model run one after another. While the model is trained,
 *     they return GOVPN_E_BUSY.
 *   - A callback runs on the thread that called the function it was given to. It must not throw and
 *     must not longjmp.
 *   - A callback may call govpn_model_cancel, govpn_model_set_learning_rate, govpn_model_history
 *     and govpn_model_config on the model in use, and every function that takes no handle. Other
 *     calls on that model return GOVPN_E_BUSY or wait.
 *
 * Signals
 *   - The library handles SIGSEGV, SIGBUS and SIGFPE: its own faults become GOVPN_E_INTERNAL. Go,
 *     in which it is written, also handles SIGPIPE and SIGURG. A signal of these five that is not
 *     the library's, such as a fault in a callback, does what it did before the library was loaded:
 *     it calls the host's handler, or the default ends the process by that signal.
 *   - A handler must not run on Go's stacks, which are small. It needs SA_ONSTACK. The library adds
 *     this flag to every handler of the host that lacks it, of all signals, and leaves the rest of
 *     the handler as it is. The option "sa_onstack" of govpn_init switches that off.
 *   - The library looks for such handlers when a function is called and after each callback. A
 *     thread of its own looks every 10 ms while a call runs and for 1 s after it, and every 500 ms
 *     otherwise. The functions that return at once (cancel, set_learning_rate, history, config,
 *     info) leave it to that thread. A signal that arrives between the installation of its handler
 *     and the next look may damage Go's memory. So set SA_ONSTACK yourself, or block the signal, if
 *     a handler is installed while another thread is in a call, or if it installs itself anew each
 *     time it runs.
 *   - With the flag, a handler runs on the thread's alternate stack. A thread that has called the
 *     library has one of 32 KiB, which Go made, or its own if it had one before. Make your own at
 *     least as large. Handlers that interrupt one another share it, and Go's own threads, on which
 *     a handler may run too, have 32 KiB. On a thread without an alternate stack the flag changes
 *     nothing.
 *   - A handler of SIGSEGV, SIGBUS, SIGFPE or SIGURG that the host installs after it loaded the
 *     library must pass every signal that is not its own to the handler that was there before. One
 *     that it installs before needs nothing special.
 *   - A fault that leaves Go no way to go on, such as damaged memory, ends the process by SIGABRT
 *     or SIGQUIT, with a report on standard error.
 *
 * Processes
 *   - exit() may be called at any time, also while other threads use the library. On the devices of
 *     XLA (cpu, cuda), exit cancels the calls in progress and waits for them, at most 10 seconds.
 *     After that the process ends without its remaining exit handlers.
 *   - While the process exits, no callback is called, functions return GOVPN_E_CANCELLED, and
 *     freeing does nothing.
 *   - A child after fork() cannot use the library. Every function returns GOVPN_E_FORKED there, and
 *     freeing does nothing. Call exec() in the child, or start workers by spawn. A child that is
 *     forked in a callback and returns from it is ended with a message and status 2.
 *   - Loading takes 1.3 GB of address space, most of it never used. Where less is left (RLIMIT_AS),
 *     the process ends with a message and status 2. The sources' docs/embedding.md tells what else
 *     loading takes.
 *
 * Versions
 *   - Programs keep running with a newer library of the same GOVPN_ABI_VERSION. Functions, status
 *     values, option keys and fields at the end of govpn_progress are added without a new version.
 */
#ifndef GOVPN_H
#define GOVPN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The structs of the Arrow C data and stream interfaces:
 * https://arrow.apache.org/docs/format/CDataInterface.html */
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

/* The version of the binary interface. It grows by one with every incompatible change. A program
 * may compare it with govpn_abi_version(), the version of the library that it runs with. */
#define GOVPN_ABI_VERSION 1

typedef uint64_t govpn_data;  /* a data set: images, and labels if known */
typedef uint64_t govpn_model; /* a classifier with its noise generator */

enum {
  GOVPN_OK = 0,
  GOVPN_E_ARG = 1,         /* an argument or an option is wrong; the message says what is wanted */
  GOVPN_E_HANDLE = 2,      /* the handle was freed, never given out, or is of the other kind */
  GOVPN_E_UNSUPPORTED = 3, /* valid, but this build, device or reader cannot do it */
  GOVPN_E_CANCELLED = 4,   /* a callback, a cancel function or the end of the process stopped it */
  GOVPN_E_IO = 5,          /* a file could not be read or written */
  GOVPN_E_FORMAT = 6,      /* a file or an Arrow struct is damaged or of another format */
  GOVPN_E_MEMORY = 7,      /* the host or the device has not enough memory */
  GOVPN_E_DEVICE = 8,      /* the device cannot be opened, or failed */
  GOVPN_E_FORKED = 9,      /* the call came from a forked child */
  GOVPN_E_BUSY = 10,       /* the model is being trained */
  GOVPN_E_INTERNAL = 11    /* a defect of govpn; the model that met it can only be freed */
};

enum {
  GOVPN_PHASE_COMPILING = 0, /* before the first batch of a size; a compilation cannot be interrupted */
  GOVPN_PHASE_TRAINING = 1,  /* between the steps of an epoch */
  GOVPN_PHASE_EPOCH = 2      /* an epoch has ended, its validation included */
};

enum { GOVPN_LOG_DEBUG = 0, GOVPN_LOG_INFO = 1, GOVPN_LOG_WARNING = 2, GOVPN_LOG_ERROR = 3 };

/* How far govpn_model_fit has come. Later versions add fields at the end only: struct_size tells
 * which are there. */
typedef struct {
  uint32_t struct_size; /* size of this struct in the library, in bytes */
  int32_t epoch;        /* the current epoch; the first is 1 */
  int32_t epochs;       /* number of epochs of this fit, earlier ones that it resumes included */
  int32_t phase;        /* one of GOVPN_PHASE_* */
  int64_t step;         /* steps done in all epochs */
  int64_t steps;        /* steps of all epochs */
  double loss;          /* mean training loss of this epoch; NaN while compiling */
  double metric;        /* mean training accuracy of this epoch, 0 to 1; NaN while compiling */
  double elapsed_s;     /* seconds since govpn_model_fit was called */
} govpn_progress;

/* Receives the progress of govpn_model_fit.
 *   progress   valid during the call only
 *   user_data  the pointer that was passed to govpn_model_fit
 * Return 0 to go on. Any other value stops the training within one step. */
typedef int32_t (*govpn_progress_fn)(const govpn_progress *progress, void *user_data);

/* Adds up the values of all workers that train together (see govpn_model_share).
 *   values     count floats; replace each by the sum of that value over all workers. The sums must
 *              have the same bits in every worker
 *   user_data  the pointer that was passed to govpn_model_share
 * Return 0 to go on. Any other value stops the training. */
typedef int32_t (*govpn_sum_fn)(float *values, int64_t count, void *user_data);

/* Receives a log message.
 *   level      one of GOVPN_LOG_*
 *   message    UTF-8 text, valid during the call only
 *   user_data  the pointer that was passed to govpn_set_log */
typedef void (*govpn_log_fn)(int32_t level, const char *message, void *user_data);

/* ---- the library ----------------------------------------------------------------------------- */

/* Returns the GOVPN_ABI_VERSION that the library was built with. Works in a forked child. */
uint32_t govpn_abi_version(void);

/* Returns the library's version, such as "0.1.0". Static; do not free. Works in a forked child. */
const char *govpn_version(void);

/* Returns the name of a status, such as "GOVPN_E_ARG"; "GOVPN_E_?" if status is none of them.
 * Static; do not free. Works in a forked child. */
const char *govpn_status_name(int32_t status);

/* Returns the message of the last failure on the calling thread; "" if there was none. A call that
 * succeeds does not clear it. Do not free; valid until the thread's next govpn call. Works in a
 * forked child. */
const char *govpn_last_error(void);

/* Sets the library up. The call is optional and may be repeated. Open devices do not change.
 *   json  {"plugin_paths": [],        PJRT plugins of XLA: files, or folders that hold some. They
 *                                     are searched first; without the key, the list stays as it is
 *          "threads": 0,              threads of the device "go": 0 (all cores) to 65536; without
 *                                     the key, the number stays as it is
 *          "log_level": "warning",    least level that reaches the log callback: "debug", "info",
 *                                     "warning", "error" or "off"; without the key, it stays
 *          "sa_onstack": true}        whether the library adds SA_ONSTACK to the host's signal
 *                                     handlers, see "Signals" above. false also takes the flag away
 *                                     where it was added. Without the key, this stays as it is */
int32_t govpn_init(const char *json);

/* Describes the build.
 *   json  receives an object; free it with govpn_free:
 *         {"version", "abi_version", "go_version", "gomlx_version", "os", "arch",
 *          "simd":            true if the device "go" computes with vector instructions,
 *          "xla":             true if the build knows the devices "cpu" and "cuda",
 *          "default_device":  the device that "auto" stands for,
 *          "base_models":     the values of a model's "base",
 *          "generators":      the values of a model's "generator"}
 * Errors: GOVPN_E_DEVICE. */
int32_t govpn_build_info(char **json);

/* Lists the devices of this build, available or not. Opens each one.
 *   json  receives a list of objects; free it with govpn_free:
 *         [{"device":       its name,
 *           "available":    true or false,
 *           "description":  text,
 *           "plugin":       path of its PJRT plugin; "" of the device "go",
 *           "devices":      how many devices of this kind the plugin drives,
 *           "why":          why it is available, or is not}, ..] */
int32_t govpn_devices(char **json);

/* Sends log messages to fn, in place of the callback that was set before. Messages wait until a
 * govpn function is about to return, and are delivered on its thread. At most 256 messages wait;
 * further ones are dropped.
 *   fn         the callback; NULL for none, which is the default
 *   user_data  passed to fn. It must stay valid until the next govpn_set_log returns: that call
 *              waits for the calls of the callback before on other threads. It does not wait if a
 *              log callback makes it */
int32_t govpn_set_log(govpn_log_fn fn, void *user_data);

/* Frees text or bytes that a govpn function handed out; NULL is fine. Not for Arrow structs, which
 * have a release of their own. */
void govpn_free(void *memory);

/* ---- data sets ------------------------------------------------------------------------------- */

/* Makes a data set of one Arrow array. Pixels are not copied where the memory layout allows that;
 * govpn_data_info tells what was copied and why.
 *   schema, array  N images, or a struct array with a column of images and perhaps one of labels.
 *                  Moved on success. No nulls.
 *                    images  arrow.fixed_shape_tensor of shape (H, W, C) or (H, W), with any
 *                            permutation, or with dim_names H, W and C in any order; or
 *                            FixedSizeList, with "shape" given. Values are uint8 (0 to 255) or
 *                            float32 (0 to 1); float64 is converted to float32
 *                    labels  as in govpn_data_set_labels
 *   json           {"shape": [H, W, C],       or [H, W]; needed if the array does not tell
 *                   "image_column": name,     default: the first of "image", "images" and "pixels"
 *                   "label_column": name,     default: the first of "label", "labels", "y"
 *                   "class_names": [..]}      the names of labels 0, 1, ..
 *   out            receives the data set; free with govpn_data_free. The array's release is called
 *                  after the last use of the data set
 * Errors: GOVPN_E_FORMAT (malformed Arrow structs), GOVPN_E_MEMORY. */
int32_t govpn_data_import(struct ArrowSchema *schema, struct ArrowArray *array, const char *json,
                          govpn_data *out);

/* Makes a data set of an Arrow stream of struct arrays (record batches). Reads it to its end.
 *   stream  columns as in govpn_data_import. Moved and released on success. After a failure it
 *           belongs to the caller, and some of its arrays may have been read
 *   json    as in govpn_data_import
 *   out     receives the data set; free with govpn_data_free
 * Errors: GOVPN_E_IO (a callback of the stream failed), GOVPN_E_FORMAT, GOVPN_E_MEMORY. */
int32_t govpn_data_import_stream(struct ArrowArrayStream *stream, const char *json,
                                 govpn_data *out);

/* Lends memory of the device for a data set. Write the pixels there and nothing is ever copied.
 *   json           {"shape": [N, H, W, C],           required; each at least 1
 *                   "dtype": "uint8" or "float32",   required; values 0 to 255, or 0 to 1
 *                   "device": "auto"}                the device of the model that will use the set
 *   schema, array  receive N images of zeros, as an arrow.fixed_shape_tensor (H, W, C). Write to
 *                  array->children[0]->buffers[1] before a model first uses the data set. The
 *                  memory is valid until the array is released, also after govpn_data_free
 *   out            receives the data set over the same memory; free with govpn_data_free
 * Errors: GOVPN_E_MEMORY, GOVPN_E_DEVICE. */
int32_t govpn_data_alloc(const char *json, struct ArrowSchema *schema, struct ArrowArray *array,
                         govpn_data *out);

/* Opens a data set on disk. Its images are decoded on all cores to uint8 (N, H, W, C) in memory;
 * or, as a stream, they stay on disk and are decoded while the set is used, so that it may be
 * larger than memory.
 *   json  {"format":       what is at "path"; required:
 *            "idx"             IDX files (MNIST and its family), gzip or not. Takes "images": path
 *                              and "labels": path (optional) in place of "path"
 *            "fashion-mnist"   a folder of Fashion-MNIST's four IDX files; split "train" or "test"
 *            "cifar10"         CIFAR-10's binary version: folder, tar or tar.gz; split "train" or
 *                              "test"
 *            "cifar100"        the same of CIFAR-100; "labels": "fine" (default) or "coarse"
 *            "tiny-imagenet"   Tiny ImageNet as published: folder, tar or tar.gz; split "train",
 *                              "val" or "test" (without labels)
 *            "image-folder"    <path>/<split>/<class>/<file>, or a tar or tar.gz of that. Files are
 *                              .jpg, .jpeg, .jpe, .jfif, .png, .webp, .bmp, .tif, .tiff, .ppm, .pgm,
 *                              .pbm or .pnm; "warnings" of govpn_data_info counts others. Classes are
 *                              numbered in the order of their folders' names, which must be UTF-8;
 *                              images come in the order of their paths
 *            "arrow"           an Arrow file, or a folder of them; with a split, those whose names
 *                              begin with it. Images are encoded (bytes, or Hugging Face's struct
 *                              of bytes and path) or tensors
 *            "parquet"         the same of Parquet files
 *          "path": path,       folder, archive or file
 *          "split": "",        as above; "" where the format has one split only
 *          "image_column": name,  of "arrow" and "parquet"; default: the first of "image",
 *                              "images", "img" and "pixels"
 *          "label_column": name,  of "arrow" and "parquet"; default: the first of "label",
 *                              "labels", "y" and "fine_label", if any
 *          "class_names": [..],  replace the names that the files give
 *          "stream": false,    true: decode while the set is used. All cores decode ahead, into a
 *                              queue of at most 8 batches and 64 MiB, but always two batches. The
 *                              files must not change until the set is freed. tar.gz files and
 *                              tables are unpacked once, to a temporary file in $TMPDIR
 *          "skip_broken": false,  true: leave out images that do not decode and, in tables, null
 *                              images; govpn_data_info lists them. A stream is decoded once to
 *                              find them
 *
 *          What happens to every image, in this order and as torchvision does it; all images must
 *          come out in one size:
 *          "resize":           [s]: the shorter side becomes s pixels; or [height, width]. Bilinear
 *                              with antialiasing
 *          "center_crop":      [s] or [height, width]; a smaller image is padded with 0
 *          "random_resized_crop":  {"size": [s] or [height, width], "scale": [0.08, 1], "ratio":
 *                              [0.75, 1.3333]}: a random part of the image, resized. Drawn anew in
 *                              every epoch of a stream, once for a set in memory
 *          "channels": 0}      3 (RGB) or 1 (grey); 0: 3 for encoded images, others as they are
 *   out   receives the data set; free with govpn_data_free
 *
 * Pixels are those that Pillow gives. Palettes, grey and CMYK become RGB, alpha is dropped, 16 bits
 * become 8, and EXIF orientation is applied.
 *
 * Limits: 2^26 pixels and 2^28 bytes per image, 2^24 files per set. A tar.gz file unpacks to at
 * most 1 GiB or 20 times its size, whichever is larger. A file beyond these limits, or not as large
 * as it says, is refused before memory is taken for it, and the message names it. Symbolic links in
 * folders are followed; links and ".." in archives are refused.
 *
 * Errors: GOVPN_E_IO, GOVPN_E_FORMAT, GOVPN_E_UNSUPPORTED, GOVPN_E_MEMORY, and GOVPN_E_CANCELLED
 * after govpn_data_cancel_open. */
int32_t govpn_data_open(const char *json, govpn_data *out);

/* Stops all calls of govpn_data_open that run in this process. They return GOVPN_E_CANCELLED after
 * at most the file that they are reading. Succeeds if none runs. */
int32_t govpn_data_cancel_open(void);

/* Hands a data set out as an Arrow C stream of struct arrays.
 *   json  {"batch_size": 0,               images per array (the last may have fewer); 0: all in one
 *          "shuffle": false,              true: in a random order, given by "seed" and "epoch"
 *          "seed": 0, "epoch": 0,         also give the random crops of a stream
 *          "columns": ["image", "label"]} default: all that the set has. Without "image" nothing is
 *                                         decoded
 *   out   receives the stream. Columns:
 *           image  arrow.fixed_shape_tensor (H, W, C) of uint8 or float32
 *           label  int32; its field's metadata "govpn.class_names" is a JSON list of the names
 *         One thread at a time may read the stream. Its release may be called before the end: it
 *         stops the decoding and waits for that, at most for one image. The stream and its arrays
 *         stay valid after govpn_data_free(data).
 * Memory: if the set is in memory and the images of an array lie there one after another, the array
 * shares that memory. The memory stays until the last such array is released. Write to it only
 * after the set was freed. Other arrays are copies; a streamed set with "batch_size" 0 needs memory
 * for all its images.
 * Errors of the stream's callbacks: EINVAL (a damaged file), ENOMEM, ENOSYS (not supported),
 * ECANCELED, EPERM (a forked child, or the process exits) and EIO (all others); get_last_error has
 * the message. */
int32_t govpn_data_export_stream(govpn_data data, const char *json, struct ArrowArrayStream *out);

/* Gives a data set labels, in place of those that it has. Calls that already use the data set keep
 * the old ones.
 *   schema, array  one label per image, no nulls. Copied; moved and released on success. Either
 *                    classes      integers of any width, 0 or more; or a dictionary of class names
 *                    soft labels  the probabilities of K classes, K at least 2: FixedSizeList[K] of
 *                                 float32 or float64, each 0 or more. Each list has the sum 1
 *                                 within 0.001 and is divided by its sum
 *   json           {"class_names": [..]}  the names of labels 0, 1, ..
 * Training learns soft labels as they are. Everything else (validation, evaluation, noise, split,
 * export) uses the class with the largest probability; among equal ones, the first.
 * Errors: GOVPN_E_FORMAT, GOVPN_E_MEMORY. */
int32_t govpn_data_set_labels(govpn_data data, struct ArrowSchema *schema, struct ArrowArray *array,
                              const char *json);

/* Gives a data set weights, in place of those that it has: how much each image counts in training
 * (govpn_model_fit and govpn_model_train_batch; nothing else uses them). The loss of an image is
 * multiplied by its weight and divided by the mean weight of the training set. Calls that already
 * use the data set keep the old weights. govpn_data_set_labels keeps the weights, and
 * govpn_data_split gives each part those of its images.
 *   schema, array  float32, one per image, finite and 0 or more, at least one above 0, no nulls.
 *                  Copied; moved and released on success. Both NULL: remove the weights
 *   json           no options yet
 * Errors: GOVPN_E_FORMAT, GOVPN_E_MEMORY. */
int32_t govpn_data_set_weights(govpn_data data, struct ArrowSchema *schema,
                               struct ArrowArray *array, const char *json);

/* Splits a data set in two at random. If it has labels, every class is split in proportion. Images
 * are not copied: both parts share them. The data set itself stays usable.
 *   json  {"first": 0,   images in part a; b gets the others
 *          "seed": 0}    from 0 to 2^64 - 1; the same seed gives the same parts on every machine
 *   a, b  receive the parts, from two different addresses; free each with govpn_data_free */
int32_t govpn_data_split(govpn_data data, const char *json, govpn_data *a, govpn_data *b);

/* Describes a data set.
 *   json  receives an object; free it with govpn_free:
 *         {"images", "height", "width", "channels",
 *          "dtype":          "uint8" or "float32",
 *          "labelled":       true if it has labels,
 *          "classes",
 *          "class_names":    a list, or null,
 *          "bytes_copied":   by the import and by transfers to devices,
 *          "why":            the reason for each copy; "" if there was none,
 *          "streamed":       true if the images are decoded while they are used,
 *          "memory_bytes":   host memory of the pixels; of a stream, the most its queue has held,
 *          "skipped":        the broken images that were left out, each with the reason,
 *          "warnings":       a list of texts: files in class folders that are no images, counted,
 *          "soft_labels":    true if the labels are probabilities,
 *          "weighted":       true if the images have weights} */
int32_t govpn_data_info(govpn_data data, char **json);

/* Frees a data set; 0 is fine. Never waits: a call that still uses the set finishes first, and then
 * the memory is released. */
void govpn_data_free(govpn_data data);

/* ---- models ---------------------------------------------------------------------------------- */

/* Makes an untrained model.
 *   json  {"preset": "default",     gives the defaults of the keys below: "default", whose values
 *                                   stand here, "paper", "official" or "augmented".
 *                                   "paper" has 40 epochs for the bases sr and dnn3, 100 for others
 *
 *          Where it computes; not kept in files:
 *          "device": "auto",        "auto" (the best there is), "go", "cpu" or "cuda"
 *          "devices": 1,            how many devices of that kind train together, or a list of
 *                                   their numbers, from 0. Each computes a part of every batch; the
 *                                   result is that of one device, batch norms included.
 *                                   "batch_size" / "accumulate" must be a multiple of their number.
 *                                   Inference uses the first
 *
 *          Networks and images:
 *          "base": "dnn3",          the classifier: one of "base_models" of govpn_build_info
 *          "generator": "dnn3",     the noise generator: one of its "generators"
 *          "image_shape": [H, W, C],  default: those of the first data set
 *          "classes": K,            default: those of the first data set
 *          "class_names": [..],     one per class, each once; default: those of the first training
 *                                   set, if it has one for every class. A labelled data set that
 *                                   has class names meets a model that has them by name: its class
 *                                   "dog" is the model's "dog", whatever the numbers. This holds
 *                                   in every call. A class that the model does not have is
 *                                   GOVPN_E_ARG if an image is of it. Without names on one side,
 *                                   classes meet by number
 *          "labels": null,          what the caller calls the classes, if neither by name nor by
 *                                   number from 0: {"dtype": text, "values": [..]}, with a number,
 *                                   a boolean or text per class. Kept with the model and in its
 *                                   files, and not used. Python writes and reads it. A file of
 *                                   0.1.0 has the "dtype" "class_names": its "class_names" may
 *                                   hold Python's labels as text
 *          "normalize": {"where": "image", "mean": [], "std": []},  (x - mean) / std per channel.
 *                                   "image": in the base, after the noise; "input": before
 *                                   generator and noise
 *          "compute_dtype": "float32",  "bfloat16" (mixed precision) or "float64"
 *
 *          Training:
 *          "mode": "joint",         "joint" trains base and generator; "frozen" the generator
 *                                   alone; "plain" the base without noise; "gaussian" the base with
 *                                   noise of "fixed_std"
 *          "initial_values": "torchvision",  of the convolutions of ResNets in base and generator:
 *                                   N(0, 2 / fan_out); or "torch", PyTorch's default: uniform with
 *                                   standard deviation 1 / sqrt(3 fan_in)
 *          "epochs": 20, "batch_size": 256,
 *          "drop_last": false,      true: leave out the images of an epoch that fill no whole batch,
 *                                   as version 0.1.0 did; false: train on them as a smaller batch,
 *                                   cut to a multiple of workers * "accumulate" * devices and left
 *                                   out where a batch norm would see one value per channel. A set
 *                                   smaller than a batch is one batch in either case
 *          "accumulate": 1,         in how many equal parts, one after another, a step computes its
 *                                   batch: less memory, the same step, except that batch norms take
 *                                   the statistics of each part
 *          "remat": false,          true: compute values inside the networks' blocks again for the
 *                                   gradient: less memory, more time, the same step
 *          "eval_batch_size": 0,    images per chunk of inference; 0 chooses
 *          "optimizer": "adam",     or "sgd", with PyTorch's meaning
 *          "learning_rate": 0.001, "momentum": 0.9 (of "sgd"), "weight_decay": 0,
 *          "schedule": "cosine",    to 0 over the epochs; or "constant"
 *          "label_smoothing": 0,    0 or more, below 1
 *          "noisy_batch_norm": "shared",  or "separate": noisy images have batch norms of their own
 *          "augment": [],           what training does to clean images, on the device and anew in
 *                                   every step, in this order: a list such as
 *                                   [{"name": "RandomCrop", "size": [32, 32], "padding": [4]},
 *                                    {"name": "RandomHorizontalFlip", "p": 0.5}]
 *                                   with the names, parameters and meaning of torchvision v2:
 *                                   RandomCrop, RandomHorizontalFlip, RandomRotation, RandomAffine,
 *                                   ColorJitter, GaussianBlur, and GaussianNoise (which also takes
 *                                   "fraction": the fraction of the pixels that get noise)
 *          "patience": 0,           stop after this many epochs without better validation accuracy;
 *                                   0: never
 *          "restore_best": true,    with validation data, use the weights of the best epoch
 *          "seed": 0,
 *
 *          Noise; standard deviations are in units of the pixel range 0 to 1, or of the hidden
 *          layer:
 *          "noise_samples": 1,      noises per image and step
 *          "noise_distribution": "normal",  "laplace" or "uniform"
 *          "noise_layer": 0,        0: the pixels get the noise; or the number of the hidden layer
 *                                   of the base whose output gets it: 1 to 2 (dnn3), 1 to 4
 *                                   (ResNets), 1 to 12 (ViTs)
 *          "std": "bounded",        how the generator's output becomes the standard deviation:
 *                                   "bounded" to "std_range", "abs", or "rms", whose root mean square
 *                                   per image and channel is "std_rms"
 *          "std_range": [0.01, 0.3], "std_rms": 0.1,
 *          "std_epsilon": 1e-16,    of "rms": stands in the root, so that an output of 0 gives 0.
 *                                   0.1.0 had 1e-6, with which "rms" could start far below
 *                                   "std_rms"
 *          "fixed_std": 0.1,        of mode "gaussian"
 *          "clip_noisy": false,     true: clip noisy pixels to 0 to 1
 *          "base_loss_weight": 0,   weight of the loss on clean images
 *          "entropy_weight": 0,     weight of the reward for the noise's entropy
 *          "label_fusion": "bias",  how the generator sees the label: "bias", "plane", "embedding"
 *                                   or "film"
 *          "label_coefficient": 1, "label_encoding": "scaled",  both of "bias". The label adds
 *                                   coefficient * label / (classes - 1) to every pixel that the
 *                                   generator sees; "index": coefficient * label
 *
 *          "attributes": {"key": "text", ..}}  notes of the caller, kept with the model and in its
 *                                   files
 *   out   receives the model; free with govpn_model_free
 * Errors: GOVPN_E_DEVICE, GOVPN_E_MEMORY. */
int32_t govpn_model_create(const char *json, govpn_model *out);

/* Estimates how much memory a model would take, without making it. Builds its graphs, which takes
 * some time.
 *   json      as in govpn_model_create, with "image_shape" and "classes", and also
 *             {"images": 0}  how many uint8 images a data set in memory has; 0: none
 *   json_out  receives an object; free it with govpn_free:
 *             {"parameters", "training", "inference", "classwise"}
 *             The last three are {"host_bytes", "device_bytes"}: the peak with weights, optimiser,
 *             best epoch and data set. "device_bytes" is 0 on devices that use the host's memory
 *             (go, cpu). "classwise" is 0 without a generator
 * A call that would need more memory than the host has returns GOVPN_E_MEMORY before it begins.
 * Errors: GOVPN_E_DEVICE. */
int32_t govpn_estimate_memory(const char *json, char **json_out);

/* Trains a model. Training starts from the weights that the model has.
 *   train      the training set: labelled, or with soft labels of the model's classes
 *   valid      a labelled set to evaluate on after every epoch, for early stopping and the best
 *              weights; 0 for none
 *   json       {"epochs": 0,         the total number of epochs, resumed ones included; 0: as
 *                                    configured
 *               "resume": false,     true: go on with optimiser, history and random state
 *               "checkpoint": "",    path of a file that the model is saved to after every epoch
 *               "augment": null,     null: as configured; a list as in govpn_model_create; [] none
 *               "schedule": ""}      "": as configured; "constant" or "cosine"
 *              "augment" and "schedule" also hold for later calls.
 *   progress   called before and after each compilation (one for whole batches, one for a smaller
 *              last one), about every 50 ms, and after every epoch; NULL for none
 *   user_data  passed to progress
 * Errors: GOVPN_E_CANCELLED (the model keeps what it has learned and is usable), GOVPN_E_BUSY (it
 * is already being trained), GOVPN_E_IO (the checkpoint), GOVPN_E_MEMORY, GOVPN_E_DEVICE, and those
 * of govpn_data_open if a data set is streamed. */
int32_t govpn_model_fit(govpn_model model, govpn_data train, govpn_data valid, const char *json,
                        govpn_progress_fn progress, void *user_data);

/* Makes the model one of several workers that train together, usually in processes of their own.
 * From now on, govpn_model_fit and govpn_model_train_batch compute this worker's part of every
 * batch, and sum adds up the results of all. All workers make the same step: that of one model with
 * the whole batch. Noise and augmentation are those of the whole batch. Batch norms take the
 * statistics of each part. Validation is not divided.
 *
 * All workers must have the same configuration and weights and the same whole data sets, and must
 * make the same calls. The division is not kept in files.
 *   rank       the number of this worker, from 0
 *   workers    the number of workers; "batch_size" must be a multiple of workers * "accumulate",
 *              and a smaller last batch is cut to one
 *   sum        called once per step, on the thread that trains; NULL: train alone again
 *   user_data  passed to sum; must live as long as sum may be called
 * Errors: GOVPN_E_BUSY. */
int32_t govpn_model_share(govpn_model model, int32_t rank, int32_t workers, govpn_sum_fn sum,
                          void *user_data);

/* Takes one training step, with all images of a data set as its batch.
 *   data     labelled, or with soft labels of the model's classes
 *   json     no options yet
 *   metrics  NULL, or receives an object; free it with govpn_free:
 *            {"loss":           the reward of "entropy_weight" included,
 *             "accuracy":       0 to 1,
 *             "std_mean", "std_min", "std_max":  of the noise; null without noise,
 *             "learning_rate":  of this step}
 * Errors: as govpn_model_fit. */
int32_t govpn_model_train_batch(govpn_model model, govpn_data data, const char *json,
                                char **metrics);

/* Stops the call that computes with the model (fit, predict, noise, evaluate) within one step. That
 * call returns GOVPN_E_CANCELLED. Succeeds if none runs. */
int32_t govpn_model_cancel(govpn_model model);

/* Changes the model's "learning_rate" from the next training step on. "schedule" still multiplies
 * it. The rate is saved with the model. Never waits: it may be called during govpn_model_fit, also
 * by the progress callback. The checkpoint of an epoch is written before the callback of that
 * epoch.
 *   rate  finite and above 0 */
int32_t govpn_model_set_learning_rate(govpn_model model, double rate);

/* Classifies N images.
 *   json           {"noise": "none",
 *                     "none"       without noise
 *                     "classwise"  for every class: draw noise for that class and take the class's
 *                                  probability under it
 *                     "label"      one pass with noise for the image's own label, which the data
 *                                  set must have. An oracle: it reads the label, so its accuracy is
 *                                  leakage, for analysis only
 *                     "gaussian"   one pass with noise of the standard deviation "std" for every
 *                                  value; needs no generator. With the same seed, "label" and
 *                                  "gaussian" draw the same noise up to the standard deviation
 *                   "std": number,  0 or more, in units of the pixel range 0 to 1, or of the hidden
 *                                  layer with "noise_layer"; required with "gaussian", refused
 *                                  otherwise
 *                   "samples": 1,  draws per image (of "classwise": per image and class), at most
 *                                  1,000,000, whose probabilities are averaged
 *                   "seed": 0,     of the noise; 0: as configured
 *                   "output": "label"}
 *                     "label"      the class
 *                     "proba"      probabilities of the classes
 *                     "scores"     as "proba", but those of "classwise" are not normalised to sum 1
 *                     "logits"     of one sample; not of "classwise"
 *   schema, array  receive N int32 labels; or N float32 values per class, as an
 *                  arrow.fixed_shape_tensor of shape (classes)
 * Errors: GOVPN_E_BUSY, GOVPN_E_CANCELLED, GOVPN_E_MEMORY, GOVPN_E_DEVICE, and those of
 * govpn_data_open if the data set is streamed. A model without weights is GOVPN_E_ARG. */
int32_t govpn_model_predict(govpn_model model, govpn_data data, const char *json,
                            struct ArrowSchema *schema, struct ArrowArray *array);

/* Computes the noise of N labelled images.
 *   json           {"output": "std",
 *                     "std"       the standard deviation of the noise of every value
 *                     "sample"    noise drawn with it
 *                     "gradient"  the gradient of the cross-entropy at the label with respect to
 *                                 the pixels, without noise, in nats per pixel range; needs no
 *                                 generator
 *                   "samples": 1, of "sample": draws per image, at most 1,000,000
 *                   "seed": 0}    of "sample"; 0: as configured
 *   schema, array  receive float32 values, as an arrow.fixed_shape_tensor:
 *                    "std", "gradient"  N tensors of shape (H, W, C)
 *                    "sample"           "samples" tensors of shape (N, H, W, C)
 *                  With "noise_layer", "std" and "sample" have the shape of that layer's output in
 *                  place of (H, W, C): (width), (height, width, channels) or (tokens, width)
 * Errors: as govpn_model_predict. */
int32_t govpn_model_noise(govpn_model model, govpn_data data, const char *json,
                          struct ArrowSchema *schema, struct ArrowArray *array);

/* Measures the model on a labelled data set.
 *   json      {"noise", "std", "samples", "seed"}, as in govpn_model_predict
 *   json_out  receives an object; free it with govpn_free:
 *             {"images",
 *              "accuracy":          0 to 1,
 *              "cross_entropy":     of the averaged probabilities, in nats,
 *              "std_mean", "std_rms", "std_min", "std_max":  of the noise at the true labels,
 *              "std_cv":            its coefficient of variation within an image, mean over images,
 *              "std_label_change":  its mean change from one label to the next, over its mean,
 *              "std_image_change":  the same from one image to the next}
 *             The changes are of the first 1,024 images. Values of "std" are null without a
 *             generator
 * Errors: as govpn_model_predict. */
int32_t govpn_model_evaluate(govpn_model model, govpn_data data, const char *json, char **json_out);

/* Copies the training history. Never waits, also during govpn_model_fit.
 *   schema, array  receive a struct array with a row per epoch. Columns: epoch (int32), and as
 *                  float64, NaN where there is no value:
 *                    loss, accuracy, val_loss, val_accuracy,
 *                    std_mean, std_min, std_max  standard deviation of the noise
 *                    seconds, images_per_second
 *                    data_wait                   fraction of the seconds spent waiting for images
 *                    learning_rate               of the epoch's last step, with its schedule */
int32_t govpn_model_history(govpn_model model, struct ArrowSchema *schema,
                            struct ArrowArray *array);

/* Describes the model. Never waits, also during govpn_model_fit.
 *   json  receives an object; free it with govpn_free:
 *         {"config":             all values of govpn_model_create,
 *          "parameters":         {"base", "generator"}; empty before the sizes are known,
 *          "device", "devices":  its name, and the list of its numbers,
 *          "epochs_done",
 *          "best_epoch":         0 without validation data,
 *          "trained":            true if the base has weights,
 *          "generator_trained":  true if the generator has,
 *          "warnings":           a list of texts} */
int32_t govpn_model_config(govpn_model model, char **json);

/* Writes the weights to a safetensors file, with PyTorch's names and layouts. The file is replaced
 * as by govpn_model_save.
 *   json  {"part": "",
 *           ""           both parts, as base.* and generator.*
 *           "base"       the base alone, without that prefix, as torchvision and timm load it with
 *                        strict=True. Auxiliary batch norms, which they do not have, are left out
 *           "generator"  the generator alone, without that prefix
 *         "flatten": ""}  the order in which "sr", "dnn3" and generator "dnn3" find the values of a
 *                      colour image, or of a hidden layer's maps: "hwc" as govpn flattens them, or
 *                      "chw" as PyTorch flattens images (N, C, H, W). "" is "chw" for one part and
 *                      "hwc" for both. The file notes the order
 * If the model has class names, the file's metadata "govpn.class_names" is a JSON list of them.
 * Errors: GOVPN_E_IO, GOVPN_E_BUSY. A model without weights is GOVPN_E_ARG. */
int32_t govpn_model_export_safetensors(govpn_model model, const char *path, const char *json);

/* Reads weights from a safetensors file: base.*, generator.* or both; or a state dictionary of the
 * base as torchvision and timm publish it, whose names have no such prefix. F64, F32, F16 and BF16
 * are converted. If a tensor is missing, surplus or misshapen, the message lists all such tensors
 * and nothing is changed. Before the first fit, the model needs "image_shape" and "classes" in its
 * configuration. A model without class names takes those in the file's metadata. If it has the same
 * names in another order, that is GOVPN_E_ARG.
 *   json  {"replace_head": false,  true: ignore the last linear layer of the base in the file,
 *                                  which may have other classes or be missing. The model keeps its
 *                                  own layer, which is random until it is trained, and its class
 *                                  names
 *          "flatten": ""}          the order in the file, as in govpn_model_export_safetensors.
 *                                  "" takes what the file notes. Without a note it is "hwc" for
 *                                  names with a prefix and for files of govpn 0.1.0, and "chw" for
 *                                  other names without one
 * Errors: GOVPN_E_IO, GOVPN_E_FORMAT, GOVPN_E_UNSUPPORTED, GOVPN_E_MEMORY, GOVPN_E_BUSY. */
int32_t govpn_model_import_safetensors(govpn_model model, const char *path, const char *json);

/* Writes the whole model (weights, optimiser, configuration, history, random state) to a file. The
 * file is replaced in one step: it is never half written. A file that was there keeps its mode; a
 * new one has the mode that the umask leaves. A symbolic link stays, and the file that it leads to
 * is replaced.
 * Errors: GOVPN_E_IO, GOVPN_E_BUSY. */
int32_t govpn_model_save(govpn_model model, const char *path);

/* Reads a model that govpn_model_save wrote.
 *   json  {"device": "auto", "devices": 1}, as in govpn_model_create
 *   out   receives the model; free with govpn_model_free
 * Errors: GOVPN_E_IO, GOVPN_E_FORMAT, GOVPN_E_DEVICE, GOVPN_E_MEMORY. */
int32_t govpn_model_load(const char *path, const char *json, govpn_model *out);

/* Does what govpn_model_save does, in memory.
 *   bytes  receives the content; free with govpn_free
 *   size   receives the number of bytes
 * Errors: GOVPN_E_MEMORY, GOVPN_E_BUSY. */
int32_t govpn_model_to_bytes(govpn_model model, uint8_t **bytes, size_t *size);

/* Reads a model from memory.
 *   bytes, size  what govpn_model_to_bytes handed out; not used after the call
 *   json         {"device": "auto", "devices": 1}, as in govpn_model_create
 *   out          receives the model; free with govpn_model_free
 * Errors: GOVPN_E_FORMAT, GOVPN_E_DEVICE, GOVPN_E_MEMORY. */
int32_t govpn_model_from_bytes(const uint8_t *bytes, size_t size, const char *json,
                               govpn_model *out);

/* Frees a model; 0 is fine. Never waits: a call that still uses the model finishes first, and then
 * the memory is released. */
void govpn_model_free(govpn_model model);

#ifdef __cplusplus
}
#endif

#endif /* GOVPN_H */
