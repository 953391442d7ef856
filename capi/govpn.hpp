// govpn.hpp: govpn for C++17, in one header over govpn.h. govpn.h documents what every function
// does and which options it takes.
//
//   auto train = govpn::Data::open({{"format", "fashion-mnist"}, {"path", p}, {"split", "train"}});
//   auto model = govpn::Model::create({{"base", "dnn3"}, {"epochs", 3}});
//   model.fit(train, {}, {}, [](const govpn::Progress &p) { std::printf("%f\n", p.loss); });
//   for (int32_t label : model.predict(train)) std::printf("%d\n", label);
//
// Errors: a call that fails throws govpn::Error. If a callback throws, the call stops and throws
// that exception.
//
// Ownership: objects free what they own. They can be moved, not copied. An object that was moved
// from, or made without arguments, owns nothing: calls on it throw GOVPN_E_HANDLE.
//
// Options: JSON text in a string, or pairs in braces (see Options).
//
// Threads and processes: as in govpn.h. Many threads may use an object, but not while it is moved
// or destroyed.
#ifndef GOVPN_HPP
#define GOVPN_HPP

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <limits>
#include <locale>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "govpn.h"

namespace govpn {

// A call failed. what() is the reason, status() the GOVPN_E_*.
class Error : public std::runtime_error {
 public:
  Error(int32_t status, const std::string &message) : std::runtime_error(message), status_(status) {}
  int32_t status() const noexcept { return status_; }
  const char *status_name() const noexcept { return govpn_status_name(status_); }

 private:
  int32_t status_;
};

using Progress = govpn_progress;

// ---- options and results as JSON ----------------------------------------------------------------

class Value;
struct Member;

// A JSON object: given as text, or as pairs of a name and a value. A value in braces is a JSON
// array. An object inside an array is written Options{..}:
//   {{"epochs", 3}, {"std_range", {0.1, 2}},
//    {"augment", {Options{{"name", "RandomCrop"}, {"padding", {4}}}}}}
class Options {
 public:
  Options() = default;
  Options(const char *json) : json_(json ? json : "") {}
  Options(std::string_view json) : json_(json) {}
  Options(std::string json) : json_(std::move(json)) {}
  inline Options(std::initializer_list<Member> members);
  const std::string &text() const noexcept { return json_; }

 private:
  std::string json_;
};

// A JSON value, made of text, a number, a bool, nullptr, a list or an object.
class Value {
 public:
  Value(std::nullptr_t) : json_("null") {}
  Value(std::string_view text) : json_(quote(text)) {}
  Value(const char *text) : json_(text ? quote(text) : "null") {}
  Value(const std::string &text) : json_(quote(text)) {}
  Value(const Options &object) : json_(object.text().empty() ? "{}" : object.text()) {}
  Value(std::initializer_list<Value> list) : json_(join(list)) {}
  template <class T>
  Value(const std::vector<T> &list) : json_(join(list)) {}
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T> && !std::is_same_v<T, char>>>
  Value(T number) : json_(print(number)) {}
  const std::string &text() const noexcept { return json_; }

 private:
  static std::string quote(std::string_view text) {
    constexpr const char *hex = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
      const auto u = static_cast<unsigned char>(c);
      if (u < 0x20)
        (out += "\\u00") += {hex[u >> 4], hex[u & 15]};
      else
        (c == '"' || c == '\\' ? out += '\\' : out) += c;
    }
    return out += '"';
  }

  template <class List>
  static std::string join(const List &list) {
    std::string out = "[";
    for (const auto &item : list) (out += out.size() > 1 ? "," : "") += Value(item).json_;
    return out += "]";
  }

  template <class T>
  static std::string print(T number) {
    if constexpr (std::is_same_v<T, bool>) {
      return number ? "true" : "false";
    } else if constexpr (std::is_integral_v<T>) {
      return std::to_string(number);
    } else {
      if (!std::isfinite(number)) throw Error(GOVPN_E_ARG, "govpn: an option is not a finite number");
      std::ostringstream out;
      out.imbue(std::locale::classic());
      out.precision(std::numeric_limits<T>::max_digits10);
      out << number;
      return out.str();
    }
  }

  std::string json_;
};

