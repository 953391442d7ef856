/* bridge.h: what the Go files and the C files of this folder call of each other, and the version.
 * Not installed. */
#ifndef GOVPN_BRIDGE_H
#define GOVPN_BRIDGE_H

#include "govpn.h"

#define GOVPN_VERSION "0.1.0"

/* cgo drops the const of a parameter, but keeps these names, so that the exported declarations
 * match. */
typedef const char bridge_text;
typedef const uint8_t bridge_bytes;

/* host_signals.c */

/* Adds SA_ONSTACK to the host's signal handlers that lack it, unless bridge_set_onstack(0) was
 * called. */
void bridge_mend_handlers(void);

/* Enclose each call of Go. While a call runs, and for a second after it, a thread looks for new
 * handlers every 10 ms. So a quick call need not look itself. */
void bridge_enter_go(int quick);
void bridge_leave_go(void);

/* Follows each callback of the host, which may have installed a signal handler. In a child that the
 * callback forked it ends the process: Go's other threads are not there, and the call would hang. */
void bridge_after_callback(void);

/* Switches that on or off. Off also takes away every SA_ONSTACK that was added. */
void bridge_set_onstack(int on);

/* Tells that Go is initialised. */
void bridge_loaded(void);

/* stub.c */

/* Copies message to be the thread's govpn_last_error(). */
void bridge_set_error(const char *message);

/* Returns 1 if Go must not be entered: in a forked child, or while the process exits. */
int bridge_ended(void);

/* Makes exit(), from now on, cancel the calls in progress and wait for them. */
void bridge_watch_exit(void);

/* Returns malloc's free memory to the system. */
void bridge_trim_heap(void);

/* Call the host's callbacks. While the process exits they call nothing; the last two then return 1,
 * which stops the training. user_data is a number in Go: a host may pass (void *)7, which Go's
 * garbage collector does not take for a pointer. */
void bridge_call_log(govpn_log_fn fn, int32_t level, bridge_text *message, uintptr_t user_data);
int32_t bridge_call_progress(govpn_progress_fn fn, const govpn_progress *progress, uintptr_t user_data);
int32_t bridge_call_sum(govpn_sum_fn fn, float *values, int64_t count, uintptr_t user_data);

/* Returns 1 if this thread is inside a log callback. */
int bridge_in_log(void);

/* arrow_check.c */

enum { BRIDGE_SOUND = 0, BRIDGE_MALFORMED = 1, BRIDGE_MEMORY = 2 };

/* Copy the structs of the Arrow C data interface with all that they point to, except what an
 * array's buffers hold, and check the copies. An array is checked against the copy of its schema.
 * The result is one of BRIDGE_*; the reason of BRIDGE_MALFORMED is written to buffer. The release of
 * a copy does not call the producer's. Free the copies with bridge_free_*. */
int bridge_copy_schema(const struct ArrowSchema *schema, struct ArrowSchema **copy, char *buffer, size_t size);
int bridge_copy_array(const struct ArrowSchema *schema, const struct ArrowArray *array, struct ArrowArray **copy, char *buffer,
                      size_t size);
void bridge_free_schema(struct ArrowSchema *copy);
void bridge_free_array(struct ArrowArray *copy);

/* Returns NULL if a stream and its callbacks may be used, else the reason. */
const char *bridge_check_stream(const struct ArrowArrayStream *stream);

/* Returns 1 for a text of fewer than 64 KiB that can be read. */
int bridge_is_text(const char *text);

/* Returns 1 if there may be a function at this address. */
int bridge_callable(void (*function)(void));

/* The page at NULL holds nothing. Go's garbage collector ends the process if it finds a pointer into
 * it in a Go variable. */
enum { BRIDGE_PAGE = 4096 };

/* Returns 1 if n bytes from start can be read, as far as the system tells. On Linux it tries the
 * first byte, the last one and up to 4096 between, and asks for unmapped pages. Elsewhere it only
 * refuses NULL and sizes that wrap around. */
int bridge_readable(const void *start, size_t n);

/* arrow.c */

/* Moves a caller's array to new memory; returns NULL if memory is short. Then call one of the next
 * two: bridge_release_array releases the array and frees that memory, bridge_return_array moves it
 * back. */
struct ArrowArray *bridge_take_array(struct ArrowArray *array);
void bridge_release_array(struct ArrowArray *taken);
void bridge_return_array(struct ArrowArray *taken, struct ArrowArray *array);

/* Releases an array that was not taken; does nothing if it was. */
void bridge_discard_array(struct ArrowArray *array);

void bridge_release_schema(struct ArrowSchema *schema);
void bridge_move_schema(struct ArrowSchema *from, struct ArrowSchema *to);

/* Call the callbacks of a caller's stream. */
int bridge_stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out);
int bridge_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out);
bridge_text *bridge_stream_error(struct ArrowArrayStream *stream);
void bridge_release_stream(struct ArrowArrayStream *stream);

/* Move what arrow-go exported to the caller's struct: the only child of schema, or array. Every
 * release in it then does nothing in a forked child and while the process exits. */
void bridge_hand_out_schema(struct ArrowSchema *schema, struct ArrowSchema *out);
void bridge_hand_out_array(struct ArrowArray *array, struct ArrowArray *out);

/* arrow_export_stream.c */

/* Makes out an Arrow stream over the Go stream with this handle. Returns 0 if memory is short. */
int bridge_new_stream(struct ArrowArrayStream *out, uintptr_t handle);

#endif
