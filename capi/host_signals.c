/* host_signals.c: lets the host's signal handlers and Go's live together.
 *
 * Go's goroutines have small stacks. A handler must not run there: it needs SA_ONSTACK, with which
 * the kernel takes the thread's alternate stack, and every thread that runs Go has one. Go gives
 * SA_ONSTACK to the handlers that it finds when it is loaded. This file gives it to those that come
 * later. It also passes signals that are not Go's on to what the host had before. */
#define _GNU_SOURCE
#include "bridge.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* The kernel's struct and call, because libc's sigaction hides libc's own signals, and sanitizers
 * replace it. What is read here is written back unchanged, but for the flag. */
typedef struct {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
} action;
#define HANDLER(a) ((a)->handler)
#define FLAGS(a) ((a)->flags)
static int change(int number, const action *to, action *before) {
  return (int)syscall(SYS_rt_sigaction, number, to, before, sizeof to->mask);
}
enum { LAST_SIGNAL = 64 };
#else
typedef struct sigaction action;
#define HANDLER(a) ((void *)(a)->sa_handler)
#define FLAGS(a) ((a)->sa_flags)
static int change(int number, const action *to, action *before) { return sigaction(number, to, before); }
enum { LAST_SIGNAL = NSIG - 1 };
#endif

static int is_function(const action *a) { return HANDLER(a) != (void *)SIG_DFL && HANDLER(a) != (void *)SIG_IGN; }
static int lacks_stack(const action *a) { return is_function(a) && !(FLAGS(a) & SA_ONSTACK); }
static int same(const action *a, const action *b) { return HANDLER(a) == HANDLER(b) && FLAGS(a) == FLAGS(b); }

/* ---- SA_ONSTACK ------------------------------------------------------------------------------ */

static atomic_int leave_alone; /* the option "sa_onstack" is false */
static pthread_mutex_t mending = PTHREAD_MUTEX_INITIALIZER;
static void *mended[LAST_SIGNAL + 1]; /* the handlers that got SA_ONSTACK here */

/* Replaces the action of a signal by another, which `to` makes of it. A host's thread may change
 * the action at the same time. Its change is newer: it is found by what was replaced, and is put
 * back. */
static void replace(int number, void (*to)(int, action *)) {
  action expected, next, before;
  if (change(number, NULL, &expected)) return;
  for (next = expected;; next = before) {
    to(number, &next);
    if (same(&next, &expected) || change(number, &next, &before) || same(&before, &expected)) return;
    expected = next;
  }
}

static void add_stack(int number, action *a) {
  if (!lacks_stack(a)) return;
  FLAGS(a) |= SA_ONSTACK;
  mended[number] = HANDLER(a);
}

static void remove_stack(int number, action *a) {
  if (is_function(a) && HANDLER(a) == mended[number]) FLAGS(a) &= ~(__typeof__(FLAGS(a)))SA_ONSTACK;
}

void bridge_mend_handlers(void) {
  action a;
  for (int number = 1; number <= LAST_SIGNAL && !leave_alone; number++) {
    if (change(number, NULL, &a) || !lacks_stack(&a)) continue;
    pthread_mutex_lock(&mending);
    if (!leave_alone) replace(number, add_stack);
    pthread_mutex_unlock(&mending);
  }
}

/* ---- the thread that looks for new handlers --------------------------------------------------- */

enum { LOADING_MS = 1, CALL_MS = 10, AFTER_MS = 1000, IDLE_MS = 500 };

static atomic_int calls;  /* calls that run */
static atomic_int called; /* there was one */
static atomic_int loaded; /* Go is initialised */
static atomic_int dozing; /* the thread waits for longer than CALL_MS, or for ever */
static pthread_mutex_t doze_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t doze_end = PTHREAD_COND_INITIALIZER;

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* Waits until a call begins, or IDLE_MS. Before the first call Go is at rest, and nothing is to be
 * looked for. */
static void doze(void) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += IDLE_MS * 1000000L;
  end.tv_sec += end.tv_nsec / 1000000000;
  end.tv_nsec %= 1000000000;
  pthread_mutex_lock(&doze_lock);
  dozing = 1; /* before the look at calls: bridge_enter_go looks the other way round */
  if (!calls && called && !leave_alone) pthread_cond_timedwait(&doze_end, &doze_lock, &end);
  while (!called || leave_alone) pthread_cond_wait(&doze_end, &doze_lock);
  dozing = 0;
  pthread_mutex_unlock(&doze_lock);
}

static void wake(void) {
  pthread_mutex_lock(&doze_lock);
  pthread_cond_signal(&doze_end);
  pthread_mutex_unlock(&doze_lock);
}

static void *watch(void *unused) {
  for (long quiet = 0;;) {
    bridge_mend_handlers();
    if (!loaded) {
      pause_ms(LOADING_MS);
    } else if (!leave_alone && (calls || (called && quiet < AFTER_MS))) {
      quiet = calls ? 0 : quiet + CALL_MS;
      pause_ms(CALL_MS);
    } else {
      doze();
    }
  }
  return unused;
}

/* Without this thread, the host's handlers are still looked at when a call begins. */
static void start_watching(void) {
  enum { STACK = 256 << 10 };
  pthread_t thread;
  pthread_attr_t small;
  sigset_t all, before;
  if (pthread_attr_init(&small)) return;
  pthread_attr_setstacksize(&small, STACK);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits it: no handler runs there */
  pthread_create(&thread, &small, watch, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&small);
}