// A name and its value, of an object.
struct Member {
  std::string_view name;
  Value value;
};

Options::Options(std::initializer_list<Member> members) : json_("{") {
  for (const Member &m : members) ((json_ += json_.size() > 1 ? "," : "") += Value(m.name).text()) += ":" + m.value.text();
  json_ += "}";
}

// A result as JSON text, for the JSON library of your choice.
class Json {
 public:
  explicit Json(std::string text) : text_(std::move(text)) {}
  const std::string &text() const noexcept { return text_; }

  // Returns the number with this name in the outermost object; NaN for null. Throws GOVPN_E_ARG if
  // there is none.
  double number(std::string_view name) const {
    int depth = 0;
    for (std::size_t i = 0; i < text_.size(); i++) {
      if (text_[i] == '{' || text_[i] == '[') depth++;
      if (text_[i] == '}' || text_[i] == ']') depth--;
      if (text_[i] != '"') continue;
      const std::size_t start = i + 1;
      for (i = start; i < text_.size() && text_[i] != '"'; i++) i += text_[i] == '\\';
      if (depth == 1 && text_.compare(i, 2, "\":") == 0 && text_.compare(start, i - start, name) == 0) return parse(i + 2, name);
    }
    throw Error(GOVPN_E_ARG, "govpn: no \"" + std::string(name) + "\" in " + text_);
  }

 private:
  double parse(std::size_t start, std::string_view name) const {
    if (text_.compare(start, 4, "null") == 0) return std::numeric_limits<double>::quiet_NaN();
    std::istringstream in(text_.substr(start, text_.find_first_of(",}", start) - start));
    in.imbue(std::locale::classic());
    double number = 0;
    if (in >> number && in.eof()) return number;
    throw Error(GOVPN_E_ARG, "govpn: \"" + std::string(name) + "\" is not a number in " + text_);
  }

  std::string text_;
};

// ---- Arrow --------------------------------------------------------------------------------------

// Owns a struct of the Arrow C interfaces and calls its release once. Pass get() to functions that
// move the struct away, such as arrow::ImportArray. Pass out() to functions that fill it: it first
// releases what is there.
template <class T>
class Owned {
 public:
  Owned() noexcept = default;
  explicit Owned(T &&raw) noexcept : raw_(std::exchange(raw, T{})) {}
  Owned(Owned &&other) noexcept : Owned(std::move(other.raw_)) {}
  Owned &operator=(Owned &&other) noexcept {
    if (this != &other) *out() = std::exchange(other.raw_, T{});
    return *this;
  }
  ~Owned() { out(); }

  T *get() noexcept { return &raw_; }
  const T *get() const noexcept { return &raw_; }
  T *operator->() noexcept { return &raw_; }
  const T *operator->() const noexcept { return &raw_; }
  explicit operator bool() const noexcept { return raw_.release != nullptr; }
  T *out() noexcept {
    if (raw_.release) raw_.release(&raw_);
    raw_ = T{};
    return &raw_;
  }

 private:
  T raw_{};
};
using Schema = Owned<ArrowSchema>;
using Array = Owned<ArrowArray>;
using Stream = Owned<ArrowArrayStream>;

// rows() rows of width() numbers each, one after another in memory. It is a range, and std::span
// accepts it. Owns nothing.
template <class T>
class View {
 public:
  View() noexcept = default;
  View(T *data, std::size_t rows, std::size_t width) noexcept : data_(data), rows_(rows), width_(width) {}
  T *data() const noexcept { return data_; }
  std::size_t size() const noexcept { return rows_ * width_; }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t width() const noexcept { return width_; }
  bool empty() const noexcept { return size() == 0; }
  T *begin() const noexcept { return data_; }
  T *end() const noexcept { return data_ + size(); }
  T &operator[](std::size_t i) const noexcept { return data_[i]; }
  View row(std::size_t i) const noexcept { return {data_ + i * width_, 1, width_}; }

 private:
  T *data_ = nullptr;
  std::size_t rows_ = 0, width_ = 0;
};

