#pragma once
// What one rendering has spent, and the one place where it fails: every error carries the line of
// the template. Owned by the rendering's Interpreter, on its thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/text/jinja/limits.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

class Budget {
 public:
  explicit Budget(const JinjaLimits& limits) : limits_(limits) {}

  void Step(int64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.max_steps) FailSteps();
  }
  // Looking at that many bytes of text.
  void Scan(size_t bytes) { Step(static_cast<int64_t>(bytes / 64)); }
  // A value of that size is about to be made.
  void Allocate(size_t bytes);
  // The same for `count` pieces of `bytes` each, without overflow; a negative count is none.
  void AllocateRepeated(int64_t count, size_t bytes);

  // New values, after a check of their size.
  Value NewText(std::string bytes);
  Value NewList(std::vector<Value> items, ListKind kind = ListKind::kList);
  Value NewDict(Dict dict);
  // The value itself, unless it nests too deeply.
  Value Checked(Value value) const;

  void set_line(int line) { line_ = line; }
  int line() const { return line_; }
  const JinjaLimits& limits() const { return limits_; }

  // InvalidRequest: "chat template, line 3: ...".
  [[noreturn]] void Fail(const std::string& message) const;
  [[noreturn]] void FailUndefined(const Value& value) const { Fail(value.UndefinedMessage()); }

  // One level of recursion, for as long as it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (++budget_.depth_ > budget_.limits_.max_depth) budget_.FailDepth();
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --budget_.depth_; }

   private:
    Budget& budget_;
  };

 private:
  [[noreturn]] void FailSteps() const;
  [[noreturn]] void FailDepth();

  const JinjaLimits limits_;
  int64_t steps_ = 0;
  size_t total_bytes_ = 0;
  int depth_ = 0;
  int line_ = 0;  // set by the interpreter before each statement and call
};

}  // namespace tandem::jinja
