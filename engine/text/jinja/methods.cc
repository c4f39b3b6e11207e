#include "engine/text/jinja/methods.h"

#include <algorithm>
#include <map>

#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/parameters.h"

namespace tandem::jinja {
namespace {

// Dictionaries.

Value NewView(Budget& budget, const Dict& dict, ListKind kind) {
  std::vector<Value> items;
  budget.AllocateRepeated(static_cast<int64_t>(dict.size()), sizeof(Value));
  items.reserve(dict.size());
  for (const auto& [key, value] : dict.entries()) {
    if (kind == ListKind::kItems) {
      items.push_back(budget.NewList({key, value}, ListKind::kTuple));
    } else {
      items.push_back(kind == ListKind::kKeys ? key : value);
    }
  }
  return budget.NewList(std::move(items), kind);
}

template <ListKind kind>
Value View(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "items", arguments, {});
  return NewView(in.budget(), self.dict(), kind);
}

Value Get(Interpreter& in, const Value& self, Arguments& arguments) {
  if (!arguments.named.empty()) in.budget().Fail("dict.get() takes no keyword arguments");
  const Parameters parameters(in.budget(), "get", arguments, {"key", "default"}, 1);
  const Value* found = self.dict().Find(in.budget(), *parameters[0]);
  if (found != nullptr) return *found;
  return parameters[1] == nullptr ? Value::None() : *parameters[1];
}

Value Copy(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "copy", arguments, {});
  return self;  // nothing can change either
}

// Lists and tuples.

Value CountItems(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "count", arguments, {"value"}, 1);
  const std::vector<Value>& items = self.list().items;
  return Value::Of(int64_t{std::count_if(items.begin(), items.end(), [&](const Value& item) {
    return Equal(in.budget(), item, *parameters[0]);
  })});
}

Value IndexOfItem(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "index", arguments, {"value", "start", "stop"}, 1);
  const std::vector<Value>& items = self.list().items;
  const int64_t size = static_cast<int64_t>(items.size());
  const auto clamped = [size](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t end = clamped(parameters.Int(2, size));
  for (int64_t i = clamped(parameters.Int(1, 0)); i < end; ++i) {
    if (Equal(in.budget(), items[static_cast<size_t>(i)], *parameters[0])) return Value::Of(i);
  }
  in.budget().Fail("the value is not in the list");
}

// Objects.

Value CycleLoop(Interpreter& in, const Value& self, Arguments& arguments) {
  if (arguments.positional.empty()) in.budget().Fail("no items for cycling given");
  const auto index = static_cast<size_t>(ObjectAs<Loop>(self)->index());
  return arguments.positional[index % arguments.positional.size()];
}

Value LoopChanged(Interpreter& in, const Value& self, Arguments& arguments) {
  return ObjectAs<Loop>(self)->Changed(
      in, in.budget().NewList(std::move(arguments.positional), ListKind::kTuple));
}

Value NextOfCycler(Interpreter&, const Value& self, Arguments&) {
  return ObjectAs<Cycler>(self)->Next();
}

Value ResetCycler(Interpreter&, const Value& self, Arguments&) {
  ObjectAs<Cycler>(self)->Reset();
  return Value::None();
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::map<std::string_view, Method> AllTextMethods() {
  std::map<std::string_view, Method> all;
  for (const auto* part : {&TextChangingMethods(), &TextSplittingMethods(), &TextQueryMethods()}) {
    for (const NamedMethod& method : *part) all.emplace(method.name, method.function);
  }
  return all;
}

}  // namespace

MethodLookup FindTextMethod(std::string_view name) {
  static const std::map<std::string_view, Method> methods = AllTextMethods();
  const auto it = methods.find(name);
  return it == methods.end() ? MethodLookup{} : MethodLookup{.function = it->second};
}

MethodLookup FindDictMethod(std::string_view name) {
  if (name == "items") return {.function = View<ListKind::kItems>};
  if (name == "keys") return {.function = View<ListKind::kKeys>};
  if (name == "values") return {.function = View<ListKind::kValues>};
  if (name == "get") return {.function = Get};
  if (name == "copy") return {.function = Copy};
  return {.is_refused = IsOneOf(name, {"clear", "pop", "popitem", "setdefault", "update"})};
}

MethodLookup FindListMethod(ListKind kind, std::string_view name) {
  if (kind == ListKind::kKeys || kind == ListKind::kValues || kind == ListKind::kItems) return {};
  if (name == "count") return {.function = CountItems};
  if (name == "index") return {.function = IndexOfItem};
  if (kind != ListKind::kList) return {};
  if (name == "copy") return {.function = Copy};
  return {.is_refused = IsOneOf(
              name, {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"})};
}

MethodLookup FindObjectMethod(const Value& receiver, std::string_view name) {
  if (ObjectAs<Loop>(receiver) != nullptr) {
    if (name == "cycle") return {.function = CycleLoop};
    if (name == "changed") return {.function = LoopChanged};
  } else if (ObjectAs<Cycler>(receiver) != nullptr) {
    if (name == "next") return {.function = NextOfCycler};
    if (name == "reset") return {.function = ResetCycler};
  }
  return {};
}

}  // namespace tandem::jinja
