#include "engine/base/json_builder.h"

#include <utility>

#include "engine/base/printable.h"
#include "kernels/core/error.h"

namespace tandem {

std::string JsonErrorReason(const std::string& message) {
  const size_t tag = message.find("] ");
  std::string reason = tag == std::string::npos ? message : message.substr(tag + 2);
  if (reason.starts_with("parse error")) {
    const size_t colon = reason.find(": ");
    if (colon != std::string::npos) reason = reason.substr(colon + 2);
  }
  return Printable(reason, 200);
}

void JsonBuilder::Fail(const std::string& what) const { throw FormatError(where_ + ": " + what); }

// A pointer to an array's element stays valid while that element is the open container, because its
// parent grows only after it was closed.
Json* JsonBuilder::Attach(Json value) {
  if (++num_values_ > limits_.max_values) {
    Fail("JSON has more than " + std::to_string(limits_.max_values) + " values");
  }
  if (open_.empty()) {
    root_ = std::move(value);
    return &root_;
  }
  Json& parent = *open_.back();
  if (parent.is_array()) {
    parent.push_back(std::move(value));
    return &parent.back();
  }
  Json& slot = parent[name_];
  slot = std::move(value);
  return &slot;
}

bool JsonBuilder::Put(Json value) {
  Attach(std::move(value));
  return true;
}

bool JsonBuilder::Open(Json container) {
  if (open_.size() >= limits_.max_depth) {
    Fail("JSON nests deeper than " + std::to_string(limits_.max_depth) + " levels");
  }
  open_.push_back(Attach(std::move(container)));
  return true;
}

bool JsonBuilder::Close() {
  open_.pop_back();
  return true;
}

bool JsonBuilder::start_object(std::size_t) { return Open(Json::object()); }

bool JsonBuilder::start_array(std::size_t) { return Open(Json::array()); }

bool JsonBuilder::key(string_t& name) {
  if (open_.back()->contains(name)) Fail("the name " + Quoted(name, 100) + " stands twice");
  name_ = std::move(name);
  return true;
}

bool JsonBuilder::number_float(number_float_t value, const string_t&) { return Put(Json(value)); }

bool JsonBuilder::binary(binary_t&) { Fail("binary values are no JSON"); }

bool JsonBuilder::parse_error(std::size_t offset, const std::string&,
                              const nlohmann::detail::exception& error) {
  Fail("JSON error at byte " + std::to_string(offset) + ": " + JsonErrorReason(error.what()));
}

}  // namespace tandem