namespace detail {

// Returns Arrow's format string of a type of numbers.
template <class T>
constexpr const char *format() {
  constexpr bool is_signed = std::is_signed_v<T>;
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && sizeof(T) <= 8, "want integers or floating-point numbers");
  if (std::is_floating_point_v<T>) return sizeof(T) == 4 ? "f" : "g";
  if (sizeof(T) == 1) return is_signed ? "c" : "C";
  if (sizeof(T) == 2) return is_signed ? "s" : "S";
  if (sizeof(T) == 4) return is_signed ? "i" : "I";
  return is_signed ? "l" : "L";
}

// Returns the values of `rows` rows from `offset` of an array of numbers, or of nested lists of
// fixed size. Throws GOVPN_E_ARG if the numbers are not of type T.
template <class T>
View<T> values(const ArrowSchema *schema, const ArrowArray *array, int64_t offset, int64_t rows) {
  int64_t width = 1, start = offset + array->offset;
  while (std::strncmp(schema->format, "+w:", 3) == 0) {
    const int64_t list = std::stoll(schema->format + 3);
    schema = schema->children[0];
    array = array->children[0];
    width *= list;
    start = start * list + array->offset;
  }
  const char *want = format<std::remove_const_t<T>>();
  if (std::strcmp(schema->format, want) != 0)
    throw Error(GOVPN_E_ARG, std::string("govpn: the array has Arrow's type \"") + schema->format + "\", not \"" + want +
                                 "\" as was asked for");
  auto *data = static_cast<T *>(const_cast<void *>(array->buffers[1]));
  return {data + start, static_cast<std::size_t>(rows), static_cast<std::size_t>(width)};
}

// The memory of an array or schema that is made here. Every child has a Node of its own, because a
// consumer may move a child out and release its parent.
template <class T>
struct Node {
  std::vector<Owned<T>> children;
  std::vector<T *> pointers;
  std::shared_ptr<const void> memory;  // of an array: keeps what buffers[1] points into
  const void *buffers[2] = {};
  std::string format, name, metadata;  // of a schema

  static Owned<T> make(std::unique_ptr<Node> node) {
    Owned<T> t;
    for (Owned<T> &child : node->children) node->pointers.push_back(child.get());
    t->n_children = static_cast<int64_t>(node->pointers.size());
    t->children = node->pointers.data();
    if constexpr (std::is_same_v<T, ArrowSchema>) {
      t->format = node->format.c_str();
      t->name = node->name.c_str();
      t->metadata = node->metadata.empty() ? nullptr : node->metadata.data();
    } else {
      t->buffers = node->buffers;
    }
    t->private_data = node.release();
    t->release = [](T *raw) {
      delete static_cast<Node *>(raw->private_data);
      raw->release = nullptr;
    };
    return t;
  }
};

// Puts the children of an array or schema into a vector.
template <class T, class... Child>
std::vector<Owned<T>> list(Owned<T> first, Child... rest) {
  std::vector<Owned<T>> out;
  out.push_back(std::move(first));
  (out.push_back(std::move(rest)), ...);
  return out;
}

// Makes a field. If extension is not empty, it is the JSON metadata that makes the field an
// arrow.fixed_shape_tensor.
inline Schema field(std::string format, std::string name, std::vector<Schema> children = {}, const std::string &extension = {}) {
  auto node = std::make_unique<Node<ArrowSchema>>();
  node->format = std::move(format);
  node->name = std::move(name);
  node->children = std::move(children);
  if (!extension.empty()) {
    const auto number = [&m = node->metadata](std::size_t n) {
      const auto n32 = static_cast<int32_t>(n);
      m.append(reinterpret_cast<const char *>(&n32), sizeof n32);
    };
    number(2);
    for (const std::string &text : {std::string("ARROW:extension:name"), std::string("arrow.fixed_shape_tensor"),
                                    std::string("ARROW:extension:metadata"), extension}) {
      number(text.size());
      node->metadata += text;
    }
  }
  return Node<ArrowSchema>::make(std::move(node));
}

// Makes an array of the numbers at data, which live as long as memory; or of children.
inline Array array(std::size_t length, const void *data, std::shared_ptr<const void> memory, std::vector<Array> children = {}) {
  auto node = std::make_unique<Node<ArrowArray>>();
  const bool leaf = children.empty();
  node->memory = std::move(memory);
  node->buffers[1] = data;
  node->children = std::move(children);
  Array a = Node<ArrowArray>::make(std::move(node));
  a->length = static_cast<int64_t>(length);
  a->n_buffers = leaf ? 2 : 1;
  return a;
}

