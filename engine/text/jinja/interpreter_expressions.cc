#include "engine/text/jinja/attributes.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {

Value Interpreter::Evaluate(const Expression& expression) {
  budget_.Step();
  const Budget::Level level(budget_);
  const auto& children = expression.children;
  switch (expression.kind) {
    case ExprKind::kConstant:
      return expression.constant;
    case ExprKind::kName:
      return Lookup(expression.name);
    case ExprKind::kNamespace:
      break;  // a target of assignments only
    case ExprKind::kList:
    case ExprKind::kTuple:
      return EvaluateSequence(expression);
    case ExprKind::kDict:
      return EvaluateDict(expression);
    case ExprKind::kAttribute:
      return GetAttribute(*this, Evaluate(*children[0]), expression.text);
    case ExprKind::kItem:
      return EvaluateItem(expression);
    case ExprKind::kSlice:
      budget_.Fail("a slice stands where a key is expected");
    case ExprKind::kCall:
      return EvaluateCall(expression, nullptr);
    case ExprKind::kFilter:
      return EvaluateFilter(expression, nullptr);
    case ExprKind::kTest:
      return Value::Of(EvaluateTest(expression));
    case ExprKind::kNegative:
      return Negated(budget_, Evaluate(*children[0]));
    case ExprKind::kPositive:
      return Positive(budget_, Evaluate(*children[0]));
    case ExprKind::kNot:
      return Value::Of(!IsTrue(Evaluate(*children[0])));
    case ExprKind::kAnd: {
      Value left = Evaluate(*children[0]);
      return IsTrue(left) ? Evaluate(*children[1]) : left;
    }
    case ExprKind::kOr: {
      Value left = Evaluate(*children[0]);
      return IsTrue(left) ? left : Evaluate(*children[1]);
    }
    case ExprKind::kArithmetic: {
      const Value left = Evaluate(*children[0]);
      return Apply(budget_, expression.op, left, Evaluate(*children[1]));
    }
    case ExprKind::kConcatenate:
      return EvaluateConcatenation(expression);
    case ExprKind::kCompare:
      return EvaluateComparison(expression);
    case ExprKind::kConditional:
      return EvaluateConditional(expression);
  }
  return Value();
}

Value Interpreter::EvaluateSequence(const Expression& expression) {
  std::vector<Value> items;
  items.reserve(expression.children.size());
  for (const auto& child : expression.children) items.push_back(Evaluate(*child));
  return budget_.NewList(std::move(items),
                         expression.kind == ExprKind::kList ? ListKind::kList : ListKind::kTuple);
}

Value Interpreter::EvaluateDict(const Expression& expression) {
  Dict dict;
  for (size_t i = 0; i < expression.children.size(); i += 2) {
    const Value key = Evaluate(*expression.children[i]);
    dict.Set(budget_, key, Evaluate(*expression.children[i + 1]));
  }
  return budget_.NewDict(std::move(dict));
}

Value Interpreter::EvaluateItem(const Expression& expression) {
  const Value object = Evaluate(*expression.children[0]);
  const Expression& key = *expression.children[1];
  if (key.kind != ExprKind::kSlice) return GetItem(*this, object, Evaluate(key));
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    bounds[i] = key.children[i] == nullptr ? Value::None() : Evaluate(*key.children[i]);
  }
  return GetSlice(*this, object, {.begin = bounds[0], .end = bounds[1], .step = bounds[2]});
}

Arguments Interpreter::EvaluateArguments(const CallArguments& call) {
  Arguments arguments;
  arguments.positional.reserve(call.positional.size());
  for (const auto& child : call.positional) arguments.positional.push_back(Evaluate(*child));
  for (const auto& [name, child] : call.named) arguments.named.emplace_back(name, Evaluate(*child));
  if (call.spread_list != nullptr) {
    const auto items = Elements(budget_, Evaluate(*call.spread_list));
    budget_.Allocate(items->items.size() * sizeof(Value));
    arguments.positional.insert(arguments.positional.end(), items->items.begin(),
                                items->items.end());
  }
  if (call.spread_dict != nullptr) {
    const Value dict = Evaluate(*call.spread_dict);
    if (!dict.IsDict()) budget_.Fail("the argument behind ** must be a mapping");
    budget_.Allocate(dict.dict().size() * sizeof(Dict::Entry));
    for (const auto& [key, value] : dict.dict().entries()) {
      if (!key.IsText()) budget_.Fail("keywords must be strings");
      for (const auto& [name, child] : call.named) {
        if (name == key.AsText()) budget_.Fail("multiple values for the argument '" + name + "'");
      }
      arguments.named.emplace_back(key.AsText(), value);
    }
  }
  return arguments;
}

