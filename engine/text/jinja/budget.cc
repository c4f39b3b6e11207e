#include "engine/text/jinja/budget.h"

#include <utility>

#include "kernels/core/error.h"

namespace tandem::jinja {

void Budget::Fail(const std::string& message) const {
  throw InvalidRequest("messages", "chat template, line " + std::to_string(line_) + ": " + message);
}

void Budget::FailSteps() const {
  Fail("the limit of " + std::to_string(limits_.max_steps) + " steps (max_steps) is exceeded");
}

void Budget::FailDepth() {
  --depth_;  // the level's destructor will not run
  Fail("calls and expressions nest deeper than the limit of " + std::to_string(limits_.max_depth) +
       " (max_depth)");
}

void Budget::Allocate(size_t bytes) {
  if (bytes > limits_.max_value_bytes) {
    Fail("a value of " + std::to_string(bytes) + " bytes exceeds the limit of " +
         std::to_string(limits_.max_value_bytes) + " (max_value_bytes)");
  }
  total_bytes_ += bytes;
  if (total_bytes_ > limits_.max_total_bytes) {
    Fail("the values made exceed the limit of " + std::to_string(limits_.max_total_bytes) +
         " bytes (max_total_bytes)");
  }
}

void Budget::AllocateRepeated(int64_t count, size_t bytes) {
  if (count <= 0 || bytes == 0) return;
  const size_t most = limits_.max_value_bytes / bytes + 1;  // beyond it the size does not matter
  Allocate(static_cast<uint64_t>(count) > most ? limits_.max_value_bytes + 1
                                               : static_cast<size_t>(count) * bytes);
}

Value Budget::NewText(std::string bytes) {
  Allocate(bytes.size() + sizeof(Text));
  return Value::Of(std::move(bytes));
}

Value Budget::NewList(std::vector<Value> items, ListKind kind) {
  Allocate(items.size() * sizeof(Value) + sizeof(List));
  Step(static_cast<int64_t>(items.size() / 16));
  return Checked(Value::Of(std::move(items), kind));
}

Value Budget::NewDict(Dict dict) {
  Allocate(dict.size() * sizeof(Dict::Entry) + sizeof(Dict));
  return Checked(Value::Of(std::move(dict)));
}

Value Budget::Checked(Value value) const {
  if (value.depth() > limits_.max_value_depth) {
    Fail("lists and dictionaries nest deeper than the limit of " +
         std::to_string(limits_.max_value_depth) + " (max_value_depth)");
  }
  return value;
}

}  // namespace tandem::jinja
