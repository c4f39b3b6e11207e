#include "engine/text/jinja/objects.h"

#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {

std::string BoundMethod::Repr(Budget&) const {
  return "<built-in method " + name_ + " of " + receiver_.TypeName() + " object>";
}

std::string Namespace::Repr(Budget& budget) const {
  return "<Namespace " + jinja::Repr(budget, Value::Of(attributes_)) + ">";
}

std::optional<Value> Namespace::Attribute(Interpreter&, std::string_view name) {
  const Value* value = attributes_.Find(name);
  return value == nullptr ? std::nullopt : std::optional<Value>(*value);
}

void Namespace::Set(Budget& budget, const Value& name, Value value) {
  if (name.IsText() && name.AsText().starts_with('_')) {
    budget.Fail("a namespace takes no name that begins with an underscore, such as '" +
                name.AsText() + "'");
  }
  budget.Allocate(sizeof(Dict::Entry));
  attributes_.Set(budget, name, std::move(value));
}

std::string Macro::Repr(Budget&) const { return "<Macro '" + signature_.name + "'>"; }

std::optional<Value> Macro::Attribute(Interpreter& interpreter, std::string_view name) {
  if (name == "name") return Value::Of(signature_.name);
  if (name == "caller") return Value::Of(signature_.uses_caller);
  if (name == "catch_kwargs") return Value::Of(signature_.uses_kwargs);
  if (name == "catch_varargs") return Value::Of(signature_.uses_varargs);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> names;
  for (const auto& [id, parameter] : signature_.parameters) names.push_back(Value::Of(parameter));
  return interpreter.budget().NewList(std::move(names), ListKind::kTuple);
}

std::string Loop::Repr(Budget&) const {
  return "<LoopContext " + std::to_string(index_ + 1) + "/" + std::to_string(items_->items.size()) +
         ">";
}

std::optional<Value> Loop::Attribute(Interpreter&, std::string_view name) {
  const int64_t length = static_cast<int64_t>(items_->items.size());
  const auto item = [this](int64_t at) { return items_->items[static_cast<size_t>(at)]; };
  if (name == "index") return Value::Of(index_ + 1);
  if (name == "index0") return Value::Of(index_);
  if (name == "first") return Value::Of(index_ == 0);
  if (name == "last") return Value::Of(index_ + 1 >= length);
  if (name == "length") return Value::Of(length);
  if (name == "revindex") return Value::Of(length - index_);
  if (name == "revindex0") return Value::Of(length - index_ - 1);
  if (name == "depth") return Value::Of(int64_t{depth0_ + 1});
  if (name == "depth0") return Value::Of(int64_t{depth0_});
  if (name == "previtem") {
    return index_ == 0 || length == 0 ? Value::Undefined("there is no previous item")
                                      : item(index_ - 1);
  }
  if (name == "nextitem") {
    return index_ + 1 >= length ? Value::Undefined("there is no next item") : item(index_ + 1);
  }
  return std::nullopt;
}

Value Loop::Call(Interpreter& interpreter, Arguments& arguments) {
  if (!statement_.is_recursive) {
    interpreter.budget().Fail(
        "The loop must have the 'recursive' marker to be called recursively.");
  }
  if (arguments.positional.size() != 1 || !arguments.named.empty()) {
    interpreter.budget().Fail("loop() takes one argument");
  }
  return interpreter.CallLoop(statement_, scope_, arguments.positional[0], depth0_ + 1);
}

Value Loop::Changed(Interpreter& interpreter, Value value) {
  const bool changed =
      last_changed_.IsUndefined() || !Equal(interpreter.budget(), last_changed_, value);
  if (changed) last_changed_ = std::move(value);
  return Value::Of(changed);
}

void Loop::Clear() {
  last_changed_ = Value();
  items_ = std::make_shared<const List>();
}

std::optional<Value> Cycler::Attribute(Interpreter&, std::string_view name) {
  if (name == "current") return Current();
  return std::nullopt;
}

Value Cycler::Next() {
  Value value = Current();
  next_ = (next_ + 1) % items_.list().items.size();
  return value;
}

}  // namespace tandem::jinja