Value Interpreter::EvaluateCall(const Expression& expression, const Value* caller) {
  const Expression& callee = *expression.children[0];
  if (callee.kind == ExprKind::kAttribute) {
    // The common case, without an object for the method.
    const Value receiver = Evaluate(*callee.children[0]);
    const MethodLookup method = FindMethod(receiver, callee.text);
    if (method.function != nullptr && caller == nullptr) {
      Arguments arguments = EvaluateArguments(*expression.arguments);
      budget_.set_line(expression.line);
      return method.function(*this, receiver, arguments);
    }
    const Value function = GetAttribute(*this, receiver, callee.text);
    Arguments arguments = EvaluateArguments(*expression.arguments);
    if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
    budget_.set_line(expression.line);
    return Call(function, arguments);
  }
  const Value function = Evaluate(callee);
  Arguments arguments = EvaluateArguments(*expression.arguments);
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  budget_.set_line(expression.line);
  return Call(function, arguments);
}

// `input` feeds the innermost filter of a block, which has no child of its own.
Value Interpreter::EvaluateFilter(const Expression& expression, const Value* input) {
  const Expression* child = expression.children[0].get();
  const Value value = child == nullptr   ? *input
                      : input != nullptr ? EvaluateFilter(*child, input)
                                         : Evaluate(*child);
  budget_.set_line(expression.line);
  if (expression.filter == nullptr) {
    budget_.Fail("there is no filter '" + expression.text + "', or it is not supported");
  }
  Arguments arguments = EvaluateArguments(*expression.arguments);
  return expression.filter(*this, value, arguments);
}

bool Interpreter::EvaluateTest(const Expression& expression) {
  const Value value = Evaluate(*expression.children[0]);
  if (expression.test == nullptr) {
    budget_.Fail("there is no test '" + expression.text + "', or it is not supported");
  }
  Arguments arguments = EvaluateArguments(*expression.arguments);
  return expression.test(*this, value, arguments);
}

Value Interpreter::EvaluateConcatenation(const Expression& expression) {
  std::string text;
  for (const auto& child : expression.children) {
    AppendText(budget_, Evaluate(*child), &text);
    if (text.size() > budget_.limits().max_value_bytes) budget_.Allocate(text.size());
  }
  return Value::Of(std::move(text));
}

bool Interpreter::Holds(Comparison comparison, const Value& left, const Value& right) {
  switch (comparison) {
    case Comparison::kEqual:
      return Equal(budget_, left, right);
    case Comparison::kNotEqual:
      return !Equal(budget_, left, right);
    case Comparison::kLess:
      return Less(budget_, left, right);
    case Comparison::kLessEqual:
      return Less(budget_, left, right) || Equal(budget_, left, right);
    case Comparison::kGreater:
      return Less(budget_, right, left);
    case Comparison::kGreaterEqual:
      return Less(budget_, right, left) || Equal(budget_, left, right);
    case Comparison::kIn:
      return ContainsItem(budget_, right, left);
    case Comparison::kNotIn:
      return !ContainsItem(budget_, right, left);
  }
  return false;
}

Value Interpreter::EvaluateComparison(const Expression& expression) {
  Value left = Evaluate(*expression.children[0]);
  for (size_t i = 0; i < expression.comparisons.size(); ++i) {
    Value right = Evaluate(*expression.children[i + 1]);
    if (!Holds(expression.comparisons[i], left, right)) return Value::Of(false);
    left = std::move(right);
  }
  return Value::Of(true);
}

Value Interpreter::EvaluateConditional(const Expression& expression) {
  if (IsTrue(Evaluate(*expression.children[1]))) return Evaluate(*expression.children[0]);
  if (expression.children[2] != nullptr) return Evaluate(*expression.children[2]);
  return Value::Undefined("the inline if-expression on line " + std::to_string(expression.line) +
                          " evaluated to false and no else section was defined.");
}

}  // namespace tandem::jinja
