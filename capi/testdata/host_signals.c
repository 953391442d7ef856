/* host_signals.c: a host with signal handlers of the simplest kind, without SA_ONSTACK, which are
 * installed after the library was loaded. The argument tells what is tried.
 *   timers    trains under SIGPROF and SIGALRM until enough of both were delivered
 *   flags     handlers get SA_ONSTACK and keep all else; with "sa_onstack": false they stay as they are
 *   callback  a handler that a callback installs has the flag when training goes on, and one that
 *             another thread installs has it soon
 *   pipe      a write to a broken pipe ends the process by SIGPIPE, as without the library
 *   segv, bus, fpe, ill, abrt, sent, later  a fault in a progress callback ends the process by its
 *             own signal, as SIGSEGV does that was sent by kill, and a handler that passes it on
 *   log, sum, schema, next, error, release  a SIGSEGV in other callbacks
 *   recover   a handler with a recovery of its own sees a fault in a callback */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arrays.h"

enum { ENOUGH = 100 };

static const char *what;
static govpn_data set;
static govpn_model model;
static volatile sig_atomic_t alarms, profiles, calls;
static volatile int zero;
static sigjmp_buf after_fault;
static struct sigaction earlier;

static int is(const char *name) { return !strcmp(what, name); }

static void on_signal(int number) { *(number == SIGALRM ? &alarms : &profiles) += 1; }
static void on_info(int number, siginfo_t *info, void *context) { (void)number, (void)info, (void)context; }

static struct sigaction now(int number) {
  struct sigaction a;
  CHECK(sigaction(number, NULL, &a) == 0);
  return a;
}

/* Stops the training when enough signals were delivered. */
static int32_t enough(const govpn_progress *p, void *unused) {
  (void)p, (void)unused;
  return alarms >= ENOUGH && profiles >= ENOUGH;
}

static void timers(void) {
  const struct itimerval every = {{0, 1000}, {0, 1000}};
  struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGALRM, &a, NULL) == 0 && sigaction(SIGPROF, &a, NULL) == 0);
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0 && setitimer(ITIMER_PROF, &every, NULL) == 0);
  FAILS(GOVPN_E_CANCELLED, "stopped", govpn_model_fit(model, set, 0, "{\"epochs\": 1000000}", enough, NULL));
}

/* Requires that the actions are the same but for SA_ONSTACK. */
static void same_but_stack(const struct sigaction *got, const struct sigaction *want) {
  CHECK(got->sa_handler == want->sa_handler && (got->sa_flags & ~SA_ONSTACK) == (want->sa_flags & ~SA_ONSTACK));
  for (int number = 1; number < 65; number++) CHECK(sigismember(&got->sa_mask, number) == sigismember(&want->sa_mask, number));
}

static void flags(void) {
  const int numbers[] = {SIGUSR1, SIGALRM, SIGSEGV, SIGRTMIN + 3, SIGCHLD};
  const int kinds[] = {0, SA_RESTART, SA_NODEFER, SA_RESETHAND | SA_RESTART, SA_NOCLDSTOP | SA_NOCLDWAIT};
  enum { N = sizeof numbers / sizeof *numbers };
  struct sigaction want[N];
  govpn_data_free(set);
  for (int on = 1; on >= 0; on--) {
    for (int i = 0; i < N; i++) {
      want[i] = (struct sigaction){.sa_flags = kinds[i]};
      if (i % 2) {
        want[i].sa_sigaction = on_info;
        want[i].sa_flags |= SA_SIGINFO;
      } else {
        want[i].sa_handler = on_signal;
      }
      CHECK(sigaddset(&want[i].sa_mask, SIGUSR2) == 0 && sigaddset(&want[i].sa_mask, numbers[i]) == 0);
      CHECK(sigaction(numbers[i], &want[i], NULL) == 0);
      want[i] = now(numbers[i]); /* libc adds flags of its own */
    }
    CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    if (!on) OK(govpn_init("{\"sa_onstack\": false}"));
    set = labelled(64);
    for (int i = 0; i < N; i++) {
      struct sigaction a = now(numbers[i]);
      same_but_stack(&a, &want[i]);
      CHECK(!(a.sa_flags & SA_ONSTACK) == !on);
    }
    CHECK(now(SIGHUP).sa_handler == SIG_IGN && now(SIGUSR2).sa_handler == SIG_DFL);
    if (on) govpn_data_free(set);
  }
  OK(govpn_init("{\"sa_onstack\": true}"));
  CHECK(now(SIGUSR1).sa_flags & SA_ONSTACK);
  OK(govpn_init("{\"log_level\": \"error\"}")); /* a key that is missing leaves it */
  CHECK(now(SIGUSR1).sa_flags & SA_ONSTACK);
  OK(govpn_init("{\"sa_onstack\": false}")); /* takes back what it added */
  CHECK(!(now(SIGUSR1).sa_flags & SA_ONSTACK));
}

