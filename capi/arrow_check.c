/* arrow_check.c: copies structs of the Arrow C data interface, and checks the copies before the
 * library follows a pointer or trusts a length in them. A producer that changes its structs later,
 * or meanwhile, changes nothing here.
 *
 * The interface does not tell how large memory is. So a wrong pointer or length is found only if it
 * leaves the memory of the process: bridge_readable asks the system. Memory inside the process is
 * believed to be what the producer says. */
#define _DEFAULT_SOURCE
#include "bridge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { MAX_DEPTH = 16, MAX_NODES = 1 << 17, MAX_FORMAT = 1 << 10, MAX_NAME = 1 << 16, MAX_PAIRS = 1 << 12, MAX_VALUE = 1 << 26 };
enum { MAX_BUFFERS = 1 << 17, MAX_COPIED = 1 << 27 }; /* of all structs of one copy */
enum { PAGE = BRIDGE_PAGE, PROBES = 4096 };

#ifdef __linux__
/* Returns 1 if the byte at address can be read, without reading it here. The kernel reads the new
 * signal mask before it refuses -1 as a way to set it: EFAULT means that it could not read. It
 * reads nothing at NULL, and nothing else is in that page. */
static int probe(uintptr_t address) {
  if (address < PAGE) return 0;
  long set = syscall(SYS_rt_sigprocmask, -1, address & ~(uintptr_t)7, NULL, (size_t)8);
  return set == 0 || errno != EFAULT;
}

int bridge_readable(const void *start, size_t n) {
  uintptr_t first = (uintptr_t)start, last = first + n - 1;
  if (n == 0) return 1;
  if (!start || last < first) return 0;
  uintptr_t base = first - first % (uintptr_t)sysconf(_SC_PAGESIZE);
  if (n > PAGE && msync((void *)base, last - base + 1, MS_ASYNC) != 0 && errno == ENOMEM) return 0; /* a page is not mapped */
  uintptr_t step = n / PROBES > PAGE ? n / PROBES : PAGE;
  for (uintptr_t offset = 0; offset < n; offset += step)
    if (!probe(first + offset)) return 0;
  return probe(last);
}

/* Returns 1 if there may be a function at this address. Its code need not be readable. */
static int is_code(uintptr_t address) {
  uintptr_t page = address - address % (uintptr_t)sysconf(_SC_PAGESIZE);
  return address >= PAGE && (msync((void *)page, 1, MS_ASYNC) == 0 || errno != ENOMEM);
}
#else
static int is_code(uintptr_t address) { return address != 0; }
int bridge_readable(const void *start, size_t n) { return n == 0 || (start && (uintptr_t)start + n - 1 >= (uintptr_t)start); }
#endif

/* Returns 1 if a struct of n bytes can be read at this address, which must also be aligned. */
static int is_struct(const void *at, size_t n) { return (uintptr_t)at % _Alignof(int64_t) == 0 && bridge_readable(at, n); }

/* Returns the length of a text, or -1 if it has no NUL within its first `most` bytes or cannot be
 * read. */
static int64_t length_of(const char *text, int64_t most) {
  for (int64_t n = 0; n < most;) {
    int64_t rest = PAGE - (int64_t)((uintptr_t)(text + n) % PAGE);
    if (rest > most - n) rest = most - n;
    if (!bridge_readable(text + n, 1)) return -1;
    const char *end = memchr(text + n, 0, (size_t)rest);
    if (end) return end - text;
    n += rest;
  }
  return -1;
}

int bridge_callable(void (*function)(void)) { return is_code((uintptr_t)function); }

/* The state of one copy: what it has seen so far, and the buffer for the reason of a failure. */
typedef struct {
  int64_t nodes, buffers, bytes;
  int out_of_memory;
  char *buffer;
  size_t size;
} check;

/* Writes the reason of a failure, which is then the result of bridge_copy_*. Returns 0. */
__attribute__((format(printf, 2, 3))) static int because(const check *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->buffer, c->size, format, arguments);
  va_end(arguments);
  return 0;
}

/* Returns n bytes of zeros, or NULL if memory is short. */
static void *zeros(check *c, size_t n) {
  void *p = calloc(1, n + !n);
  if (!p) c->out_of_memory = 1;
  return p;
}

