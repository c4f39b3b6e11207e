#include "engine/text/jinja/tests.h"

#include <map>

#include "engine/text/jinja/arithmetic.h"
#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/filters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/objects.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

template <bool (*holds)(const Value&)>
bool Is(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "the test", arguments, {});
  return holds(input);
}

bool IsDefined(const Value& value) { return !value.IsUndefined(); }
bool IsUndefined(const Value& value) { return value.IsUndefined(); }
bool IsNone(const Value& value) { return value.IsNone(); }
bool IsBoolean(const Value& value) { return value.IsBool(); }
bool IsTrueItself(const Value& value) { return value.IsBool() && value.AsBool(); }
bool IsFalseItself(const Value& value) { return value.IsBool() && !value.AsBool(); }
bool IsInteger(const Value& value) { return value.IsInt(); }
bool IsFloat(const Value& value) { return value.IsDouble(); }
bool IsNumber(const Value& value) { return value.IsNumber(); }
bool IsString(const Value& value) { return value.IsText(); }
bool IsMapping(const Value& value) { return value.IsDict(); }
bool IsIterableValue(const Value& value) {
  return IsIterable(value) || ObjectAs<Loop>(value) != nullptr;
}
// An undefined value too: it is empty rather than absent.
bool IsCallable(const Value& value) {
  return value.IsUndefined() || (value.IsObject() && value.object().IsCallable());
}
bool IsEscaped(const Value& value) { return value.IsText() && value.text().is_markup; }

// Has a length and items by number or key.
bool IsSequence(const Value& value) {
  if (value.IsList()) {
    return !value.IsList(ListKind::kKeys) && !value.IsList(ListKind::kValues) &&
           !value.IsList(ListKind::kItems);
  }
  return value.IsText() || value.IsDict() || value.IsUndefined();
}

bool HasRest(Interpreter& in, const Value& input, const Value& divisor) {
  return IsTrue(Apply(in.budget(), Operator::kModulo, input, divisor));
}

bool IsOdd(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "odd", arguments, {});
  return Equal(in.budget(), Apply(in.budget(), Operator::kModulo, input, Value::Of(int64_t{2})),
               Value::Of(int64_t{1}));
}

bool IsEven(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "even", arguments, {});
  return !HasRest(in, input, Value::Of(int64_t{2}));
}

bool IsDivisibleBy(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "divisibleby", arguments, {"num"}, 1);
  return !HasRest(in, input, *parameters[0]);
}

template <Comparison comparison>
bool Compares(Interpreter& in, const Value& left, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "the test", arguments, {"other"}, 1);
  const Value& right = *parameters[0];
  switch (comparison) {
    case Comparison::kEqual:
      return Equal(budget, left, right);
    case Comparison::kNotEqual:
      return !Equal(budget, left, right);
    case Comparison::kLess:
      return Less(budget, left, right);
    case Comparison::kLessEqual:
      return Less(budget, left, right) || Equal(budget, left, right);
    case Comparison::kGreater:
      return Less(budget, right, left);
    case Comparison::kGreaterEqual:
      return Less(budget, right, left) || Equal(budget, left, right);
    case Comparison::kIn:
      return ContainsItem(budget, right, left);
    case Comparison::kNotIn:
      return !ContainsItem(budget, right, left);
  }
  return false;
}

bool IsSameAs(Interpreter& in, const Value& left, Arguments& arguments) {
  const Parameters parameters(in.budget(), "sameas", arguments, {"other"}, 1);
  const Value& right = *parameters[0];
  if (left.kind() != right.kind()) return false;
  // Equal text counts as the same: which strings are one object is CPython's own affair.
  if (left.IsText() || left.identity() == nullptr) return Equal(in.budget(), left, right);
  return left.identity() == right.identity();
}

enum class Letters : uint8_t { kUpper, kLower };

template <Letters letters>
bool HasLetters(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "upper", arguments, {});
  const std::string text = ToText(in.budget(), input);
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = NextCharacter(text, &at);
    const bool is_upper = IsUpper(character);
    const bool is_lower = IsLower(character);
    if (letters == Letters::kUpper ? is_lower : is_upper) return false;
    found |= is_upper || is_lower;
  }
  return found;
}

bool IsFilter(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "filter", arguments, {});
  return input.IsText() && FindFilter(input.AsText()) != nullptr;
}

bool IsTest(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "test", arguments, {});
  return input.IsText() && FindTest(input.AsText()) != nullptr;
}

std::map<std::string_view, TestFunction> AllTests() {
  return {
      {"defined", Is<IsDefined>},
      {"undefined", Is<IsUndefined>},
      {"none", Is<IsNone>},
      {"boolean", Is<IsBoolean>},
      {"true", Is<IsTrueItself>},
      {"false", Is<IsFalseItself>},
      {"integer", Is<IsInteger>},
      {"float", Is<IsFloat>},
      {"number", Is<IsNumber>},
      {"string", Is<IsString>},
      {"mapping", Is<IsMapping>},
      {"iterable", Is<IsIterableValue>},
      {"sequence", Is<IsSequence>},
      {"callable", Is<IsCallable>},
      {"escaped", Is<IsEscaped>},
      {"odd", IsOdd},
      {"even", IsEven},
      {"divisibleby", IsDivisibleBy},
      {"sameas", IsSameAs},
      {"upper", HasLetters<Letters::kUpper>},
      {"lower", HasLetters<Letters::kLower>},
      {"filter", IsFilter},
      {"test", IsTest},
      {"eq", Compares<Comparison::kEqual>},
      {"equalto", Compares<Comparison::kEqual>},
      {"==", Compares<Comparison::kEqual>},
      {"ne", Compares<Comparison::kNotEqual>},
      {"!=", Compares<Comparison::kNotEqual>},
      {"lt", Compares<Comparison::kLess>},
      {"lessthan", Compares<Comparison::kLess>},
      {"<", Compares<Comparison::kLess>},
      {"le", Compares<Comparison::kLessEqual>},
      {"<=", Compares<Comparison::kLessEqual>},
      {"gt", Compares<Comparison::kGreater>},
      {"greaterthan", Compares<Comparison::kGreater>},
      {">", Compares<Comparison::kGreater>},
      {"ge", Compares<Comparison::kGreaterEqual>},
      {">=", Compares<Comparison::kGreaterEqual>},
      {"in", Compares<Comparison::kIn>},
  };
}

}  // namespace

TestFunction FindTest(std::string_view name) {
  static const std::map<std::string_view, TestFunction> tests = AllTests();
  const auto it = tests.find(name);
  return it == tests.end() ? nullptr : it->second;
}

}  // namespace tandem::jinja
