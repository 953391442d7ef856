// hpp.cpp: calls every part of govpn.hpp, with right and with wrong arguments.
#include "govpn.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>
#if __cplusplus >= 202002L
#include <span>
#endif

using govpn::Data;
using govpn::Model;
using govpn::Options;
using govpn::Progress;

static_assert(!std::is_copy_constructible_v<Data> && std::is_nothrow_move_constructible_v<Data> && std::is_nothrow_move_assignable_v<Data>);
static_assert(!std::is_copy_constructible_v<Model> && std::is_nothrow_move_constructible_v<Model> && std::is_nothrow_move_assignable_v<Model>);
static_assert(!std::is_copy_constructible_v<govpn::Schema> && !std::is_copy_constructible_v<govpn::Tensor<float>>);
static_assert(std::is_nothrow_move_constructible_v<govpn::Tensor<float>> && std::is_nothrow_move_constructible_v<govpn::Bytes>);

static void check_that(bool ok, const char *what, int line) {
  if (ok) return;
  std::fprintf(stderr, "hpp.cpp:%d: %s\n", line, what);
  std::exit(1);
}
#define CHECK(condition) check_that(bool(condition), #condition, __LINE__)

// Requires that the call throws an Error with this status whose message contains the text.
template <class Call>
static void fails(int line, int32_t status, const std::string &text, Call call) {
  try {
    call();
  } catch (const govpn::Error &e) {
    const bool ok = e.status() == status && std::string(e.what()).find(text) != std::string::npos;
    check_that(ok, (std::string(e.status_name()) + ": " + e.what()).c_str(), line);
    return;
  }
  check_that(false, "no exception", line);
}
#define FAILS(status, text, call) fails(__LINE__, status, text, [&] { (void)(call); })

constexpr std::size_t side = 8, pixels = side * side, classes = 4;
const char *const device = std::getenv("GOVPN_TEST_DEVICE") ? std::getenv("GOVPN_TEST_DEVICE") : "go";

// Image i has a bright square, whose place tells its class, i % 4.
template <class T>
static std::vector<T> draw(std::size_t n, T bright) {
  std::vector<T> out(n * pixels);
  for (std::size_t i = 0; i < out.size(); i++) {
    const std::size_t y = i / side % side, x = i % side, label = i / pixels % classes;
    out[i] = y / 4 == label / 2 && x / 4 == label % 2 ? bright : T{};
  }
  return out;
}

static std::vector<int32_t> labels(std::size_t n) {
  std::vector<int32_t> out(n);
  for (std::size_t i = 0; i < n; i++) out[i] = static_cast<int32_t>(i % classes);
  return out;
}

static Data images(std::size_t n) { return Data::from_images(draw<uint8_t>(n, 200), {8, 8, 1}, labels(n)); }

static Model small(const Options &extra = R"("epochs": 12)") {
  return Model::create(R"({"base": "sr", "batch_size": 64, "learning_rate": 0.01, "seed": 7, "device": ")" + std::string(device) +
                       "\", " + extra.text() + "}");
}

// A vector that counts how many vectors of its kind hold something.
template <class T>
struct Counted : std::vector<T> {
  explicit Counted(std::vector<T> v) : std::vector<T>(std::move(v)) { alive++; }
  Counted(Counted &&other) noexcept : std::vector<T>(std::move(other)) { alive++; }
  ~Counted() { alive--; }
  static inline std::atomic<int> alive{0};
};