/* Copies a text of fewer than `most` bytes. Returns NULL if it is none, or if memory is short. */
static char *copy_text(check *c, const char *text, int64_t most) {
  int64_t n = length_of(text, most);
  if (n < 0 || (c->bytes += n) > MAX_COPIED) return NULL;
  char *copy = zeros(c, (size_t)n + 1);
  if (copy) memcpy(copy, text, (size_t)n);
  return copy;
}

/* What an Arrow format string says of a type. */
typedef struct {
  int64_t children;      /* number of children; -1: any */
  int64_t buffers, most; /* least and greatest number of buffers */
  int64_t list;          /* values of a child per value: 1 for a struct; 0 if the format does not say */
} layout;

/* Reads a decimal number at *p, from 0 to INT32_MAX, and moves *p behind it. Returns -1 if there is
 * none. */
static int64_t number(const char **p) {
  int64_t n = **p >= '0' && **p <= '9' ? 0 : -1;
  for (; **p >= '0' && **p <= '9'; (*p)++) {
    n = 10 * n + (**p - '0');
    if (n > INT32_MAX) return -1;
  }
  return n;
}

/* Counts the type ids of a union, such as "0,1,5". Returns -1 if the text is not a list of type
 * ids. */
static int64_t type_ids(const char *p) {
  if (!*p) return 0;
  for (int64_t n = 1;; n++, p++) {
    int64_t id = number(&p);
    if (id < 0 || id > 127) return -1;
    if (*p != ',') return *p ? -1 : n;
  }
}

/* Returns 1 for the parameters of a decimal: "precision,scale" or "precision,scale,bits". */
static int is_decimal(const char *p) {
  if (number(&p) < 1 || *p++ != ',') return 0;
  if (*p == '-') p++;
  if (number(&p) < 0) return 0;
  if (*p == ',') {
    p++;
    if (number(&p) < 32) return 0;
  }
  return !*p;
}

static int nested_layout(const char *f, layout *l) {
  const char *size = f + 3;
  if (!strcmp(f, "+l") || !strcmp(f, "+L") || !strcmp(f, "+m")) return *l = (layout){1, 2, 2, 0}, 1;
  if (!strcmp(f, "+vl") || !strcmp(f, "+vL")) return *l = (layout){1, 3, 3, 0}, 1;
  if (!strcmp(f, "+s")) return *l = (layout){-1, 1, 1, 1}, 1;
  if (!strcmp(f, "+r")) return *l = (layout){2, 0, 0, 0}, 1;
  if (!strncmp(f, "+w:", 3)) return *l = (layout){1, 1, 1, number(&size)}, l->list > 0 && !*size;
  /* Old versions of Arrow gave unions one more buffer, of validity. */
  if (!strncmp(f, "+us:", 4)) return *l = (layout){type_ids(f + 4), 1, 2, 0}, l->children >= 0;
  if (!strncmp(f, "+ud:", 4)) return *l = (layout){type_ids(f + 4), 2, 3, 0}, l->children >= 0;
  return 0;
}

/* Finds the layout of a format string. Returns 0 if it is not one of Arrow's. */
static int layout_of(const char *f, layout *l) {
  static const char *const times[] = {"tdD", "tdm", "tts", "ttm", "ttu", "ttn", "tDs", "tDm", "tDu", "tDn", "tiM", "tiD", "tin"};
  const char *size = f + 2;
  if (f[0] == '+') return nested_layout(f, l);
  *l = (layout){0, 2, 2, 0};
  if (f[0] && !f[1] && strchr("bcCsSiIlLefg", f[0])) return 1;
  for (size_t i = 0; i < sizeof times / sizeof *times; i++)
    if (!strcmp(f, times[i])) return 1;
  if (!strncmp(f, "ts", 2)) return f[2] && strchr("smun", f[2]) && f[3] == ':';
  if (!strncmp(f, "d:", 2)) return is_decimal(f + 2);
  if (!strncmp(f, "w:", 2)) return number(&size) >= 0 && !*size;
  if (!strcmp(f, "n")) return *l = (layout){0, 0, 0, 0}, 1;
  if (!strcmp(f, "vz") || !strcmp(f, "vu")) return *l = (layout){0, 3, MAX_NODES, 0}, 1;
  *l = (layout){0, 3, 3, 0};
  return f[0] && !f[1] && strchr("zZuU", f[0]);
}

