#pragma once
// Python's operators on values. Integers have 64 bits: a result beyond them is an error, where
// Python would go on. Pure but for the budget.

#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

enum class Operator : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower
};

Value Apply(Budget& budget, Operator op, const Value& left, const Value& right);
Value Negated(Budget& budget, const Value& value);
Value Positive(Budget& budget, const Value& value);

// `&<>'"` as entities.
std::string EscapedHtml(std::string_view text);

}  // namespace tandem::jinja
