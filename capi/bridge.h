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
 * which stops the training. */
void bridge_call_log(govpn_log_fn fn, int32_t level, bridge_text *message, void *user_data);
int32_t bridge_call_progress(govpn_progress_fn fn, const govpn_progress *progress, void *user_data);
int32_t bridge_call_sum(govpn_sum_fn fn, float *values, int64_t count, void *user_data);

/* Returns 1 if this thread is inside a log callback. */
int bridge_in_log(void);

/* arrow_check.c */

/* Checks a schema and an array of the Arrow C data interface, without reading the array's buffers.
 * array may be NULL: then only the schema is checked. Returns NULL if both are sound, else the
 * reason, which it writes to buffer. */
const char *bridge_check(const struct ArrowSchema *schema, const struct ArrowArray *array, char *buffer, size_t size);

/* Returns 1 if n bytes from start can be read, as far as the system tells. On Linux it tries the
 * first byte, the last one and up to 4096 between, and asks for unmapped pages. Elsewhere it only
 * refuses NULL and sizes that wrap around. */
int bridge_readable(const void *start, size_t n);

/* arrow.c */

/* Copies the schema's structs, not what they point to. Releasing the copy does not call the
 * producer's release. Returns NULL if memory is short. Free the copy with
 * bridge_free_borrowed_schema. */
struct ArrowSchema *bridge_borrow_schema(const struct ArrowSchema *schema);
void bridge_free_borrowed_schema(struct ArrowSchema *borrowed);

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
