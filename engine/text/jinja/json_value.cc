#include "engine/text/jinja/json_value.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/base/json_builder.h"
#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem::jinja {
namespace {

class ValueBuilder final : public nlohmann::json_sax<Json> {
 public:
  ValueBuilder(const std::string& where, const JsonLimits& limits)
      : where_(where), limits_(limits) {}

  Value Take() { return std::move(root_); }

  bool null() override { return Put(Value::None()); }
  bool boolean(bool value) override { return Put(Value::Of(value)); }
  bool number_integer(number_integer_t value) override { return Put(Value::Of(int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override {
    return Put(value > uint64_t{INT64_MAX} ? Value::Of(static_cast<double>(value))
                                           : Value::Of(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Put(Value::Of(double{value}));
  }
  bool string(string_t& value) override { return Put(Value::Of(std::move(value))); }
  bool binary(binary_t&) override { Fail("binary values are no JSON"); }
  bool start_object(std::size_t) override { return Open({.is_object = true}); }
  bool start_array(std::size_t) override { return Open({}); }
  bool key(string_t& name) override;
  bool end_object() override;
  bool end_array() override;
  bool parse_error(std::size_t offset, const std::string&,
                   const nlohmann::detail::exception& error) override {
    Fail("JSON error at byte " + std::to_string(offset) + ": " + JsonErrorReason(error.what()));
  }

 private:
  struct Container {
    bool is_object = false;
    Dict dict = {};
    std::vector<Value> items = {};
    std::string name = {};  // of the next value, in an object
  };

  bool Open(Container container);
  bool Put(Value value);
  [[noreturn]] void Fail(const std::string& what) const { throw FormatError(where_ + ": " + what); }

  const std::string& where_;
  const JsonLimits& limits_;
  Value root_;
  std::vector<Container> open_;
  size_t num_values_ = 0;
};

bool ValueBuilder::Open(Container container) {
  if (open_.size() >= limits_.max_depth) {
    Fail("JSON nests deeper than " + std::to_string(limits_.max_depth) + " levels");
  }
  open_.push_back(std::move(container));
  return true;
}

bool ValueBuilder::Put(Value value) {
  if (++num_values_ > limits_.max_values) {
    Fail("JSON has more than " + std::to_string(limits_.max_values) + " values");
  }
  if (open_.empty()) {
    root_ = std::move(value);
  } else if (open_.back().is_object) {
    open_.back().dict.Set(std::move(open_.back().name), std::move(value));
  } else {
    open_.back().items.push_back(std::move(value));
  }
  return true;
}

bool ValueBuilder::key(string_t& name) {
  if (open_.back().dict.Find(name) != nullptr) {
    Fail("the name " + Quoted(name, 100) + " stands twice");
  }
  open_.back().name = std::move(name);
  return true;
}

bool ValueBuilder::end_object() {
  Value value = Value::Of(std::move(open_.back().dict));
  open_.pop_back();
  return Put(std::move(value));
}

bool ValueBuilder::end_array() {
  Value value = Value::Of(std::move(open_.back().items));
  open_.pop_back();
  return Put(std::move(value));
}

}  // namespace

Value ParseValue(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw FormatError(where + ": JSON of " + std::to_string(text.size()) +
                      " bytes exceeds the limit of " + std::to_string(limits.max_bytes));
  }
  ValueBuilder builder(where, limits);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.Take();
}

}  // namespace tandem::jinja