// The type of the numbers in a container with data() and size(), such as a vector.
template <class C>
using element = std::remove_const_t<std::remove_pointer_t<decltype(std::declval<const C &>().data())>>;

}  // namespace detail

// A View of the numbers in an Arrow array, which it owns.
template <class T>
class Tensor : public View<T> {
 public:
  Tensor() noexcept = default;
  Tensor(Schema schema, Array array)
      : View<T>(detail::values<T>(schema.get(), array.get(), 0, array->length)), schema_(std::move(schema)), array_(std::move(array)) {}
  Tensor(Tensor &&other) noexcept
      : View<T>(std::exchange<View<T>>(other, {})), schema_(std::move(other.schema_)), array_(std::move(other.array_)) {}
  Tensor &operator=(Tensor &&other) noexcept {
    if (this != &other) {
      View<T>::operator=(std::exchange<View<T>>(other, {}));
      schema_ = std::move(other.schema_);
      array_ = std::move(other.array_);
    }
    return *this;
  }

  // Hands the Arrow structs over. The tensor is empty afterwards.
  std::pair<Schema, Array> arrow() && {
    View<T>::operator=({});
    return {std::move(schema_), std::move(array_)};
  }

 private:
  Schema schema_;
  Array array_;
};

// Columns with one value or one list per row: a model's history, or a batch of a data set.
class Table {
 public:
  Table(std::shared_ptr<const Schema> schema, Array array) : schema_(std::move(schema)), array_(std::move(array)) {}
  std::size_t rows() const noexcept { return static_cast<std::size_t>(array_->length); }

  // Returns a column of numbers of type T, or of lists of them: then a row of the view is a list.
  // The view is valid as long as the table. Throws GOVPN_E_ARG if there is no such column.
  template <class T>
  View<const T> column(std::string_view name) const {
    for (int64_t i = 0; i < array_->n_children; i++)
      if (const ArrowSchema *field = (*schema_)->children[i]; field->name == name)
        return detail::values<const T>(field, array_->children[i], array_->offset, array_->length);
    throw Error(GOVPN_E_ARG, "govpn: the table has no column \"" + std::string(name) + "\"");
  }

 private:
  std::shared_ptr<const Schema> schema_;
  Array array_;
};

// ---- calls --------------------------------------------------------------------------------------

namespace detail {

// What the log callback threw on this thread during the current call.
inline std::exception_ptr &log_threw() {
  thread_local std::exception_ptr thrown;
  return thrown;
}

// Ends a call: throws its error, or else what the log callback threw during it.
inline void check(int32_t status) {
  const std::exception_ptr thrown = std::exchange(log_threw(), nullptr);
  if (status != GOVPN_OK) throw Error(status, govpn_last_error());
  if (thrown) std::rethrow_exception(thrown);
}

// Returns text as a C string. Throws GOVPN_E_ARG if there is a NUL in it, which would cut it.
inline const char *c_str(const std::string &text) {
  if (text.find('\0') != std::string::npos) throw Error(GOVPN_E_ARG, "govpn: a NUL character in text: " + text);
  return text.c_str();
}
inline const char *c_str(const Options &options) { return c_str(options.text()); }

struct Free {
  void operator()(void *memory) const noexcept { govpn_free(memory); }
};

// Calls call(&text), takes over the text and frees it.
template <class Call>
Json json(Call call) {
  char *text = nullptr;
  const int32_t status = call(&text);
  const std::unique_ptr<char, Free> owner(text);
  check(status);
  return Json(text);
}

// A handle that frees itself. What the log callback throws meanwhile is dropped: destructors must
// not throw.
template <void (*free)(uint64_t)>
class Handle {
 public:
  Handle() noexcept = default;
  Handle(Handle &&other) noexcept : value_(std::exchange(other.value_, 0)) {}
  Handle &operator=(Handle &&other) noexcept {
    if (this != &other) *out() = std::exchange(other.value_, 0);
    return *this;
  }
  ~Handle() { out(); }
  uint64_t get() const noexcept { return value_; }
  uint64_t *out() noexcept {
    if (value_) {
      free(std::exchange(value_, 0));
      log_threw() = nullptr;
    }
    return &value_;
  }