static void options() {
  CHECK(Options().text().empty() && Options(static_cast<const char *>(nullptr)).text().empty());
  CHECK(Options("{}").text() == "{}" && Options(std::string("{}")).text() == "{}" && Options(std::string_view("{}?", 2)).text() == "{}");
  CHECK((Options{{"base", "dnn3"}}.text() == R"({"base":"dnn3"})"));
  const std::string path = "a\"b\\c\n\x01 ü";
  CHECK((Options{{"path", path}, {"n", int64_t{-5}}, {"big", ~uint64_t{0}}, {"yes", true}, {"none", nullptr}}.text() ==
         "{\"path\":\"a\\\"b\\\\c\\u000a\\u0001 ü\",\"n\":-5,\"big\":18446744073709551615,\"yes\":true,\"none\":null}"));
  CHECK((Options{{"lr", 0.1}, {"f", 0.1f}, {"whole", 2.0}, {"small", 1e-30}}.text() ==
         R"({"lr":0.10000000000000001,"f":0.100000001,"whole":2,"small":1.0000000000000001e-30})"));
  CHECK((Options{{"size", {256}}, {"names", {"a", "b"}}, {"empty", std::vector<int>{}}, {"v", std::vector<std::string>{"x"}}}.text() ==
         R"({"size":[256],"names":["a","b"],"empty":[],"v":["x"]})"));
  CHECK((Options{{"augment", {Options{{"name", "RandomCrop"}, {"padding", {4}}}, Options{{"name", "x"}}}}, {"o", Options()}}.text() ==
         R"({"augment":[{"name":"RandomCrop","padding":[4]},{"name":"x"}],"o":{}})"));
  FAILS(GOVPN_E_ARG, "finite", (Options{{"lr", std::nan("")}}));
  FAILS(GOVPN_E_ARG, "NUL", govpn::init(std::string("{}\0", 3)));
  FAILS(GOVPN_E_ARG, "unknown key \"thread\"", govpn::init({{"thread", 1}}));

  const govpn::Json json(R"({"a\"b": "c:\"d\":5", "o": {"n": 1}, "n":2.5e1,"list":[3,"n"],"none":null,"last":-7})");
  CHECK(json.number("n") == 25 && json.number("last") == -7 && std::isnan(json.number("none")));
  FAILS(GOVPN_E_ARG, "no \"d\"", json.number("d"));
  FAILS(GOVPN_E_ARG, "\"list\" is not a number", json.number("list"));
  FAILS(GOVPN_E_ARG, "no \"n\"", govpn::Json("").number("n"));
  FAILS(GOVPN_E_ARG, "no \"n\"", govpn::Json("{\"n").number("n"));
}

static void library() {
  CHECK(govpn::abi_version() == GOVPN_ABI_VERSION && govpn::version().find('.') != std::string::npos);
  govpn::init({{"threads", 2}, {"log_level", "info"}, {"sa_onstack", true}});
  std::string messages;
  govpn::set_log([&](int32_t level, std::string_view message) {
    CHECK(level >= GOVPN_LOG_INFO);
    messages += message;
  });
  CHECK(govpn::build_info().number("abi_version") == GOVPN_ABI_VERSION);
  CHECK(messages.find("device auto is ") != std::string::npos);
  CHECK(govpn::devices().text().find(R"("device":"go")") != std::string::npos);
}

// An exception of the log callback leaves the call during which it was thrown, and no other.
static void logging() {
  govpn::set_log([](int32_t, std::string_view) { throw std::runtime_error("log"); });
  int caught = 0;
  try {
    (void)govpn::build_info();
  } catch (const std::runtime_error &e) {
    caught += std::string(e.what()) == "log";
  }
  govpn::set_log({});
  (void)govpn::build_info();
  CHECK(caught == 1);
}