/* Metadata is a count of pairs, then keys and values, each with its length before it. There is no
 * total size. Returns a copy; NULL if a length is out of bounds, the bytes behind it cannot be read,
 * or memory is short. */
static char *copy_metadata(check *c, const char *p) {
  int32_t pairs, bytes = 0;
  size_t used = sizeof pairs;
  if (!bridge_readable(p, sizeof pairs)) return NULL;
  memcpy(&pairs, p, sizeof pairs);
  if (pairs < 0 || pairs > MAX_PAIRS) return NULL;
  char *copy = zeros(c, used);
  if (copy) memcpy(copy, &pairs, sizeof pairs);
  for (int32_t i = 0; copy && i < 2 * pairs; i++) {
    char *longer = NULL;
    int sound = bridge_readable(p + used, sizeof bytes);
    if (sound) memcpy(&bytes, p + used, sizeof bytes);
    size_t more = sizeof bytes + (size_t)bytes;
    sound = sound && bytes >= 0 && bytes <= MAX_VALUE && bridge_readable(p + used, more) &&
            (c->bytes += (int64_t)more) <= MAX_COPIED;
    if (sound && !(longer = realloc(copy, used + more))) c->out_of_memory = 1;
    if (!longer) {
      free(copy);
      return NULL;
    }
    copy = longer;
    memcpy(copy + used, &bytes, sizeof bytes);
    memcpy(copy + used + sizeof bytes, p + used + sizeof bytes, (size_t)bytes);
    used += more;
  }
  return copy;
}

static void forget_schema(struct ArrowSchema *s) { s->release = NULL; }
static void forget_array(struct ArrowArray *a) { a->release = NULL; }

void bridge_free_schema(struct ArrowSchema *copy) {
  if (!copy) return;
  for (int64_t i = 0; copy->children && i < copy->n_children; i++) bridge_free_schema(copy->children[i]);
  bridge_free_schema(copy->dictionary);
  free(copy->children);
  free((char *)(uintptr_t)copy->format);
  free((char *)(uintptr_t)copy->name);
  free((char *)(uintptr_t)copy->metadata);
  free(copy);
}

void bridge_free_array(struct ArrowArray *copy) {
  if (!copy) return;
  for (int64_t i = 0; copy->children && i < copy->n_children; i++) bridge_free_array(copy->children[i]);
  bridge_free_array(copy->dictionary);
  free(copy->children);
  free(copy->buffers);
  free(copy);
}

static struct ArrowSchema *copy_schema(check *c, const struct ArrowSchema *from, const char *where, int depth);

/* Copies what the schema `from` points to, to `to`, and checks it. Returns 1 if it is sound. What
 * was copied before a failure is in `to`. */
static int fill_schema(check *c, const struct ArrowSchema *from, struct ArrowSchema *to, const char *where, int depth) {
  layout l;
  if (!from->release) return because(c, "%s was already released", where);
  if (!is_code((uintptr_t)from->release)) return because(c, "%s: release is no function", where);
  if (!from->format) return because(c, "%s: format is NULL", where);
  if (!(to->format = copy_text(c, from->format, MAX_FORMAT)))
    return because(c, "%s: format is no text of fewer than %d bytes", where, MAX_FORMAT);
  if (!layout_of(to->format, &l)) return because(c, "%s: format is \"%.40s\", which is none of Arrow's", where, to->format);
  if (from->name && !(to->name = copy_text(c, from->name, MAX_NAME)))
    return because(c, "%s: name is no text of fewer than %d bytes", where, MAX_NAME);
  to->flags = from->flags;
  if (to->flags & ~(int64_t)(ARROW_FLAG_DICTIONARY_ORDERED | ARROW_FLAG_NULLABLE | ARROW_FLAG_MAP_KEYS_SORTED))
    return because(c, "%s: flags is %lld, want 0 to 7", where, (long long)to->flags);
  int64_t n = from->n_children;
  if (n < 0 || n > MAX_NODES) return because(c, "%s: n_children is %lld, want 0 to %d", where, (long long)n, MAX_NODES);
  if (l.children >= 0 && n != l.children)
    return because(c, "%s: n_children is %lld, want %lld for format \"%.40s\"", where, (long long)n, (long long)l.children,
                   to->format);
  if (n > 0 && !is_struct(from->children, (size_t)n * sizeof *from->children))
    return because(c, "%s: children is NULL or no memory that can be read", where);
  if (from->dictionary && (to->format[1] || !strchr("cCsSiIlL", to->format[0])))
    return because(c, "%s: has a dictionary and format \"%.40s\", want one of integers", where, to->format);
  if (from->metadata && !(to->metadata = copy_metadata(c, from->metadata)))
    return because(c, "%s: metadata is malformed", where);
  if (!(to->children = zeros(c, (size_t)n * sizeof *to->children))) return 0;
  for (; to->n_children < n; to->n_children++) {
    const struct ArrowSchema *child = from->children[to->n_children];
    if (!child) return because(c, "%s: child %lld is NULL", where, (long long)to->n_children);
    if (!(to->children[to->n_children] = copy_schema(c, child, "schema of a child", depth + 1))) return 0;
  }
  if (!from->dictionary) return 1;
  return (to->dictionary = copy_schema(c, from->dictionary, "schema of a dictionary", depth + 1)) != NULL;
}