/* Installs a handler in the first call, which the second finds with the flag. Then waits until
 * another thread's has it, too. */
static int32_t install(const govpn_progress *p, void *unused) {
  struct sigaction a = {.sa_handler = on_signal};
  (void)p, (void)unused;
  switch (calls++) {
    case 0: CHECK(sigaction(SIGUSR1, &a, NULL) == 0); return 0;
    case 1: CHECK(now(SIGUSR1).sa_flags & SA_ONSTACK); return 0;
    case 2: CHECK(sigaction(SIGUSR2, &a, NULL) == 0); break;
  }
  while (!(now(SIGUSR2).sa_flags & SA_ONSTACK)) nanosleep(&(struct timespec){0, 1000000}, NULL);
  return 1;
}

static void pipes(void) {
  int ends[2];
  CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
  CHECK(write(ends[1], "x", 1) == 1); /* does not return */
}

static void fault(void) {
  if (is("bus")) raise(SIGBUS);
  if (is("fpe")) zero = 7 / zero;
  if (is("ill")) __builtin_trap();
  if (is("abrt")) abort();
  if (is("sent")) kill(getpid(), SIGSEGV);
  if (is("recover") && sigsetjmp(after_fault, 1)) {
    calls++;
    return;
  }
  *(volatile int *)(uintptr_t)zero = 1;
}

/* A child that returns from the callback that forked it is ended. */
static void fork_here(void) {
  int status = 0;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) return;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static int32_t progress(const govpn_progress *p, void *unused) {
  (void)p, (void)unused;
  if (is("fork"))
    fork_here();
  else
    fault();
  return 1;
}
static int32_t sum(float *values, int64_t count, void *unused) {
  (void)values, (void)count, (void)unused;
  fault();
  return 1;
}
static void log_fault(int32_t level, const char *message, void *unused) {
  (void)level, (void)message, (void)unused;
  fault();
}
static int fault_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  struct ArrowArray unused;
  (void)stream;
  if (is("schema")) fault();
  make_table(out, &unused, 1);
  unused.release(&unused);
  return is("error");
}
static int fault_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  (void)stream;
  if (is("next")) fault();
  out->release = NULL;
  return 0;
}
static const char *fault_error(struct ArrowArrayStream *stream) {
  (void)stream;
  fault();
  return NULL;
}
static void release_stream(struct ArrowArrayStream *stream) { stream->release = NULL; }
static void fault_release(struct ArrowArray *a) {
  (void)a;
  fault();
}

static void pass_on(int number, siginfo_t *info, void *context) {
  profiles++;
  earlier.sa_sigaction(number, info, context);
}
static void jump(int number) {
  CHECK(number == SIGSEGV);
  siglongjmp(after_fault, 1);
}

static void faults(void) {
  struct ArrowArrayStream stream = {fault_schema, fault_next, fault_error, release_stream, NULL};
  struct ArrowSchema s;
  struct ArrowArray a;
  struct sigaction later = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO};
  if (is("later")) CHECK(sigaction(SIGSEGV, &later, &earlier) == 0);
  if (is("recover")) CHECK(signal(SIGSEGV, jump) != SIG_ERR);
  if (is("release")) {
    make_images(&s, &a, 10, 0);
    a.release = fault_release;
    OK(govpn_data_import(&s, &a, "{\"shape\": [8, 8, 1]}", &set));
    govpn_data_free(set);
  }
  if (is("schema") || is("next") || is("error")) govpn_data_import_stream(&stream, "{\"shape\": [8, 8, 1]}", &set);
  if (is("log")) {
    OK(govpn_init("{\"log_level\": \"info\"}"));
    OK(govpn_set_log(log_fault, NULL));
    govpn_model_create("{\"base\": \"sr\"}", &model);
  }
  if (is("sum")) OK(govpn_model_share(model, 0, 2, sum, NULL));
  govpn_model_fit(model, set, 0, NULL, progress, NULL);
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  what = arguments[1];
  CHECK(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0);
  char options[128];
  snprintf(options, sizeof options, "{\"device\": \"%s\", \"base\": \"dnn3\", \"mode\": \"plain\", \"batch_size\": 8}", device());
  set = labelled(64);
  OK(govpn_model_create(options, &model));
  if (is("timers"))
    timers();
  else if (is("flags"))
    flags();
  else if (is("callback"))
    FAILS(GOVPN_E_CANCELLED, "stopped", govpn_model_fit(model, set, 0, "{\"epochs\": 1000000}", install, NULL));
  else if (is("pipe"))
    pipes();
  else
    faults();
  CHECK(!is("recover") || calls == 1);
  puts("host_signals: ok");
  return 0;
}