 private:
  uint64_t value_ = 0;
};

// Wraps a callable as a govpn_progress_fn. It keeps an exception of the callable and stops the
// training.
template <class F>
struct ProgressCall {
  F &f;
  std::exception_ptr thrown;

  static int32_t run(const govpn_progress *progress, void *user_data) noexcept {
    auto *self = static_cast<ProgressCall *>(user_data);
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<F &, const Progress &>>)
        return std::invoke(self->f, *progress), 0;
      else
        return std::invoke(self->f, *progress) ? 1 : 0;
    } catch (...) {
      self->thrown = std::current_exception();
      return 1;
    }
  }
};

// Wraps a callable as a govpn_sum_fn. An exception of the callable stops the training.
template <class F>
int32_t sum_over(float *values, int64_t count, void *user_data) noexcept {
  try {
    std::invoke(*static_cast<F *>(user_data), values, static_cast<std::size_t>(count));
    return 0;
  } catch (...) {
    return 1;
  }
}

// The log callback. It is never destroyed, because other threads may be in it when the process
// ends.
struct Log {
  std::mutex mutex;
  std::shared_ptr<const std::function<void(int32_t, std::string_view)>> function;

  static Log &instance() {
    static Log &log = *new Log;
    return log;
  }

  static void run(int32_t level, const char *message, void *) noexcept {
    try {
      Log &log = instance();
      std::unique_lock<std::mutex> lock(log.mutex);
      const auto function = log.function;
      lock.unlock();
      if (function) (*function)(level, message);
    } catch (...) {
      log_threw() = std::current_exception();
    }
  }
};

}  // namespace detail

inline uint32_t abi_version() noexcept { return govpn_abi_version(); }
inline std::string version() { return govpn_version(); }
inline void init(const Options &options = {}) { detail::check(govpn_init(detail::c_str(options))); }
inline Json build_info() { return detail::json(govpn_build_info); }
inline Json devices() { return detail::json(govpn_devices); }

// Sends log messages to a callable (level, message), or to nobody if it is {}. If the callable
// throws, the call during which it ran throws that exception, unless that call fails itself.
inline void set_log(std::function<void(int32_t, std::string_view)> log) {
  auto &instance = detail::Log::instance();
  const bool on = static_cast<bool>(log);
  auto next = std::make_shared<const std::function<void(int32_t, std::string_view)>>(std::move(log));
  {
    const std::lock_guard<std::mutex> lock(instance.mutex);
    instance.function = on ? std::move(next) : nullptr;
  }
  detail::check(govpn_set_log(on ? detail::Log::run : nullptr, nullptr));
}

// ---- data sets ----------------------------------------------------------------------------------

// Reads a stream of a data set, batch by batch.
class Batches {
 public:
  explicit Batches(Stream stream) : stream_(std::move(stream)) {
    if (!stream_) throw Error(GOVPN_E_HANDLE, "govpn: the stream is empty");
    auto schema = std::make_shared<Schema>();
    check(stream_->get_schema(stream_.get(), schema->out()));
    schema_ = std::move(schema);
  }

  // Returns the next batch; nothing after the last one.
  std::optional<Table> next() {
    if (!stream_) throw Error(GOVPN_E_HANDLE, "govpn: the stream is empty");
    Array array;
    check(stream_->get_next(stream_.get(), array.out()));
    if (!array) return std::nullopt;
    return Table(schema_, std::move(array));
  }

 private:
  void check(int code) {
    if (code == 0) return;
    const char *why = stream_->get_last_error(stream_.get());
    throw Error(status(code), why ? why : "govpn: a stream failed");
  }
  static int32_t status(int code) {
    switch (code) {
      case EINVAL: return GOVPN_E_FORMAT;
      case ENOMEM: return GOVPN_E_MEMORY;
      case ENOSYS: return GOVPN_E_UNSUPPORTED;
      case ECANCELED: return GOVPN_E_CANCELLED;
      case EPERM: return GOVPN_E_FORKED;
      default: return GOVPN_E_IO;
    }
  }

