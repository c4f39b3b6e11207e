// Filters that make numbers, and those that fill in for what is missing.

#include <charconv>
#include <cmath>
#include <limits>

#include "engine/text/jinja/arithmetic.h"
#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/filters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/objects.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {
namespace {

// The text without what Python allows around and inside of a number: blanks, a plus, underscores
// between digits. Nothing when they stand elsewhere.
std::optional<std::string> NumberText(std::string_view text) {
  text = Stripped(text, Side::kBoth);
  std::string out;
  if (text.starts_with('+') || text.starts_with('-')) {
    if (text[0] == '-') out += '-';
    text.remove_prefix(1);
  }
  const auto is_digit = [&text](size_t at) {
    return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) {
      return std::nullopt;
    }
  }
  if (text.empty() || text[0] == '+' || text[0] == '-') return std::nullopt;
  return out;
}

std::optional<double> ParseDouble(std::string_view text) {
  const std::optional<std::string> number = NumberText(text);
  if (!number) return std::nullopt;
  const std::string lower = Lower(*number);
  if (lower.find_first_of("(x") != std::string::npos) return std::nullopt;  // nan(...), hexadecimal
  double value = 0.0;
  const auto result = std::from_chars(lower.data(), lower.data() + lower.size(), value);
  if (result.ptr != lower.data() + lower.size()) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) {
    const bool is_small = lower.find("e-") != std::string::npos;
    value = is_small ? 0.0 : std::numeric_limits<double>::infinity();
    return lower[0] == '-' ? -value : value;
  }
  return result.ec == std::errc() ? std::optional<double>(value) : std::nullopt;
}

std::optional<int64_t> ParseInteger(Budget& budget, std::string_view text, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) budget.Fail("int() base must be 2 to 36, or 0");
  std::optional<std::string> number = NumberText(text);
  if (!number) return std::nullopt;
  std::string digits = Lower(*number);
  const size_t sign = digits.starts_with('-') ? 1 : 0;
  const std::string prefix = digits.substr(sign, 2);
  const int64_t written = prefix == "0x" ? 16 : prefix == "0o" ? 8 : prefix == "0b" ? 2 : 0;
  if (written != 0 && (base == 0 || base == written)) {
    digits.erase(sign, 2);
    base = written;
  }
  if (base == 0) base = 10;
  int64_t value = 0;
  const auto result =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (result.ec == std::errc::result_out_of_range) {
    budget.Fail("an integer leaves the range of 64 bits");
  }
  if (result.ec != std::errc() || result.ptr != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> Truncated(Budget& budget, double value) {
  if (!std::isfinite(value)) return std::nullopt;
  if (std::fabs(value) >= 9.2e18) budget.Fail("an integer leaves the range of 64 bits");
  return static_cast<int64_t>(value);
}

Value Int(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "int", arguments, {"default", "base"});
  if (input.IsUndefined()) budget.FailUndefined(input);
  std::optional<int64_t> value;
  if (input.IsIntegral()) {
    value = input.AsInt();
  } else if (input.IsDouble()) {
    if (std::isinf(input.AsDouble())) budget.Fail("cannot convert float infinity to integer");
    value = Truncated(budget, input.AsDouble());
  } else if (input.IsText()) {
    value = ParseInteger(budget, input.AsText(), parameters.Int(1, 10));
    if (!value) {
      const std::optional<double> number = ParseDouble(input.AsText());
      if (number) value = Truncated(budget, *number);
    }
  }
  if (value) return Value::Of(*value);
  return parameters[0] == nullptr ? Value::Of(int64_t{0}) : *parameters[0];
}

Value Float(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "float", arguments, {"default"});
  if (input.IsUndefined()) in.budget().FailUndefined(input);
  if (input.IsNumber()) return Value::Of(input.AsDouble());
  if (input.IsText()) {
    if (const std::optional<double> value = ParseDouble(input.AsText())) return Value::Of(*value);
  }
  return parameters[0] == nullptr ? Value::Of(0.0) : *parameters[0];
}

Value Abs(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "abs", arguments, {});
  if (input.IsDouble()) return Value::Of(std::fabs(input.AsDouble()));
  if (input.IsIntegral() && input.AsInt() >= 0) return Value::Of(input.AsInt());
  return Negated(in.budget(), input);
}

// Correctly rounded, ties to even, by way of decimal digits as Python does.
double Rounded(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < -308) return std::copysign(0.0, value);
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(value / scale) * scale;
  }
  char buffer[700];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed,
                                 static_cast<int>(precision))
                       .ptr;
  double rounded = value;
  std::from_chars(buffer, end, rounded);
  return rounded;
}

Value RoundedInteger(Budget& budget, int64_t value, int64_t precision) {
  if (precision >= 0) return Value::Of(value);
  if (precision < -18) return Value::Of(int64_t{0});
  int64_t scale = 1;
  for (int64_t i = 0; i < -precision; ++i) scale *= 10;
  const int64_t rest = ((value % scale) + scale) % scale;
  int64_t floor = 0;
  if (__builtin_sub_overflow(value, rest, &floor)) budget.Fail("an integer leaves 64 bits");
  const bool is_odd = (floor / scale) % 2 != 0;
  const bool up = rest > scale - rest || (rest == scale - rest && is_odd);
  return Apply(budget, Operator::kAdd, Value::Of(floor), Value::Of(up ? scale : int64_t{0}));
}

Value Round(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "round", arguments, {"precision", "method"});
  const std::string method = parameters.Text(1, "common");
  const int64_t precision = parameters.Int(0, 0);
  if (input.IsUndefined()) budget.FailUndefined(input);
  if (!input.IsNumber()) budget.Fail("round wants a number, got '" + input.TypeName() + "'");
  if (method == "common") {
    return input.IsIntegral() ? RoundedInteger(budget, input.AsInt(), precision)
                              : Value::Of(Rounded(input.AsDouble(), precision));
  }
  if (method != "ceil" && method != "floor") {
    budget.Fail("method must be common, ceil or floor");
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.AsDouble() * scale;
  return Value::Of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value Length(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "length", arguments, {});
  if (auto* loop = ObjectAs<Loop>(input)) return *loop->Attribute(in, "length");
  return Value::Of(jinja::Length(in.budget(), input));
}

Value Default(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "default", arguments, {"default_value", "boolean"});
  if (!input.IsUndefined() && (!parameters.Bool(1, false) || IsTrue(input))) return input;
  return parameters[0] == nullptr ? Value::Of("") : *parameters[0];
}

}  // namespace

const std::vector<NamedFilter>& NumberFilters() {
  static const std::vector<NamedFilter> filters = {
      {"int", Int},       {"float", Float},  {"abs", Abs},   {"round", Round},
      {"length", Length}, {"count", Length}, {"d", Default}, {"default", Default},
  };
  return filters;
}

}  // namespace tandem::jinja