static struct ArrowSchema *copy_schema(check *c, const struct ArrowSchema *from, const char *where, int depth) {
  struct ArrowSchema *to = NULL, once;
  if (depth > MAX_DEPTH) return because(c, "%s: nested more than %d deep", where, MAX_DEPTH), NULL;
  if (++c->nodes > MAX_NODES) return because(c, "%s: more than %d types in all", where, MAX_NODES), NULL;
  if (!is_struct(from, sizeof *from)) return because(c, "%s is no memory that can be read, or misaligned", where), NULL;
  memcpy(&once, from, sizeof once); /* read once: the producer may change it */
  if (!(to = zeros(c, sizeof *to))) return NULL;
  to->release = forget_schema;
  if (fill_schema(c, &once, to, where, depth)) return to;
  bridge_free_schema(to);
  return NULL;
}

/* Checks what an array says of itself and copies its list of buffers. */
static int fill_counts(check *c, const struct ArrowSchema *s, const struct ArrowArray *from, struct ArrowArray *to, const layout *l,
                       const char *where) {
  if (!from->release) return because(c, "%s was already released", where);
  if (!is_code((uintptr_t)from->release)) return because(c, "%s: release is no function", where);
  if (from->length < 0) return because(c, "%s: length is %lld, want 0 or more", where, (long long)from->length);
  if (from->offset < 0) return because(c, "%s: offset is %lld, want 0 or more", where, (long long)from->offset);
  if (from->length > INT64_MAX / 64 - from->offset) return because(c, "%s: length + offset is too large", where);
  if (from->null_count < -1 || from->null_count > from->length)
    return because(c, "%s: null_count is %lld, want -1 to %lld", where, (long long)from->null_count, (long long)from->length);
  if (from->n_buffers < l->buffers || from->n_buffers > l->most)
    return because(c, "%s: n_buffers is %lld, want %lld for format \"%.40s\"", where, (long long)from->n_buffers,
                   (long long)l->buffers, s->format);
  if (from->n_buffers > 0 && !from->buffers) return because(c, "%s: buffers is NULL", where);
  if (!is_struct(from->buffers, (size_t)from->n_buffers * sizeof *from->buffers))
    return because(c, "%s: buffers is no memory that can be read", where);
  if (l->most == MAX_NODES && (c->buffers += from->n_buffers) > MAX_BUFFERS)
    return because(c, "%s: more than %d buffers in all", where, MAX_BUFFERS);
  if (!(to->buffers = zeros(c, (size_t)from->n_buffers * sizeof *to->buffers))) return 0;
  if (from->n_buffers > 0) memcpy(to->buffers, from->buffers, (size_t)from->n_buffers * sizeof *to->buffers);
  to->length = from->length;
  to->offset = from->offset;
  to->null_count = from->null_count;
  to->n_buffers = from->n_buffers;
  for (int64_t i = 0; i < to->n_buffers; i++) {
    if ((uintptr_t)to->buffers[i] >= PAGE || !to->buffers[i]) continue;
    if (i == 0 && to->length > 0) return because(c, "%s: buffer 0 is no memory that can be read", where);
    to->buffers[i] = NULL; /* Rust's sign for an empty buffer is such an address */
  }
  int has_validity = l->buffers > 0 && strncmp(s->format, "+u", 2) != 0;
  if (has_validity && to->null_count > 0 && !to->buffers[0]) return because(c, "%s: has nulls but no validity buffer", where);
  if (l->buffers == 2 && s->format[0] != '+' && to->length > 0 && !to->buffers[1])
    return because(c, "%s: the buffer of the values is NULL", where);
  if (from->n_children != s->n_children)
    return because(c, "%s: n_children is %lld, the schema has %lld", where, (long long)from->n_children, (long long)s->n_children);
  if (from->n_children > 0 && !is_struct(from->children, (size_t)from->n_children * sizeof *from->children))
    return because(c, "%s: children is NULL or no memory that can be read", where);
  if (!from->dictionary != !s->dictionary) return because(c, "%s: only one of schema and array has a dictionary", where);
  return 1;
}

