// train.cpp: trains a classifier together with its noise generator through govpn's C interface, from C++.
//
// Compile in the repository's root, after `make lib`, and run:
//   c++ -std=c++17 -Icapi examples/cpp/train.cpp -Lbuild -lgovpn -Wl,-rpath,$PWD/build -o build/train
//   build/train                        on images that the program draws
//   build/train ../data/fashion-mnist  on Fashion-MNIST, from a folder with the publisher's files

#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "govpn.h"

namespace {

// A failed call as an exception.
void check(int32_t status) {
  if (status != GOVPN_OK) throw std::runtime_error(std::string(govpn_status_name(status)) + ": " + govpn_last_error());
}

// A handle that frees itself.
template <void (*Free)(uint64_t)>
class Handle {
 public:
  Handle() = default;
  Handle(Handle &&other) noexcept : value_(std::exchange(other.value_, 0)) {}
  Handle &operator=(Handle &&other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Handle() { Free(value_); }
  operator uint64_t() const { return value_; }
  uint64_t *out() { return &value_; }

 private:
  uint64_t value_ = 0;
};
using Data = Handle<govpn_data_free>;
using Model = Handle<govpn_model_free>;

// An Arrow array with its schema, which releases itself.
struct Array {
  ArrowSchema schema{};
  ArrowArray array{};
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() {
    if (schema.release) schema.release(&schema);
    if (array.release) array.release(&array);
  }
};

// Text that the library handed out.
std::string take(char *text) {
  std::string copy(text);
  govpn_free(text);
  return copy;
}

// Labels as an Arrow array over the vector's own memory: govpn copies them before it releases the array.
void set_labels(const Data &data, const std::vector<int32_t> &labels) {
  Array a;
  const void *buffers[] = {nullptr, labels.data()};
  a.schema.format = "i";
  a.schema.release = [](ArrowSchema *s) { s->release = nullptr; };
  a.array.length = static_cast<int64_t>(labels.size());
  a.array.n_buffers = 2;
  a.array.buffers = buffers;
  a.array.release = [](ArrowArray *array) { array->release = nullptr; };
  check(govpn_data_set_labels(data, &a.schema, &a.array, nullptr));
}

// Draws 16×16 images: a bright square in one of four places, its class, on a noisy ground.
Data draw_images() {
  Data data;
  Array images;
  check(govpn_data_alloc(R"({"shape": [2000, 16, 16, 1], "dtype": "uint8"})", &images.schema, &images.array, data.out()));
  auto *pixels = static_cast<uint8_t *>(const_cast<void *>(images.array.children[0]->buffers[1]));  // the device's own memory
  std::mt19937 random(1);
  std::vector<int32_t> labels(2000);
  for (int32_t &label : labels) {
    label = static_cast<int32_t>(random() % 4);
    for (int y = 0; y < 16; y++)
      for (int x = 0; x < 16; x++) {
        const bool bright = y / 8 == label / 2 && x / 8 == label % 2;
        *pixels++ = static_cast<uint8_t>(random() % 128 + (bright ? 64 : 0));
      }
  }
  set_labels(data, labels);
  return data;
}

Data open_fashion_mnist(const std::string &folder, const std::string &split) {
  Data data;
  check(govpn_data_open((R"({"format": "fashion-mnist", "path": ")" + folder + R"(", "split": ")" + split + "\"}").c_str(), data.out()));
  return data;
}

std::pair<Data, Data> split(const Data &data, int first) {
  std::pair<Data, Data> parts;
  check(govpn_data_split(data, ("{\"first\": " + std::to_string(first) + "}").c_str(), parts.first.out(), parts.second.out()));
  return parts;
}

int32_t show_progress(const govpn_progress *p, void *) noexcept {  // an exception must not leave a callback
  if (p->phase == GOVPN_PHASE_COMPILING) std::printf("compiling\n");
  if (p->phase == GOVPN_PHASE_EPOCH)
    std::printf("epoch %d/%d  loss %.3f  accuracy %.3f  %.1f s\n", p->epoch, p->epochs, p->loss, p->metric, p->elapsed_s);
  std::fflush(stdout);
  return 0;  // anything else would stop the training
}

void train(Data all, Data test) {
  auto [train, valid] = split(all, test ? 50000 : 1200);
  if (!test) std::tie(valid, test) = split(valid, 400);

  Model model;
  check(govpn_model_create(R"({"base": "dnn3", "mode": "joint", "epochs": 3, "batch_size": 100})", model.out()));
  check(govpn_model_fit(model, train, valid, nullptr, show_progress, nullptr));
  for (const char *noise : {"none", "classwise"}) {
    char *json = nullptr;
    check(govpn_model_evaluate(model, test, (std::string(R"({"noise": ")") + noise + "\"}").c_str(), &json));
    std::printf("noise %-9s  %s\n", noise, take(json).c_str());
  }
  Array labels;
  check(govpn_model_predict(model, test, R"({"noise": "classwise"})", &labels.schema, &labels.array));
  std::printf("the first images show classes");
  for (int64_t i = 0; i < labels.array.length && i < 10; i++)
    std::printf(" %d", static_cast<const int32_t *>(labels.array.buffers[1])[i]);
  std::printf("\n");
}

}  // namespace

int main(int argc, char **argv) {
  try {
    if (argc > 1)
      train(open_fashion_mnist(argv[1], "train"), open_fashion_mnist(argv[1], "test"));
    else
      train(draw_images(), Data());
  } catch (const std::exception &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