static void data_sets() {
  using Pixels = Counted<float>;
  Pixels vector(draw<float>(10, 1));
  {
    Data d = Data::from_images(std::move(vector), {8, 8, 1}, labels(10), {{"class_names", {"a", "b", "c", "d"}}});
    CHECK(Pixels::alive == 2 && vector.empty()); // the moved one, and the data set's
    CHECK(d.info().number("images") == 10 && d.info().number("classes") == 4 && d.info().number("bytes_copied") == 0);
    CHECK(d.info().text().find(R"("class_names":["a","b","c","d"])") != std::string::npos);
    auto [first, second] = d.split(7, 3);
    CHECK(first.info().number("images") == 7 && second.info().number("images") == 3);
    d = Data();
    CHECK(Pixels::alive == 2); // the parts share it
    Data moved = std::move(first);
    CHECK(moved && !first && first.handle() == 0);
    FAILS(GOVPN_E_HANDLE, "", first.info());
    moved = std::move(second);
    CHECK(moved.info().number("images") == 3);
  }
  CHECK(Pixels::alive == 1);
  Data d = Data::from_images(Pixels(draw<float>(8, 1)), {8, 8, 1});
  CHECK(Pixels::alive == 2);
  FAILS(GOVPN_E_ARG, "labels", d.set_labels(std::vector<int64_t>{1, 2}));
  d.set_labels(std::vector<int64_t>{0, 1, 2, 3, 0, 1, 2, 3}, {{"class_names", {"a", "b", "c", "d"}}});
  d.set_labels(std::vector<uint8_t>{0, 1, 1, 1, 0, 1, 1, 0});
  CHECK(d.info().number("classes") == 2);
  d.set_weights({1, 0, 1, 1, 2, 1, 1, 0.5f});
  CHECK(d.info().text().find(R"("weighted":true)") != std::string::npos);
  FAILS(GOVPN_E_ARG, "weights has 2 values, want 8", d.set_weights({1, 2}));
  FAILS(GOVPN_E_ARG, "weights[1] is -1", d.set_weights({1, -1, 1, 1, 1, 1, 1, 1}));
  d.remove_weights();
  CHECK(d.info().text().find(R"("weighted":false)") != std::string::npos);
  FAILS(GOVPN_E_ARG, "unknown key", Data::from_images(Pixels(draw<float>(8, 1)), {8, 8, 1}, {}, {{"names", 1}}));
  FAILS(GOVPN_E_ARG, "63 pixels", Data::from_images(std::vector<uint8_t>(63), {8, 8, 1}));
  FAILS(GOVPN_E_ARG, "3 labels", Data::from_images(std::vector<uint8_t>(64), {8, 8, 1}, {1, 2, 3}));
  for (const std::array<int64_t, 3> shape : {std::array<int64_t, 3>{8, 0, 1}, {8, -8, -1}, {1 << 16, 1 << 16, 1}})
    FAILS(GOVPN_E_ARG, "shape is [", Data::from_images(std::vector<uint8_t>(64), shape));
  FAILS(GOVPN_E_ARG, "format", Data::open({{"format", "none"}, {"path", "/"}}));
  Data::cancel_open();
  d = Data();
  CHECK(Pixels::alive == 1);
}

static void arrow() {
  const Data d = images(10);
  auto batches = d.batches({{"batch_size", 4}});
  std::vector<std::size_t> rows;
  while (auto batch = batches.next()) {
    const auto x = batch->column<uint8_t>("image");
    const auto y = batch->column<int32_t>("label");
    CHECK(x.rows() == batch->rows() && x.width() == pixels && y.size() == batch->rows() && y.width() == 1);
    for (std::size_t i = 0; i < x.rows(); i++) {
      const auto label = static_cast<std::size_t>(y[i]);
      CHECK(label == (4 * rows.size() + i) % 4 && x.row(i)[label / 2 * 32 + label % 2 * 4] == 200 && *x.row(i).begin() == (label ? 0 : 200));
    }
    FAILS(GOVPN_E_ARG, "no column \"x\"", batch->column<int32_t>("x"));
    FAILS(GOVPN_E_ARG, "type \"i\", not \"f\"", batch->column<float>("label"));
    const govpn::Table kept = std::move(*batch);
    FAILS(GOVPN_E_ARG, "no column", batch->column<int32_t>("label"));
    rows.push_back(kept.rows());
  }
  CHECK((rows == std::vector<std::size_t>{4, 4, 2}));
  const govpn::Batches moved = std::move(batches);
  FAILS(GOVPN_E_HANDLE, "empty", batches.next());

  auto stream = d.stream();
  FAILS(GOVPN_E_ARG, "unknown key", Data::from_arrow(std::move(stream), {{"x", 1}}));
  CHECK(stream); // not moved after a failure
  Data again = Data::from_arrow(std::move(stream));
  CHECK(!stream && again.info().number("images") == 10);

  auto [lent, data] = Data::lend<uint8_t>({3, 8, 8, 1}, device);
  const auto source = draw<uint8_t>(3, 9);
  CHECK(lent.rows() == 3 && lent.width() == pixels && std::count(lent.begin(), lent.end(), 0) == 192);
  std::copy(source.begin(), source.end(), lent.begin());
  auto [schema, array] = std::move(lent).arrow();
  CHECK(schema && array && lent.empty());
  FAILS(GOVPN_E_ARG, "unknown key", Data::from_arrow(std::move(schema), std::move(array), {{"x", 1}}));
  CHECK(schema && array);
  again = Data::from_arrow(std::move(schema), std::move(array));
  CHECK(!schema && !array);
  data = Data();
  const auto all = again.batches().next();
  CHECK(all && std::equal(source.begin(), source.end(), all->column<uint8_t>("image").begin()));
  FAILS(GOVPN_E_ARG, "shape", Data::lend<float>({0, 8, 8, 1}));
}