static struct ArrowArray *copy_array(check *c, const struct ArrowSchema *s, const struct ArrowArray *from, const char *where);

/* As fill_schema, for an array of the copied schema s. */
static int fill_array(check *c, const struct ArrowSchema *s, const struct ArrowArray *from, struct ArrowArray *to, const char *where) {
  layout l;
  layout_of(s->format, &l);
  if (!fill_counts(c, s, from, to, &l, where)) return 0;
  int64_t used = to->offset + to->length;
  if (l.list > 0 && used > INT64_MAX / l.list) return because(c, "%s: length + offset is too large", where);
  if (!(to->children = zeros(c, (size_t)from->n_children * sizeof *to->children))) return 0;
  for (int64_t i = 0; i < from->n_children; i++) {
    const struct ArrowArray *child = from->children[i];
    if (!child) return because(c, "%s: child %lld is NULL", where, (long long)i);
    if (!(to->children[i] = copy_array(c, s->children[i], child, "a child array"))) return 0;
    to->n_children++;
    if (to->children[i]->length < used * l.list)
      return because(c, "%s: child %lld has %lld values, want at least %lld", where, (long long)i,
                     (long long)to->children[i]->length, (long long)(used * l.list));
  }
  if (!s->dictionary) return 1;
  return (to->dictionary = copy_array(c, s->dictionary, from->dictionary, "a dictionary")) != NULL;
}

static struct ArrowArray *copy_array(check *c, const struct ArrowSchema *s, const struct ArrowArray *from, const char *where) {
  struct ArrowArray *to = NULL, once;
  if (!is_struct(from, sizeof *from)) return because(c, "%s is no memory that can be read, or misaligned", where), NULL;
  memcpy(&once, from, sizeof once);
  if (!(to = zeros(c, sizeof *to))) return NULL;
  to->release = forget_array;
  if (fill_array(c, s, &once, to, where)) return to;
  bridge_free_array(to);
  return NULL;
}

static int result_of(const check *c, const void *copy) { return copy ? BRIDGE_SOUND : c->out_of_memory ? BRIDGE_MEMORY : BRIDGE_MALFORMED; }

int bridge_copy_schema(const struct ArrowSchema *schema, struct ArrowSchema **copy, char *buffer, size_t size) {
  check c = {.buffer = buffer, .size = size};
  *copy = copy_schema(&c, schema, "schema", 0);
  return result_of(&c, *copy);
}

int bridge_copy_array(const struct ArrowSchema *schema, const struct ArrowArray *array, struct ArrowArray **copy, char *buffer,
                      size_t size) {
  check c = {.buffer = buffer, .size = size};
  *copy = copy_array(&c, schema, array, "array");
  return result_of(&c, *copy);
}

const char *bridge_check_stream(const struct ArrowArrayStream *stream) {
  if (!is_struct(stream, sizeof *stream)) return "the stream is no memory that can be read, or misaligned";
  if (!stream->release || !stream->get_schema || !stream->get_next) return "the stream was already released or lacks a callback";
  if (!is_code((uintptr_t)stream->release) || !is_code((uintptr_t)stream->get_schema) || !is_code((uintptr_t)stream->get_next) ||
      (stream->get_last_error && !is_code((uintptr_t)stream->get_last_error)))
    return "a callback of the stream is no function";
  return NULL;
}

int bridge_is_text(const char *text) { return length_of(text, MAX_NAME) >= 0; }
