#pragma once
// What a built-in filter, test, function or method was called with, by the names of its
// parameters. Borrows the arguments for the call.

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

class Parameters {
 public:
  // Fails when there are too many arguments, or one of another name, or one of the first
  // `num_required` is missing.
  Parameters(Budget& budget, std::string_view function, const Arguments& arguments,
             std::initializer_list<std::string_view> names, size_t num_required = 0);

  const Value* operator[](size_t index) const { return values_[index]; }  // null when not given
  bool Bool(size_t index, bool otherwise) const;
  // None counts as not given.
  int64_t Int(size_t index, int64_t otherwise) const;
  std::string Text(size_t index, std::string_view otherwise) const;  // str() of what is given
  // Text that must be a string.
  const std::string& String(size_t index) const;

 private:
  Budget& budget_;
  std::string_view function_;
  std::array<const Value*, 6> values_ = {};
};

}  // namespace tandem::jinja