  Stream stream_;
  std::shared_ptr<const Schema> schema_;
};

// A data set: images, and labels if known.
class Data {
 public:
  Data() noexcept = default;

  // Opens files: see govpn_data_open. cancel_open stops all such calls.
  static Data open(const Options &options) {
    Data d;
    detail::check(govpn_data_open(detail::c_str(options), d.handle_.out()));
    return d;
  }
  static void cancel_open() { detail::check(govpn_data_cancel_open()); }

  // Imports an Arrow array or stream, which is moved only if the call succeeds.
  static Data from_arrow(Schema &&schema, Array &&array, const Options &options = {}) {
    Data d;
    detail::check(govpn_data_import(schema.get(), array.get(), detail::c_str(options), d.handle_.out()));
    return d;
  }
  static Data from_arrow(Stream &&stream, const Options &options = {}) {
    Data d;
    detail::check(govpn_data_import_stream(stream.get(), detail::c_str(options), d.handle_.out()));
    return d;
  }

  // Makes a data set of images in a vector, or another container with data() and size().
  //   pixels  uint8_t (0 to 255) or float (0 to 1), image after image. A vector that is moved in is
  //           not copied; it lives until the last use of the data set
  //   shape   {height, width, channels} of an image
  //   labels  one integer per image, or none
  template <class Pixels, class Labels = std::vector<int32_t>>
  static Data from_images(Pixels pixels, const std::array<int64_t, 3> &shape, Labels labels = {}, const Options &options = {}) {
    using namespace detail;
    using Number = element<Pixels>;
    static_assert(std::is_same_v<Number, uint8_t> || std::is_same_v<Number, float>, "want pixels of uint8_t or float");
    const std::size_t width = pixels_per_image(shape), images = pixels.size() / width;
    if (images * width != pixels.size() || (labels.size() != 0 && labels.size() != images))
      throw Error(GOVPN_E_ARG, "govpn: " + std::to_string(pixels.size()) + " pixels and " + std::to_string(labels.size()) +
                                   " labels, want " + std::to_string(width) + " pixels per image and a label for each, or none");
    const auto kept = std::make_shared<const Pixels>(std::move(pixels));
    Schema schema = field("+w:" + std::to_string(width), "image", list(field(format<Number>(), "item")),
                          Options{{"shape", {shape[0], shape[1], shape[2]}}}.text());
    Array all = array(images, nullptr, nullptr, list(array(images * width, kept->data(), kept)));
    if (labels.size() != 0) {
      const auto numbers = std::make_shared<const Labels>(std::move(labels));
      schema = field("+s", "", list(std::move(schema), field(format<element<Labels>>(), "label")));
      all = array(images, nullptr, nullptr, list(std::move(all), array(images, numbers->data(), numbers)));
    }
    return from_arrow(std::move(schema), std::move(all), options);
  }

  // Lends memory of the device for images of shape {images, height, width, channels}. Write the
  // pixels to the tensor before a model first uses the data set. Tensor and data set may be
  // destroyed in any order.
  template <class T>
  static std::pair<Tensor<T>, Data> lend(const std::array<int64_t, 4> &shape, std::string_view device = "auto") {
    static_assert(std::is_same_v<T, uint8_t> || std::is_same_v<T, float>, "want pixels of uint8_t or float");
    const Options options{{"shape", {shape[0], shape[1], shape[2], shape[3]}},
                          {"dtype", sizeof(T) == 1 ? "uint8" : "float32"},
                          {"device", device}};
    Data d;
    Schema schema;
    Array array;
    detail::check(govpn_data_alloc(detail::c_str(options), schema.out(), array.out(), d.handle_.out()));
    return {Tensor<T>(std::move(schema), std::move(array)), std::move(d)};
  }

  // Sets the labels: integers in a vector, which is copied; or an Arrow array, also of soft labels,
  // which is moved only if the call succeeds.
  template <class Labels, class = detail::element<Labels>>
  void set_labels(const Labels &labels, const Options &options = {}) {
    set_labels(detail::field(detail::format<detail::element<Labels>>(), "label"),
               detail::array(labels.size(), labels.data(), nullptr), options);
  }
  void set_labels(Schema &&schema, Array &&array, const Options &options = {}) {
    detail::check(govpn_data_set_labels(handle(), schema.get(), array.get(), detail::c_str(options)));
  }

