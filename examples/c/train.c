/* train.c: trains a classifier together with its noise generator, in C.
 *
 * Build it in this folder with an installed govpn (make install PREFIX=..), in one of two ways:
 *   cc -std=c11 train.c $(pkg-config --cflags --libs govpn) -o train
 *   cmake -B build && cmake --build build
 * Or build it in the root of the repository after `make lib`:
 *   cc -std=c11 -Icapi examples/c/train.c -Lbuild -lgovpn -Wl,-rpath,$PWD/build -o build/train
 *
 * Run it:
 *   train                        trains on images that the program draws
 *   train path/to/fashion-mnist  trains on Fashion-MNIST, from a folder of the published files
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <govpn.h>

/* Ends the program if a call failed, with the library's reason. */
static void check(int32_t status) {
  if (status == GOVPN_OK) return;
  fprintf(stderr, "%s: %s\n", govpn_status_name(status), govpn_last_error());
  exit(1);
}

enum { IMAGES = 2000, SIDE = 16, CLASSES = 4 };

/* The release of static memory: there is nothing to free. */
static void keep_schema(struct ArrowSchema *schema) { schema->release = NULL; }
static void keep_array(struct ArrowArray *array) { array->release = NULL; }

/* Draws 16×16 images: a bright square on a noisy ground. Its place, one of four, is the class. */
static govpn_data draw_images(void) {
  static int32_t labels[IMAGES];
  struct ArrowSchema schema;
  struct ArrowArray array;
  govpn_data data;
  check(govpn_data_alloc("{\"shape\": [2000, 16, 16, 1], \"dtype\": \"uint8\"}", &schema, &array, &data));
  unsigned char *pixels = (unsigned char *)(uintptr_t)array.children[0]->buffers[1]; /* memory of the device */
  for (int i = 0; i < IMAGES; i++) {
    labels[i] = rand() % CLASSES;
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++) {
        int bright = y / 8 == labels[i] / 2 && x / 8 == labels[i] % 2;
        *pixels++ = (unsigned char)(rand() % 128 + (bright ? 64 : 0));
      }
  }
  schema.release(&schema);
  array.release(&array); /* the data set keeps the memory */

  const void *buffers[2] = {NULL, labels};
  schema = (struct ArrowSchema){.format = "i", .release = keep_schema};
  array = (struct ArrowArray){.length = IMAGES, .n_buffers = 2, .buffers = buffers, .release = keep_array};
  check(govpn_data_set_labels(data, &schema, &array, NULL));
  return data;
}

static govpn_data open_fashion_mnist(const char *folder, const char *split) {
  char options[4200];
  govpn_data data;
  snprintf(options, sizeof options, "{\"format\": \"fashion-mnist\", \"path\": \"%.4000s\", \"split\": \"%s\"}", folder, split);
  check(govpn_data_open(options, &data));
  return data;
}

static int32_t show_progress(const govpn_progress *p, void *user_data) {
  (void)user_data;
  if (p->phase == GOVPN_PHASE_COMPILING) printf("compiling\n");
  if (p->phase == GOVPN_PHASE_EPOCH)
    printf("epoch %d/%d  loss %.3f  accuracy %.3f  %.1f s\n", (int)p->epoch, (int)p->epochs, p->loss, p->metric, p->elapsed_s);
  fflush(stdout);
  return 0; /* another value would stop the training */
}

static void show_accuracy(govpn_model model, govpn_data test, const char *noise) {
  char options[64], *json;
  snprintf(options, sizeof options, "{\"noise\": \"%s\"}", noise);
  check(govpn_model_evaluate(model, test, options, &json));
  printf("noise %-9s  %s\n", noise, json);
  govpn_free(json);
}

static void show_predictions(govpn_model model, govpn_data test) {
  struct ArrowSchema schema;
  struct ArrowArray array;
  check(govpn_model_predict(model, test, "{\"noise\": \"classwise\"}", &schema, &array));
  const int32_t *labels = array.buffers[1];
  printf("the first images show classes");
  for (int64_t i = 0; i < array.length && i < 10; i++) printf(" %d", (int)labels[i]);
  printf("\n");
  schema.release(&schema);
  array.release(&array);
}

int main(int argc, char **argv) {
  govpn_data all, train, valid, test;
  if (argc > 1) {
    all = open_fashion_mnist(argv[1], "train");
    test = open_fashion_mnist(argv[1], "test");
    check(govpn_data_split(all, "{\"first\": 50000}", &train, &valid));
  } else {
    govpn_data rest;
    all = draw_images();
    check(govpn_data_split(all, "{\"first\": 1200}", &train, &rest));
    check(govpn_data_split(rest, "{\"first\": 400}", &valid, &test));
    govpn_data_free(rest);
  }
  govpn_data_free(all); /* its parts keep the images */

  govpn_model model;
  check(govpn_model_create("{\"base\": \"dnn3\", \"mode\": \"joint\", \"epochs\": 3, \"batch_size\": 100}", &model));
  check(govpn_model_fit(model, train, valid, NULL, show_progress, NULL));
  show_accuracy(model, test, "none");
  show_accuracy(model, test, "classwise");
  show_predictions(model, test);

  govpn_model_free(model);
  govpn_data_free(train);
  govpn_data_free(valid);
  govpn_data_free(test);
  return 0;
}
