/* faultfs.c: a folder refuses writes for a while, for the reason that the first argument names. The
 * second argument is the folder. Its files stay whole, models stay usable, and training can go
 * on. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arrays.h"

static const char *folder;

static const char *in_folder(const char *name) {
  static char paths[8][512];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

/* Mounts an empty file system of 128 KiB on the folder, in this process's own mount namespace. */
static void small_disk(void) {
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", folder, "tmpfs", 0, "size=128k")) {
    printf("faultfs: no mount here: %s\n", strerror(errno));
    exit(77);
  }
}

static void full(int broken) {
  if (!broken) {
    CHECK(unlink(in_folder("ballast")) == 0);
    return;
  }
  static char block[4096];
  int f = open(in_folder("ballast"), O_CREAT | O_WRONLY, 0600);
  CHECK(f >= 0);
  while (write(f, block, sizeof block) > 0) continue;
  CHECK(errno == ENOSPC && close(f) == 0);
}

static void read_only(int broken) {
  CHECK(mount("none", folder, NULL, MS_REMOUNT | (broken ? MS_RDONLY : 0), NULL) == 0);
}

/* Takes the right to write from the folder, and from root the capability to ignore that. */
static void denied(int broken) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct caps[2];
  CHECK(syscall(SYS_capget, &header, caps) == 0);
  caps[0].effective &= ~(1u << CAP_DAC_OVERRIDE);
  CHECK(syscall(SYS_capset, &header, caps) == 0);
  CHECK(chmod(folder, broken ? 0500 : 0700) == 0);
}

/* Limits the files of this process to 1000 bytes. The system sends SIGXFSZ to a process that writes
 * more. By default that signal ends the process. */
static void limited(int broken) {
  struct rlimit l;
  CHECK(getrlimit(RLIMIT_FSIZE, &l) == 0 && signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
  l.rlim_cur = broken ? 1000 : l.rlim_max;
  CHECK(setrlimit(RLIMIT_FSIZE, &l) == 0);
}

static const struct fault {
  const char *name, *reason;
  void (*set)(int broken);
  int mounts;
} faults[] = {{"full", "no space left on device", full, 1},
              {"read-only", "read-only file system", read_only, 1},
              {"denied", "permission denied", denied, 0},
              {"limited", "at most 1000 bytes (RLIMIT_FSIZE", limited, 0}};

/* Requires that a call fails with GOVPN_E_IO and that its message names the path and the reason. */
#define CANNOT_WRITE(name, fault, call)                                               \
  do {                                                                                \
    char want_[600];                                                                  \
    snprintf(want_, sizeof want_, "cannot write %s: ", in_folder(name));              \
    FAILS(GOVPN_E_IO, want_, call);                                                   \
    CHECK(strstr(govpn_last_error(), (fault)->reason));                               \
  } while (0)

static size_t content(const char *path, char *to) {
  FILE *f = fopen(path, "rb");
  CHECK(f);
  size_t n = fread(to, 1, 1 << 16, f);
  CHECK(n < 1 << 16 && fclose(f) == 0);
  return n;
}

static void same(const char *a, const char *b) {
  static char as[1 << 16], bs[1 << 16];
  size_t n = content(a, as);
  CHECK(n == content(b, bs) && !memcmp(as, bs, n));
}

static int entries(void) {
  int n = 0;
  DIR *d = opendir(folder);
  CHECK(d);
  for (struct dirent *e; (e = readdir(d));) n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, "ballast");
  CHECK(closedir(d) == 0);
  return n;
}

static govpn_model plain_model(void) {
  govpn_model m = 0;
  OK(govpn_model_create("{\"device\": \"go\", \"base\": \"sr\", \"mode\": \"plain\", \"seed\": 7, \"batch_size\": 16}", &m));
  return m;
}

static int64_t epochs(govpn_model m) {
  struct ArrowSchema s;
  struct ArrowArray a;
  OK(govpn_model_history(m, &s, &a));
  int64_t n = a.length;
  s.release(&s);
  a.release(&a);
  return n;
}

static void predict(govpn_model m, govpn_data d) {
  struct ArrowSchema s;
  struct ArrowArray a;
  OK(govpn_model_predict(m, d, NULL, &s, &a));
  CHECK(a.length == 64);
  s.release(&s);
  a.release(&a);
}

/* Returns the options of a fit of three epochs that writes a checkpoint. */
static const char *training(int resume) {
  static char json[700];
  snprintf(json, sizeof json, "{\"epochs\": 3, \"resume\": %s, \"checkpoint\": \"%s\"}", resume ? "true" : "false", in_folder("m"));
  return json;
}

static void test(const struct fault *f) {
  govpn_data d = labelled(64);
  govpn_model old = plain_model(), m = plain_model(), loaded = 0;
  OK(govpn_model_fit(old, d, 0, training(0), NULL, NULL));
  OK(govpn_model_save(old, in_folder("saved")));
  OK(govpn_model_save(old, in_folder("before")));
  same(in_folder("m"), in_folder("saved"));
  OK(govpn_model_export_safetensors(old, in_folder("w"), NULL));
  CHECK(entries() == 4);

  f->set(1);
  CANNOT_WRITE("saved", f, govpn_model_save(old, in_folder("saved")));
  CANNOT_WRITE("new", f, govpn_model_save(old, in_folder("new")));
  CANNOT_WRITE("w", f, govpn_model_export_safetensors(old, in_folder("w"), NULL));
  CANNOT_WRITE("m", f, govpn_model_fit(m, d, 0, training(0), NULL, NULL));
  CHECK(epochs(m) == 1); /* the epoch before the checkpoint failed is kept */
  CANNOT_WRITE("m", f, govpn_model_fit(m, d, 0, training(1), NULL, NULL));
  CHECK(epochs(m) == 1 && entries() == 4);
  predict(m, d);
  predict(old, d);
  same(in_folder("m"), in_folder("before"));
  same(in_folder("saved"), in_folder("before"));
  OK(govpn_model_load(in_folder("saved"), "{\"device\": \"go\"}", &loaded));
  predict(loaded, d);

  f->set(0);
  OK(govpn_model_save(loaded, in_folder("new")));
  same(in_folder("new"), in_folder("before"));
  OK(govpn_model_fit(m, d, 0, training(1), NULL, NULL));
  govpn_model_free(loaded);
  OK(govpn_model_load(in_folder("m"), "{\"device\": \"go\"}", &loaded));
  CHECK(epochs(loaded) == 3 && entries() == 5);
  OK(govpn_model_export_safetensors(loaded, in_folder("new"), NULL));
  same(in_folder("w"), in_folder("new")); /* equal to an undisturbed training with the same seed */
  govpn_data_free(d);
  govpn_model_free(old);
  govpn_model_free(m);
  govpn_model_free(loaded);
  CHECK(alive == 0);
}

int main(int count, char **arguments) {
  CHECK(count == 3);
  folder = arguments[2];
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    if (strcmp(arguments[1], faults[i].name)) continue;
    if (faults[i].mounts) small_disk();
    test(&faults[i]);
    puts("faultfs: ok");
  }
  return 0;
}
