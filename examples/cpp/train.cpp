// train.cpp: trains a classifier together with its noise generator, in C++17.
//
// Build it in this folder with an installed govpn (make install PREFIX=..), in one of two ways:
//   c++ -std=c++17 train.cpp $(pkg-config --cflags --libs govpn) -o train
//   cmake -B build && cmake --build build
// Or build it in the root of the repository after `make lib`:
//   c++ -std=c++17 -Icapi examples/cpp/train.cpp -Lbuild -lgovpn -Wl,-rpath,$PWD/build -o build/train
//
// Run it:
//   train                        trains on images that the program draws
//   train path/to/fashion-mnist  trains on Fashion-MNIST, from a folder of the published files
#include <cstdio>
#include <govpn.hpp>
#include <random>

namespace {

// Draws 16×16 images: a bright square on a noisy ground. Its place, one of four, is the class.
govpn::Data draw_images(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> labels;
  std::vector<uint8_t> pixels;
  for (std::size_t i = 0; i < n; i++) {
    labels.push_back(static_cast<int32_t>(random() % 4));
    for (int y = 0; y < 16; y++)
      for (int x = 0; x < 16; x++) {
        const bool bright = y / 8 == labels[i] / 2 && x / 8 == labels[i] % 2;
        pixels.push_back(static_cast<uint8_t>(random() % 128 + (bright ? 64 : 0)));
      }
  }
  return govpn::Data::from_images(std::move(pixels), {16, 16, 1}, std::move(labels));  // moved, not copied
}

govpn::Data fashion_mnist(const char *folder, const char *split) {
  return govpn::Data::open({{"format", "fashion-mnist"}, {"path", folder}, {"split", split}});
}

// To stop the training, it could return true or throw.
void show_progress(const govpn::Progress &p) {
  if (p.phase == GOVPN_PHASE_COMPILING) std::printf("compiling\n");
  if (p.phase == GOVPN_PHASE_EPOCH)
    std::printf("epoch %d/%d  loss %.3f  accuracy %.3f  %.1f s\n", p.epoch, p.epochs, p.loss, p.metric, p.elapsed_s);
  std::fflush(stdout);
}

void train(const govpn::Data &train, const govpn::Data &valid, const govpn::Data &test) {
  auto model = govpn::Model::create({{"base", "dnn3"}, {"mode", "joint"}, {"epochs", 3}, {"batch_size", 100}});
  model.fit(train, valid, {}, show_progress);
  for (const char *noise : {"none", "classwise"})
    std::printf("noise %-9s  accuracy %.3f\n", noise, model.evaluate(test, {{"noise", noise}}).number("accuracy"));

  const auto labels = model.predict(test, {{"noise", "classwise"}});
  std::printf("the first images show classes");
  for (std::size_t i = 0; i < labels.size() && i < 10; i++) std::printf(" %d", labels[i]);
  std::printf("\n");
}

}  // namespace

int main(int argc, char **argv) {
  try {
    const auto all = argc > 1 ? fashion_mnist(argv[1], "train") : draw_images(1600, 1);
    const auto test = argc > 1 ? fashion_mnist(argv[1], "test") : draw_images(400, 2);
    const auto [first, rest] = all.split(argc > 1 ? 50000 : 1200);
    train(first, rest, test);
  } catch (const govpn::Error &e) {
    std::fprintf(stderr, "%s: %s\n", e.status_name(), e.what());
    return 1;
  }
}
