#include "engine/text/jinja/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "engine/text/jinja/format.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {
namespace {

std::string_view Symbol(Operator op) {
  switch (op) {
    case Operator::kAdd:
      return "+";
    case Operator::kSubtract:
      return "-";
    case Operator::kMultiply:
      return "*";
    case Operator::kDivide:
      return "/";
    case Operator::kFloorDivide:
      return "//";
    case Operator::kModulo:
      return "%";
    case Operator::kPower:
      return "**";
  }
  return "";
}

[[noreturn]] void FailTypes(Budget& budget, Operator op, const Value& left, const Value& right) {
  if (left.IsUndefined()) budget.FailUndefined(left);
  if (right.IsUndefined()) budget.FailUndefined(right);
  budget.Fail("unsupported operand types for " + std::string(Symbol(op)) + ": '" + left.TypeName() +
              "' and '" + right.TypeName() + "'");
}

[[noreturn]] void FailOverflow(Budget& budget) {
  budget.Fail("an integer leaves the range of 64 bits");
}

int64_t FloorDivide(Budget& budget, int64_t left, int64_t right) {
  if (left == std::numeric_limits<int64_t>::min() && right == -1) FailOverflow(budget);
  const int64_t quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

int64_t Modulo(int64_t left, int64_t right) {
  if (right == -1) return 0;
  const int64_t rest = left % right;
  return rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest;
}

int64_t Power(Budget& budget, int64_t base, int64_t exponent) {
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  int64_t result = 1;
  for (; exponent > 0; --exponent) {  // ends early: no other base has a power of 64
    if (__builtin_mul_overflow(result, base, &result)) FailOverflow(budget);
  }
  return result;
}

Value OnIntegers(Budget& budget, Operator op, int64_t left, int64_t right) {
  int64_t result = 0;
  bool overflows = false;
  switch (op) {
    case Operator::kAdd:
      overflows = __builtin_add_overflow(left, right, &result);
      break;
    case Operator::kSubtract:
      overflows = __builtin_sub_overflow(left, right, &result);
      break;
    case Operator::kMultiply:
      overflows = __builtin_mul_overflow(left, right, &result);
      break;
    case Operator::kDivide:
      if (right == 0) budget.Fail("division by zero");
      return Value::Of(static_cast<double>(left) / static_cast<double>(right));
    case Operator::kFloorDivide:
      if (right == 0) budget.Fail("integer division or modulo by zero");
      return Value::Of(FloorDivide(budget, left, right));
    case Operator::kModulo:
      if (right == 0) budget.Fail("integer division or modulo by zero");
      return Value::Of(Modulo(left, right));
    case Operator::kPower:
      if (right >= 0) return Value::Of(Power(budget, left, right));
      if (left == 0) budget.Fail("0 cannot be raised to a negative power");
      return Value::Of(std::pow(static_cast<double>(left), static_cast<double>(right)));
  }
  if (overflows) FailOverflow(budget);
  return Value::Of(result);
}

double FloatModulo(double left, double right) {
  double rest = std::fmod(left, right);
  if (rest != 0.0) {
    if ((rest < 0) != (right < 0)) rest += right;
  } else {
    rest = std::copysign(0.0, right);
  }
  return rest;
}

double FloatFloorDivide(double left, double right) {
  const double quotient = (left - FloatModulo(left, right)) / right;
  if (quotient == 0.0) return std::copysign(0.0, left / right);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1.0 : floored;
}

double FloatPower(Budget& budget, double base, double exponent) {
  if (base == 0.0 && exponent < 0) budget.Fail("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) &&
      std::floor(exponent) != exponent) {
    budget.Fail("a negative number has no fractional power");
  }
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) {
    budget.Fail("a power exceeds the range of float");
  }
  return result;
}

Value OnDoubles(Budget& budget, Operator op, double left, double right) {
  const bool divides =
      op == Operator::kDivide || op == Operator::kFloorDivide || op == Operator::kModulo;
  if (divides && right == 0.0) budget.Fail("float division by zero");
  switch (op) {
    case Operator::kAdd:
      return Value::Of(left + right);
    case Operator::kSubtract:
      return Value::Of(left - right);
    case Operator::kMultiply:
      return Value::Of(left * right);
    case Operator::kDivide:
      return Value::Of(left / right);
    case Operator::kFloorDivide:
      return Value::Of(FloatFloorDivide(left, right));
    case Operator::kModulo:
      return Value::Of(FloatModulo(left, right));
    case Operator::kPower:
      return Value::Of(FloatPower(budget, left, right));
  }
  return Value();
}

Value JoinedTexts(Budget& budget, const Text& left, const Text& right) {
  budget.Allocate(left.bytes.size() + right.bytes.size());
  if (!left.is_markup && !right.is_markup) return Value::Of(left.bytes + right.bytes);
  return Value::Markup((left.is_markup ? left.bytes : EscapedHtml(left.bytes)) +
                       (right.is_markup ? right.bytes : EscapedHtml(right.bytes)));
}

bool IsListOrTuple(const Value& value) {
  return value.IsList(ListKind::kList) || value.IsList(ListKind::kTuple) ||
         value.IsList(ListKind::kGroup);
}

Value JoinedLists(Budget& budget, const List& left, const List& right) {
  budget.Allocate((left.items.size() + right.items.size()) * sizeof(Value));
  std::vector<Value> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return budget.NewList(std::move(items), left.kind);
}

Value Repeated(Budget& budget, const Value& value, int64_t count) {
  if (value.IsText()) {
    budget.AllocateRepeated(count, value.AsText().size());
    const std::string& piece = value.AsText();
    std::string text(piece.size() == 1 ? static_cast<size_t>(std::max<int64_t>(count, 0)) : 0,
                     piece.empty() ? ' ' : piece[0]);
    for (int64_t i = 0; i < count && piece.size() > 1; ++i) text += piece;
    return value.text().is_markup ? Value::Markup(std::move(text))
                                  : budget.NewText(std::move(text));
  }
  const List& list = value.list();
  budget.AllocateRepeated(count, list.items.size() * sizeof(Value));
  std::vector<Value> items;
  for (int64_t i = 0; i < count && !list.items.empty(); ++i) {
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return budget.NewList(std::move(items), list.kind);
}

}  // namespace

Value Apply(Budget& budget, Operator op, const Value& left, const Value& right) {
  if (left.IsIntegral() && right.IsIntegral()) {
    return OnIntegers(budget, op, left.AsInt(), right.AsInt());
  }
  if (left.IsNumber() && right.IsNumber()) {
    return OnDoubles(budget, op, left.AsDouble(), right.AsDouble());
  }
  if (op == Operator::kAdd) {
    if (left.IsText() && right.IsText()) return JoinedTexts(budget, left.text(), right.text());
    if (IsListOrTuple(left) && IsListOrTuple(right) &&
        left.IsList(ListKind::kList) == right.IsList(ListKind::kList)) {
      return JoinedLists(budget, left.list(), right.list());
    }
  } else if (op == Operator::kMultiply) {
    if (right.IsIntegral() && (left.IsText() || IsListOrTuple(left))) {
      return Repeated(budget, left, right.AsInt());
    }
    if (left.IsIntegral() && (right.IsText() || IsListOrTuple(right))) {
      return Repeated(budget, right, left.AsInt());
    }
  } else if (op == Operator::kModulo && left.IsText()) {
    return budget.NewText(FormatPercent(budget, left.AsText(), right));
  }
  FailTypes(budget, op, left, right);
}

Value Negated(Budget& budget, const Value& value) {
  if (value.IsIntegral()) {
    if (value.AsInt() == std::numeric_limits<int64_t>::min()) FailOverflow(budget);
    return Value::Of(-value.AsInt());
  }
  if (value.IsDouble()) return Value::Of(-value.AsDouble());
  if (value.IsUndefined()) budget.FailUndefined(value);
  budget.Fail("bad operand type for unary -: '" + value.TypeName() + "'");
}

Value Positive(Budget& budget, const Value& value) {
  if (value.IsIntegral()) return Value::Of(value.AsInt());
  if (value.IsDouble()) return value;
  if (value.IsUndefined()) budget.FailUndefined(value);
  budget.Fail("bad operand type for unary +: '" + value.TypeName() + "'");
}

std::string EscapedHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace tandem::jinja
