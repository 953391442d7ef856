/* arrow_check.c: checks structs of the Arrow C data interface before the library follows a pointer
 * or trusts a length in them.
 *
 * The interface does not tell how large memory is. So a wrong pointer or length is found only if it
 * leaves the memory of the process: bridge_readable asks the system. Memory inside the process is
 * believed to be what the producer says. */
#define _DEFAULT_SOURCE
#include "bridge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { MAX_DEPTH = 16, MAX_NODES = 1 << 17, MAX_FORMAT = 1 << 10, MAX_NAME = 1 << 16, MAX_PAIRS = 1 << 12, MAX_VALUE = 1 << 26 };
enum { PAGE = 4096, PROBES = 4096 };

#ifdef __linux__
/* Returns 1 if the byte at address can be read, without reading it here. The kernel reads the new
 * signal mask before it refuses -1 as a way to set it: EFAULT means that it could not read. */
static int probe(uintptr_t address) {
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
#else
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

/* The state of one bridge_check: how many structs it has seen, and the buffer for the reason. */
typedef struct {
  int64_t nodes;
  char *buffer;
  size_t size;
} check;

/* Writes the reason of a failed check and returns it. */
__attribute__((format(printf, 2, 3))) static const char *because(const check *c, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(c->buffer, c->size, format, arguments);
  va_end(arguments);
  return c->buffer;
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
 * total size. Returns 1 if every length is within bounds and the bytes behind it can be read. */
static int metadata_is_sound(const char *p) {
  int32_t pairs, bytes;
  if (!p) return 1;
  if (!bridge_readable(p, sizeof pairs)) return 0;
  memcpy(&pairs, p, sizeof pairs);
  p += sizeof pairs;
  if (pairs < 0 || pairs > MAX_PAIRS) return 0;
  for (int32_t i = 0; i < 2 * pairs; i++) {
    if (!bridge_readable(p, sizeof bytes)) return 0;
    memcpy(&bytes, p, sizeof bytes);
    if (bytes < 0 || bytes > MAX_VALUE || !bridge_readable(p, sizeof bytes + (size_t)bytes)) return 0;
    p += sizeof bytes + (size_t)bytes;
  }
  return 1;
}

static const char *check_schema(check *c, const struct ArrowSchema *s, const char *where, int depth) {
  layout l;
  if (depth > MAX_DEPTH) return because(c, "%s: nested more than %d deep", where, MAX_DEPTH);
  if (++c->nodes > MAX_NODES) return because(c, "%s: more than %d types in all", where, MAX_NODES);
  if (!is_struct(s, sizeof *s)) return because(c, "%s is no memory that can be read, or misaligned", where);
  if (!s->release) return because(c, "%s was already released", where);
  if (!s->format) return because(c, "%s: format is NULL", where);
  if (length_of(s->format, MAX_FORMAT) < 0) return because(c, "%s: format is no text of fewer than %d bytes", where, MAX_FORMAT);
  if (!layout_of(s->format, &l)) return because(c, "%s: format is \"%.40s\", which is none of Arrow's", where, s->format);
  if (s->name && length_of(s->name, MAX_NAME) < 0)
    return because(c, "%s: name is no text of fewer than %d bytes", where, MAX_NAME);
  if (s->flags & ~(int64_t)(ARROW_FLAG_DICTIONARY_ORDERED | ARROW_FLAG_NULLABLE | ARROW_FLAG_MAP_KEYS_SORTED))
    return because(c, "%s: flags is %lld, want 0 to 7", where, (long long)s->flags);
  if (s->n_children < 0 || s->n_children > MAX_NODES)
    return because(c, "%s: n_children is %lld, want 0 to %d", where, (long long)s->n_children, MAX_NODES);
  if (l.children >= 0 && s->n_children != l.children)
    return because(c, "%s: n_children is %lld, want %lld for format \"%.40s\"", where, (long long)s->n_children,
                   (long long)l.children, s->format);
  if (s->n_children > 0 && !is_struct(s->children, (size_t)s->n_children * sizeof *s->children))
    return because(c, "%s: children is NULL or no memory that can be read", where);
  if (s->dictionary && (s->format[1] || !strchr("cCsSiIlL", s->format[0])))
    return because(c, "%s: has a dictionary and format \"%.40s\", want one of integers", where, s->format);
  if (!metadata_is_sound(s->metadata)) return because(c, "%s: metadata is malformed", where);
  for (int64_t i = 0; i < s->n_children; i++) {
    if (!s->children[i]) return because(c, "%s: child %lld is NULL", where, (long long)i);
    const char *why = check_schema(c, s->children[i], "schema of a child", depth + 1);
    if (why) return why;
  }
  return s->dictionary ? check_schema(c, s->dictionary, "schema of a dictionary", depth + 1) : NULL;
}

static const char *check_counts(check *c, const struct ArrowSchema *s, const struct ArrowArray *a, const layout *l, const char *where) {
  if (!a->release) return because(c, "%s was already released", where);
  if (a->length < 0) return because(c, "%s: length is %lld, want 0 or more", where, (long long)a->length);
  if (a->offset < 0) return because(c, "%s: offset is %lld, want 0 or more", where, (long long)a->offset);
  if (a->length > INT64_MAX / 64 - a->offset) return because(c, "%s: length + offset is too large", where);
  if (a->null_count < -1 || a->null_count > a->length)
    return because(c, "%s: null_count is %lld, want -1 to %lld", where, (long long)a->null_count, (long long)a->length);
  if (a->n_buffers < l->buffers || a->n_buffers > l->most)
    return because(c, "%s: n_buffers is %lld, want %lld for format \"%.40s\"", where, (long long)a->n_buffers,
                   (long long)l->buffers, s->format);
  if (a->n_buffers > 0 && !a->buffers) return because(c, "%s: buffers is NULL", where);
  if (!is_struct(a->buffers, (size_t)a->n_buffers * sizeof *a->buffers))
    return because(c, "%s: buffers is no memory that can be read", where);
  int has_validity = l->buffers > 0 && strncmp(s->format, "+u", 2) != 0;
  if (has_validity && a->null_count > 0 && !a->buffers[0]) return because(c, "%s: has nulls but no validity buffer", where);
  if (l->buffers == 2 && s->format[0] != '+' && a->length > 0 && !a->buffers[1])
    return because(c, "%s: the buffer of the values is NULL", where);
  if (a->n_children != s->n_children)
    return because(c, "%s: n_children is %lld, the schema has %lld", where, (long long)a->n_children, (long long)s->n_children);
  if (a->n_children > 0 && !is_struct(a->children, (size_t)a->n_children * sizeof *a->children))
    return because(c, "%s: children is NULL or no memory that can be read", where);
  if (!a->dictionary != !s->dictionary) return because(c, "%s: only one of schema and array has a dictionary", where);
  return NULL;
}

static const char *check_array(check *c, const struct ArrowSchema *s, const struct ArrowArray *a, const char *where) {
  layout l;
  if (!layout_of(s->format, &l)) return because(c, "%s: format changed", where);
  if (!is_struct(a, sizeof *a)) return because(c, "%s is no memory that can be read, or misaligned", where);
  const char *why = check_counts(c, s, a, &l, where);
  if (why) return why;
  int64_t used = a->offset + a->length;
  if (l.list > 0 && used > INT64_MAX / l.list) return because(c, "%s: length + offset is too large", where);
  for (int64_t i = 0; i < a->n_children; i++) {
    if (!a->children[i]) return because(c, "%s: child %lld is NULL", where, (long long)i);
    if ((why = check_array(c, s->children[i], a->children[i], "a child array"))) return why;
    if (a->children[i]->length < used * l.list)
      return because(c, "%s: child %lld has %lld values, want at least %lld", where, (long long)i,
                     (long long)a->children[i]->length, (long long)(used * l.list));
  }
  return a->dictionary ? check_array(c, s->dictionary, a->dictionary, "a dictionary") : NULL;
}

const char *bridge_check(const struct ArrowSchema *schema, const struct ArrowArray *array, char *buffer, size_t size) {
  check c = {0, buffer, size};
  const char *why = check_schema(&c, schema, "schema", 0);
  return why || !array ? why : check_array(&c, schema, array, "array");
}
