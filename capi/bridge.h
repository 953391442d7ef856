/* bridge.h: what the Go files and the C files of this folder need of each other. Not installed. */
#ifndef GOVPN_BRIDGE_H
#define GOVPN_BRIDGE_H

#include "govpn.h"

#define GOVPN_VERSION "0.1.0"

typedef const char bridge_text;      /* cgo drops const: these keep it */
typedef const uint8_t bridge_bytes;

/* stub.c */
void bridge_set_error(const char *message);
int bridge_ended(void);       /* Go cannot be entered: in a forked child, or while the process exits */
void bridge_watch_exit(void); /* from now on, exit cancels the calls in progress and waits for them */
void bridge_trim_heap(void); /* gives the free memory of malloc back to the system */
void bridge_call_log(govpn_log_fn fn, int32_t level, bridge_text *message, void *user_data);
int bridge_in_log(void); /* the thread is in a log callback */
int32_t bridge_call_progress(govpn_progress_fn fn, const govpn_progress *progress, void *user_data);
int32_t bridge_call_sum(govpn_sum_fn fn, float *values, int64_t count, void *user_data);

/* arrow_check.c */

/* Checks two structs of the Arrow C data interface as far as that is possible without reading the buffers.
 * Returns NULL when they are sound, else the reason, in buffer. array may be NULL: then only the schema. */
const char *bridge_check(const struct ArrowSchema *schema, const struct ArrowArray *array, char *buffer, size_t size);

/* Reports whether n bytes can be read, as far as the system tells: ends and places between are tried, holes are found. */
int bridge_readable(const void *start, size_t n);

/* arrow.c */

/* Returns a copy of the schema's nodes that may be released without the producer noticing; NULL when memory is short. */
struct ArrowSchema *bridge_borrow_schema(const struct ArrowSchema *schema);
void bridge_free_borrowed_schema(struct ArrowSchema *borrowed);

/* Moves the array to new memory (NULL when memory is short). bridge_release_array calls its release and frees that memory,
 * bridge_return_array moves it back. bridge_discard_array releases one that was not taken. */
struct ArrowArray *bridge_take_array(struct ArrowArray *array);
void bridge_release_array(struct ArrowArray *taken);
void bridge_discard_array(struct ArrowArray *array);
void bridge_return_array(struct ArrowArray *taken, struct ArrowArray *array);
void bridge_release_schema(struct ArrowSchema *schema);
void bridge_move_schema(struct ArrowSchema *from, struct ArrowSchema *to);

int bridge_stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out);
int bridge_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out);
bridge_text *bridge_stream_error(struct ArrowArrayStream *stream);
void bridge_release_stream(struct ArrowArrayStream *stream);

/* Moves the only child of an exported schema, or an exported array, to the caller's struct, and makes every release in it do
 * nothing in a forked child. */
void bridge_hand_out_schema(struct ArrowSchema *schema, struct ArrowSchema *out);
void bridge_hand_out_array(struct ArrowArray *array, struct ArrowArray *out);

/* arrow_export_stream.c */

/* Makes out a stream over the Go stream with this handle; returns 0 when memory is short. */
int bridge_new_stream(struct ArrowArrayStream *out, uintptr_t handle);

#endif