  // Sets how much each image counts in training: floats in a vector, which is copied; or an Arrow
  // array, which is moved only if the call succeeds.
  void set_weights(const std::vector<float> &weights) {
    set_weights(detail::field("f", "weight"), detail::array(weights.size(), weights.data(), nullptr));
  }
  void set_weights(Schema &&schema, Array &&array, const Options &options = {}) {
    detail::check(govpn_data_set_weights(handle(), schema.get(), array.get(), detail::c_str(options)));
  }
  void remove_weights() { detail::check(govpn_data_set_weights(handle(), nullptr, nullptr, nullptr)); }

  // Splits the set in two at random. The first part gets `first` images. Both share the images.
  std::pair<Data, Data> split(int64_t first, uint64_t seed = 0) const {
    const Options options{{"first", first}, {"seed", seed}};
    std::pair<Data, Data> parts;
    detail::check(govpn_data_split(handle(), detail::c_str(options), parts.first.handle_.out(), parts.second.handle_.out()));
    return parts;
  }

  // Hands the images and labels out: as an Arrow stream, or batch by batch.
  Stream stream(const Options &options = {}) const {
    Stream s;
    detail::check(govpn_data_export_stream(handle(), detail::c_str(options), s.out()));
    return s;
  }
  Batches batches(const Options &options = {}) const { return Batches(stream(options)); }

  Json info() const {
    return detail::json([&](char **json) { return govpn_data_info(handle(), json); });
  }

  explicit operator bool() const noexcept { return handle() != 0; }
  govpn_data handle() const noexcept { return handle_.get(); }  // for govpn.h; still owned here

 private:
  static std::size_t pixels_per_image(const std::array<int64_t, 3> &shape) {
    int64_t product = 1;
    for (const int64_t n : shape) {
      if (n < 1 || n > std::numeric_limits<int32_t>::max() / product)
        throw Error(GOVPN_E_ARG, "govpn: shape is " + Value({shape[0], shape[1], shape[2]}).text() +
                                     ", want [height, width, channels] of at least 1 and less than 2^31 in all");
      product *= n;
    }
    return static_cast<std::size_t>(product);
  }

  detail::Handle<govpn_data_free> handle_;
};

// ---- models -------------------------------------------------------------------------------------

// The result of Model::to_bytes: a range of bytes that it owns.
class Bytes : public View<const uint8_t> {
 public:
  Bytes(uint8_t *bytes, std::size_t size) noexcept : View(bytes, size, 1), owner_(bytes) {}
  Bytes(Bytes &&other) noexcept : View(std::exchange<View>(other, {})), owner_(std::move(other.owner_)) {}
  Bytes &operator=(Bytes &&other) noexcept {
    View::operator=(std::exchange<View>(other, {}));
    owner_ = std::move(other.owner_);
    return *this;
  }

 private:
  std::unique_ptr<uint8_t, detail::Free> owner_;
};

// A classifier with its noise generator. A data set with class names meets it by name: see
// "class_names" of govpn_model_create.
class Model {
 public:
  Model() noexcept = default;

  static Model create(const Options &options = {}) {
    Model m;
    detail::check(govpn_model_create(detail::c_str(options), m.handle_.out()));
    return m;
  }
  static Model load(const std::string &path, const Options &options = {}) {
    Model m;
    detail::check(govpn_model_load(detail::c_str(path), detail::c_str(options), m.handle_.out()));
    return m;
  }
  static Model from_bytes(const uint8_t *bytes, std::size_t size, const Options &options = {}) {
    Model m;
    detail::check(govpn_model_from_bytes(bytes, size, detail::c_str(options), m.handle_.out()));
    return m;
  }

