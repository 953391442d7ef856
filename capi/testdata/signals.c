/* signals.c: the host's handlers of SIGSEGV and SIGINT run, whether they were installed before or
 * after the library was loaded. So do those of SIGPIPE and SIGURG, which Go handles too, if they
 * were installed before. The arguments are "before" or "after", and the path of
 * signals_use.c's object. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);       \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

static char *forbidden; /* a page that cannot be accessed */
static volatile int faults, interrupts, others;
static sigjmp_buf after_fault;
static struct sigaction previous;

/* Handles the host's own fault and passes others to the handler that was there before, as govpn.h
 * asks. */
static void on_fault(int number, siginfo_t *info, void *context) {
  if (info->si_addr == forbidden) {
    faults++;
    siglongjmp(after_fault, 1);
  }
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, context);
  } else {
    signal(number, SIG_DFL);
  }
}

static void on_interrupt(int number) { interrupts += number == SIGINT; }

static void on_other(int number) { others += number; }

/* Go's threads send each other SIGURG, which the host's handler does not see. */
static void try_others(void) {
  int before = others;
  CHECK(kill(getpid(), SIGURG) == 0 && others == before + SIGURG);
  CHECK(kill(getpid(), SIGPIPE) == 0 && others == before + SIGURG + SIGPIPE);
}

static void install(void) {
  struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  struct sigaction interrupt = {.sa_handler = on_interrupt, .sa_flags = SA_ONSTACK};
  CHECK(sigaction(SIGSEGV, &fault, &previous) == 0 && sigaction(SIGINT, &interrupt, NULL) == 0);
}

static void try_handlers(void) {
  int f = faults, i = interrupts;
  if (!sigsetjmp(after_fault, 1)) *(volatile char *)forbidden = 1;
  CHECK(faults == f + 1);
  CHECK(raise(SIGINT) == 0 && interrupts == i + 1);
}

int main(int count, char **arguments) {
  CHECK(count == 3);
  int before = !strcmp(arguments[1], "before");
  forbidden = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (before) {
    CHECK(signal(SIGURG, on_other) != SIG_ERR && signal(SIGPIPE, on_other) != SIG_ERR);
    install(), try_handlers(), try_others();
  }
  void *object = dlopen(arguments[2], RTLD_NOW);
  if (!object) fprintf(stderr, "%s\n", dlerror());
  CHECK(object);
  int (*use)(void);
  *(void **)&use = dlsym(object, "use");
  CHECK(use());
  if (!before) install();
  try_handlers();
  if (!before) CHECK(use());
  try_handlers();
  if (before) try_others();
  CHECK(others == 2 * before * (SIGURG + SIGPIPE));
  puts("signals: ok");
  return 0;
}