// A consumer may move a child out and release the rest. The arrays of from_images must allow that.
// The library's own importer never does it.
static void children() {
  using namespace govpn::detail;
  const auto memory = std::make_shared<const Counted<float>>(std::vector<float>{1, 2, 3});
  govpn::Array parent = array(3, nullptr, nullptr, list(array(3, memory->data(), memory)));
  const govpn::Array child(std::move(*parent->children[0]));
  CHECK(memory.use_count() == 2);
  parent.out();
  CHECK(memory.use_count() == 2 && static_cast<const float *>(child->buffers[1])[2] == 3);
  govpn::Schema schema = field("+s", "", list(field("+w:3", "x", list(field("f", "item")), "{}"), field("i", "y")));
  govpn::Schema first(std::move(*schema->children[0]));
  schema.out();
  CHECK(std::string(first->name) == "x" && std::string(first->metadata + 8, 20) == "ARROW:extension:name");
  first = govpn::Schema();
  CHECK(!first);
}

static bool stop_at_once(const Progress &) { return true; }

static void training() {
  const Data train = images(256), valid = images(32);
  Model m = small();
  int epochs = 0;
  m.fit(train, valid, {}, [&](const Progress &p) { epochs += p.phase == GOVPN_PHASE_EPOCH; });
  CHECK(epochs == 12);
  m.fit(train);
  m.fit(train, {}, {{"epochs", 1}, {"resume", false}});
  CHECK(m.history().rows() == 1);
  m.fit(train, valid, {{"epochs", 12}});
  const auto history = m.history();
  CHECK(history.rows() == 12 && history.column<int32_t>("epoch")[11] == 12 && history.column<double>("val_accuracy")[11] > 0.9);
  CHECK(m.train_batch(valid).number("loss") >= 0 && m.config().number("epochs_done") == 12);
  m.cancel();
  std::size_t sums = 0;
  const auto sum = [&](float *values, std::size_t count) { sums += values && count > 4; };
  m.share(0, 1, sum);
  m.train_batch(train);
  CHECK(sums == 1);
  const auto broken = [](float *, std::size_t) { throw 1; };
  m.share(0, 1, broken);
  FAILS(GOVPN_E_CANCELLED, "sum", m.train_batch(train));
  m.share_nothing();
  m.train_batch(train);
  m.fit(train, {}, {{"epochs", 2}}, [&](const Progress &p) { m.set_learning_rate(0.01 / (1 + p.epoch)); });
  CHECK(m.history().column<double>("learning_rate")[1] > 0);
  FAILS(GOVPN_E_ARG, "LearningRate is 0", m.set_learning_rate(0));

  FAILS(GOVPN_E_CANCELLED, "", m.fit(train, valid, {}, stop_at_once));
  FAILS(GOVPN_E_CANCELLED, "", m.fit(train, valid, {}, std::function<bool(const Progress &)>(stop_at_once)));
  FAILS(GOVPN_E_CANCELLED, "", m.fit(train, valid, {}, [&](const Progress &) { m.cancel(); }));
  // A callback may throw anything; it arrives unchanged, and the model stays usable. An exception of
  // the log callback does not replace it.
  struct Stop {
    int value;
  };
  govpn::set_log([](int32_t, std::string_view) { throw std::runtime_error("log"); });
  int calls = 0, caught = 0;
  try {
    m.fit(train, valid, {}, [&](const Progress &) -> bool { throw Stop{++calls}; });
  } catch (const Stop &s) {
    caught = s.value;
  }
  govpn::set_log({});
  CHECK(calls == 1 && caught == 1);
  m.fit(train, valid, {}, [m_ = &m](const Progress &) mutable { FAILS(GOVPN_E_BUSY, "", m_->fit(images(64))); });
  FAILS(GOVPN_E_ARG, "", m.fit(Data::from_images(std::vector<uint8_t>(64), {8, 8, 1})));
  FAILS(GOVPN_E_ARG, "\"epoch\"", small(R"("epoch": 1)"));

  std::thread other([&] {
    FAILS(GOVPN_E_HANDLE, "", Model().fit(train)); // each thread has its own message
  });
  other.join();
}