  // Trains the model. valid may be {}. progress takes a const Progress &. It may return nothing, or
  // a bool: true stops the training, and fit throws GOVPN_E_CANCELLED.
  void fit(const Data &train, const Data &valid = {}, const Options &options = {}) {
    detail::check(govpn_model_fit(handle(), train.handle(), valid.handle(), detail::c_str(options), nullptr, nullptr));
  }
  template <class F>
  void fit(const Data &train, const Data &valid, const Options &options, F &&progress) {
    using Call = detail::ProgressCall<std::remove_reference_t<F>>;
    Call call{progress, nullptr};
    const int32_t status =
        govpn_model_fit(handle(), train.handle(), valid.handle(), detail::c_str(options), Call::run, &call);
    if (call.thrown) {
      detail::log_threw() = nullptr;
      std::rethrow_exception(call.thrown);
    }
    detail::check(status);
  }
  // Makes the model one of several workers that train together: see govpn_model_share. sum takes
  // (float *values, std::size_t count) and must live until share_nothing or the end of the model. If
  // sum throws, fit and train_batch throw GOVPN_E_CANCELLED.
  template <class F>
  void share(int32_t rank, int32_t workers, F &sum) {
    void *callable = const_cast<void *>(static_cast<const void *>(std::addressof(sum)));
    detail::check(govpn_model_share(handle(), rank, workers, detail::sum_over<F>, callable));
  }
  void share_nothing() { detail::check(govpn_model_share(handle(), 0, 1, nullptr, nullptr)); }
  Json train_batch(const Data &data, const Options &options = {}) {
    return detail::json(
        [&](char **json) { return govpn_model_train_batch(handle(), data.handle(), detail::c_str(options), json); });
  }
  void cancel() const { detail::check(govpn_model_cancel(handle())); }
  // Changes the learning rate from the next step on. The progress callback of fit may call it.
  void set_learning_rate(double rate) { detail::check(govpn_model_set_learning_rate(handle(), rate)); }

  // Returns one label per image, or a row of numbers per image. T is int32_t for the output "label"
  // (the default) and float for all others.
  template <class T = int32_t>
  Tensor<const T> predict(const Data &data, const Options &options = {}) const {
    Schema schema;
    Array array;
    detail::check(govpn_model_predict(handle(), data.handle(), detail::c_str(options), schema.out(), array.out()));
    return Tensor<const T>(std::move(schema), std::move(array));
  }
  Tensor<const float> noise(const Data &data, const Options &options = {}) const {
    Schema schema;
    Array array;
    detail::check(govpn_model_noise(handle(), data.handle(), detail::c_str(options), schema.out(), array.out()));
    return Tensor<const float>(std::move(schema), std::move(array));
  }
  Json evaluate(const Data &data, const Options &options = {}) const {
    return detail::json(
        [&](char **json) { return govpn_model_evaluate(handle(), data.handle(), detail::c_str(options), json); });
  }

  Table history() const {
    auto schema = std::make_shared<Schema>();
    Array array;
    detail::check(govpn_model_history(handle(), schema->out(), array.out()));
    return Table(std::move(schema), std::move(array));
  }
  // Estimates the memory of a model with these options: see govpn_estimate_memory.
  static Json estimate_memory(const Options &options) {
    return detail::json([&](char **json) { return govpn_estimate_memory(detail::c_str(options), json); });
  }
  Json config() const {
    return detail::json([&](char **json) { return govpn_model_config(handle(), json); });
  }

  void export_safetensors(const std::string &path, const Options &options = {}) const {
    detail::check(govpn_model_export_safetensors(handle(), detail::c_str(path), detail::c_str(options)));
  }
  void import_safetensors(const std::string &path, const Options &options = {}) {
    detail::check(govpn_model_import_safetensors(handle(), detail::c_str(path), detail::c_str(options)));
  }
  void save(const std::string &path) const { detail::check(govpn_model_save(handle(), detail::c_str(path))); }
  Bytes to_bytes() const {
    uint8_t *bytes = nullptr;
    std::size_t size = 0;
    const int32_t status = govpn_model_to_bytes(handle(), &bytes, &size);
    Bytes out(bytes, size);
    detail::check(status);
    return out;
  }

  explicit operator bool() const noexcept { return handle() != 0; }
  govpn_model handle() const noexcept { return handle_.get(); }  // for govpn.h; still owned here

 private:
  detail::Handle<govpn_model_free> handle_;
};

}  // namespace govpn

#endif  // GOVPN_HPP
