// Filters that apply another filter or a test to each element.

#include "engine/text/jinja/attribute_getter.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/filters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/tests.h"

namespace tandem::jinja {
namespace {

// The arguments from `index` on, those of the inner filter or test.
Arguments Rest(const Arguments& arguments, size_t index) {
  Arguments rest;
  for (size_t i = index; i < arguments.positional.size(); ++i) {
    rest.positional.push_back(arguments.positional[i]);
  }
  rest.named = arguments.named;
  return rest;
}

const std::string& NameAt(Budget& budget, const Arguments& arguments, size_t index) {
  const Value& name = arguments.positional[index];
  if (!name.IsText()) budget.Fail("the name of a filter or test must be a string");
  return name.AsText();
}

Value MapAttribute(Interpreter& in, const Value& input, const Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "map", arguments, {"attribute", "default"}, 1);
  AttributeGetter getter(in, parameters[0]);
  getter.set_default(parameters[1]);
  std::vector<Value> items;
  const std::shared_ptr<const List> item_list = Elements(budget, input);
  for (const Value& item : item_list->items) items.push_back(getter.Get(item));
  return NewIterator(budget, std::move(items));
}

Value Map(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  if (!IsTrue(input)) return NewIterator(budget, {});  // None too
  if (arguments.positional.empty()) {
    if (arguments.named.empty()) budget.Fail("map requires a filter argument");
    return MapAttribute(in, input, arguments);
  }
  const std::string& name = NameAt(budget, arguments, 0);
  const FilterFunction filter = FindFilter(name);
  if (filter == nullptr) budget.Fail("there is no filter '" + name + "', or it is not supported");
  const Arguments rest = Rest(arguments, 1);
  std::vector<Value> items;
  const std::shared_ptr<const List> item_list = Elements(budget, input);
  for (const Value& item : item_list->items) {
    budget.Step();
    const Budget::Level level(budget);
    Arguments own = rest;
    items.push_back(filter(in, item, own));
  }
  return NewIterator(budget, std::move(items));
}

enum class Subject : uint8_t { kItem, kAttribute };
enum class Wanted : uint8_t { kTrue, kFalse };

template <Subject subject, Wanted wanted>
Value Select(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  if (!IsTrue(input)) return NewIterator(budget, {});  // None too
  const size_t test_index = subject == Subject::kAttribute ? 1 : 0;
  if (arguments.positional.size() < test_index) budget.Fail("Missing parameter for attribute name");
  const AttributeGetter getter(in, test_index == 1 ? &arguments.positional[0] : nullptr);
  TestFunction test = nullptr;
  if (arguments.positional.size() > test_index) {
    const std::string& name = NameAt(budget, arguments, test_index);
    test = FindTest(name);
    if (test == nullptr) budget.Fail("there is no test '" + name + "', or it is not supported");
  }
  const Arguments rest = Rest(arguments, test_index + 1);
  std::vector<Value> items;
  const std::shared_ptr<const List> item_list = Elements(budget, input);
  for (const Value& item : item_list->items) {
    budget.Step();
    const Value value = getter.Get(item);
    Arguments own = rest;
    const bool holds = test == nullptr ? IsTrue(value) : test(in, value, own);
    if (holds == (wanted == Wanted::kTrue)) items.push_back(item);
  }
  return NewIterator(budget, std::move(items));
}

}  // namespace

const std::vector<NamedFilter>& SelectionFilters() {
  static const std::vector<NamedFilter> filters = {
      {"map", Map},
      {"select", Select<Subject::kItem, Wanted::kTrue>},
      {"reject", Select<Subject::kItem, Wanted::kFalse>},
      {"selectattr", Select<Subject::kAttribute, Wanted::kTrue>},
      {"rejectattr", Select<Subject::kAttribute, Wanted::kFalse>},
  };
  return filters;
}

}  // namespace tandem::jinja