static void inference(const std::filesystem::path &folder) {
  const Data train = images(256), test = images(32);
  Model m = small();
  m.fit(train, test, {});
  auto found = m.predict(test);
  CHECK(found.rows() == 32 && found.width() == 1);
  std::size_t right = 0;
  for (std::size_t i = 0; i < found.size(); i++) right += found[i] == static_cast<int32_t>(i % classes);
  CHECK(right == 32);
  auto proba = m.predict<float>(test, {{"noise", "classwise"}, {"samples", 2}, {"output", "proba"}});
  CHECK(proba.rows() == 32 && proba.width() == classes && proba.row(3).width() == classes);
  float sum = 0;
  for (const float p : proba.row(31)) sum += p;
  CHECK(std::abs(sum - 1) < 1e-4f);
  FAILS(GOVPN_E_ARG, "type \"f\", not \"i\"", m.predict(test, {{"output", "logits"}}));
  FAILS(GOVPN_E_ARG, "type \"i\", not \"f\"", m.predict<float>(test));

  const auto std_ = m.noise(test), sample = m.noise(test, {{"output", "sample"}, {"samples", 3}, {"seed", 5}});
  CHECK(std_.rows() == 32 && std_.width() == pixels && sample.rows() == 3 && sample.width() == 32 * pixels);
  CHECK(*std::min_element(std_.begin(), std_.end()) >= 0);
  CHECK(m.evaluate(test, {{"noise", "none"}}).number("accuracy") == 1);
#if __cplusplus >= 202002L
  CHECK(std::span<const float>(proba).size() == 128 && std::span<const int32_t>(found.row(0)).size() == 1);
#endif

  // A model that was stored in any way predicts the same when loaded.
  const Options on{{"device", device}};
  m.save(folder / "model");
  m.export_safetensors(folder / "weights", {{"part", ""}});
  auto bytes = m.to_bytes();
  govpn::Bytes kept = std::move(bytes);
  CHECK(bytes.empty() && !kept.empty());
  Model fresh = small(R"("image_shape": [8, 8, 1], "classes": 4)");
  fresh.import_safetensors(folder / "weights");
  const auto want = m.predict<float>(test, {{"output", "logits"}});
  const Model stored[] = {Model::load(folder / "model", on), Model::from_bytes(kept.data(), kept.size(), on), std::move(fresh)};
  for (const Model &other : stored) {
    const auto got = other.predict<float>(test, {{"output", "logits"}});
    CHECK(std::equal(want.begin(), want.end(), got.begin(), got.end()));
  }
  FAILS(GOVPN_E_HANDLE, "", fresh.save(folder / "again"));
  FAILS(GOVPN_E_IO, "", Model::load(folder / "none"));
  FAILS(GOVPN_E_FORMAT, "", Model::from_bytes(kept.data(), kept.size() / 2));
  FAILS(GOVPN_E_ARG, "NUL", m.save(std::string("a\0b", 3)));

  m = Model();
  CHECK(!m && right == 32 && found[5] == 1); // results outlive the model
  proba = std::move(proba);
  auto last = std::move(proba);
  CHECK(proba.empty() && last.size() == 128);
  proba = std::move(last);
  CHECK(proba.rows() == 32 && last.empty());
}

int other_unit();

int main() {
  const auto folder = std::filesystem::temp_directory_path() / ("govpn-hpp-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  options();
  library();
  logging();
  data_sets();
  arrow();
  children();
  training();
  inference(folder);
  std::filesystem::remove_all(folder);
  CHECK(other_unit() == 7);
  std::puts("hpp: ok");
}