void bridge_enter_go(int quick) {
  calls++;
  called = 1;
  if (dozing) wake();
  if (!quick) bridge_mend_handlers();
}

void bridge_leave_go(void) { calls--; }

void bridge_set_onstack(int on) {
  pthread_mutex_lock(&mending);
  leave_alone = !on;
  for (int number = 1; !on && number <= LAST_SIGNAL; number++) {
    if (mended[number]) replace(number, remove_stack);
    mended[number] = NULL;
  }
  pthread_mutex_unlock(&mending);
  bridge_mend_handlers();
  wake();
}

/* ---- signals that are not Go's ---------------------------------------------------------------- */

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

/* Go handles five signals: three of faults, of which those in Go code are its own; SIGURG, which its
 * threads send one another; and SIGPIPE, which it does not need. */
static const int gos[] = {SIGSEGV, SIGBUS, SIGFPE, SIGPIPE, SIGURG};
enum { GOS = sizeof gos / sizeof *gos };

static action host[LAST_SIGNAL + 1]; /* what was there before Go */
static action go[LAST_SIGNAL + 1];   /* Go's own */

/* Does with a signal what would have happened without Go: calls the host's handler, or lets the
 * kernel do the default. Without it, Go would end the process by SIGQUIT after a fault outside of
 * Go code. The kernel ignores a signal for SIG_IGN only if it was sent: a fault ends the process. */
static void as_before_go(int number, siginfo_t *info, void *context) {
  const action *a = &host[number];
  int sent = info->si_code <= 0 || number == SIGPIPE;
  if ((a->handler == (void *)SIG_IGN && sent) || (a->handler == (void *)SIG_DFL && number == SIGURG)) return;
  if (is_function(a)) {
    void (*handler)(int, siginfo_t *, void *);
    *(void **)&handler = a->handler;
    handler(number, info, context);
    return;
  }
  static const action standard = {(void *)SIG_DFL, 0, NULL, 0};
  change(number, &standard, NULL);
  /* A fault happens again when its instruction is executed again. Other signals are sent again. All
   * are blocked until this handler returns. */
  if (sent) syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

/* Returns 1 for a signal that Go may have to handle: a fault (not one that was sent by kill), or
 * what one thread of the process sends another. */
static int may_be_gos(int number, const siginfo_t *info) {
  return number == SIGURG ? info->si_code == SI_TKILL && info->si_pid == getpid() : info->si_code > 0;
}

/* Stands before Go's handler. Go takes every signal that was sent by kill, and ends the process by
 * SIGQUIT. */
static void before_go(int number, siginfo_t *info, void *context) {
  void (*handler)(int, siginfo_t *, void *) = as_before_go;
  if (may_be_gos(number, info)) *(void **)&handler = go[number].handler;
  handler(number, info, context);
}

static int is_ours(const void *code) {
  extern const char __ehdr_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));
  return (uintptr_t)code >= (uintptr_t)__ehdr_start && (uintptr_t)code < (uintptr_t)_end;
}

/* Puts as_before_go in the place of the default, before Go is initialised: Go passes faults outside
 * of Go code, and SIGPIPE, on to the handler that it finds. With SIG_IGN it would return to the
 * faulty instruction for ever. */
static void stand_behind_go(void) {
  for (int i = 0; i < GOS; i++) {
    action *a = &host[gos[i]];
    if (change(gos[i], NULL, a) || is_function(a) || gos[i] == SIGURG) continue;
    if (gos[i] == SIGPIPE && a->handler == (void *)SIG_IGN) continue;
    struct sigaction mine = {.sa_sigaction = as_before_go, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&mine.sa_mask);
    sigaction(gos[i], &mine, NULL);
  }
}

static void put_before_go(int number, action *a) {
  if (!is_ours(a->handler) || a->handler == (void *)before_go || a->handler == (void *)as_before_go) return;
  go[number] = *a;
  a->handler = (void *)before_go;
}

static void stand_before_go(void) {
  for (int i = 0; i < GOS; i++)
    if (gos[i] != SIGPIPE && (gos[i] != SIGURG || is_function(&host[SIGURG]))) replace(gos[i], put_before_go);
}

/* ---- address space ---------------------------------------------------------------------------- */

/* Go reserves tables of 585 and 512 MiB, whose size is fixed when Go itself is compiled, an arena of
 * 64 MiB, and stacks. Without room for the first table it ends the process with a long report.
 * Without room for the second it takes low addresses that are not its own. */
enum { NEEDED_MB = 1250 };

static void check_address_space(void) {
  size_t needed = (size_t)NEEDED_MB << 20;
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY) return;
#ifdef __GLIBC__
  /* Each thread that allocates would reserve 64 MiB more, as long as there is room for it. Go's next
   * thread would then find none for its stack, and end the process. */
  if (limit.rlim_cur < (rlim_t)8 << 30) mallopt(M_ARENA_MAX, 1);
#endif
  void *space = mmap(NULL, needed, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space != MAP_FAILED) {
    munmap(space, needed);
    return;
  }
  fprintf(stderr, "govpn: loading libgovpn needs %d MiB of address space: raise the limit (ulimit -v, RLIMIT_AS)\n", NEEDED_MB);
  _exit(2);
}

__attribute__((constructor(101))) static void before_go_loads(void) {
  check_address_space();
  stand_behind_go();
  start_watching();
}
#else
static void stand_before_go(void) {}
__attribute__((constructor)) static void before_go_loads(void) { start_watching(); }
#endif

void bridge_loaded(void) {
  stand_before_go();
  loaded = 1;
}
