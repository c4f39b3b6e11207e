// Filters that take sequences apart and put them together.

#include <algorithm>

#include "engine/text/jinja/arithmetic.h"
#include "engine/text/jinja/attribute_getter.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/filters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {
namespace {

Value First(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "first", arguments, {});
  const auto items = Elements(in.budget(), input);
  if (items->items.empty()) return Value::Undefined("No first item, sequence was empty.");
  return items->items.front();
}

Value Last(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "last", arguments, {});
  if (ObjectAs<Iterator>(input) != nullptr) {
    in.budget().Fail("'generator' object is not reversible");
  }
  const auto items = Elements(in.budget(), input);
  if (items->items.empty()) return Value::Undefined("No last item, sequence was empty.");
  return items->items.back();
}

Value ToList(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "list", arguments, {});
  const auto items = Elements(in.budget(), input);
  in.budget().Allocate(items->items.size() * sizeof(Value));
  return in.budget().NewList(items->items);
}

Value Join(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "join", arguments, {"d", "attribute"});
  const AttributeGetter getter(in, parameters[1]);
  const std::string separator = parameters.Text(0, "");
  const auto items = Elements(budget, input);
  std::string out;
  for (size_t i = 0; i < items->items.size(); ++i) {
    budget.Step();
    if (i > 0) {
      budget.Allocate(separator.size());
      out += separator;
    }
    AppendText(budget, getter.Get(items->items[i]), &out);
  }
  return budget.NewText(std::move(out));
}

Value Reverse(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "reverse", arguments, {});
  const auto items = Elements(budget, input);
  std::vector<Value> reversed(items->items.rbegin(), items->items.rend());
  if (!input.IsText()) return NewIterator(budget, std::move(reversed));
  std::string text;
  for (const Value& character : reversed) text += character.AsText();
  return budget.NewText(std::move(text));
}

Value Items(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "items", arguments, {});
  std::vector<Value> items;
  if (input.IsDict()) {
    for (const auto& [key, value] : input.dict().entries()) {
      items.push_back(budget.NewList({key, value}, ListKind::kTuple));
    }
  } else if (!input.IsUndefined()) {
    budget.Fail("Can only get item pairs from a mapping.");
  }
  return NewIterator(budget, std::move(items));
}

Value Batch(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "batch", arguments, {"linecount", "fill_with"}, 1);
  const int64_t size = parameters.Int(0, 1);
  std::vector<Value> batches;
  std::vector<Value> batch;
  const std::shared_ptr<const List> item_list = Elements(budget, input);
  for (const Value& item : item_list->items) {
    budget.Step();
    if (static_cast<int64_t>(batch.size()) == size) {
      batches.push_back(budget.NewList(std::exchange(batch, {})));
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    if (parameters[1] != nullptr && !parameters[1]->IsNone()) {
      const int64_t missing = size - static_cast<int64_t>(batch.size());
      budget.AllocateRepeated(missing, sizeof(Value));
      for (int64_t i = 0; i < missing; ++i) batch.push_back(*parameters[1]);
    }
    batches.push_back(budget.NewList(std::move(batch)));
  }
  return NewIterator(budget, std::move(batches));
}

Value SliceUp(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "slice", arguments, {"slices", "fill_with"}, 1);
  const auto items = Elements(budget, input);
  const int64_t num_slices = parameters.Int(0, 1);
  if (num_slices == 0) budget.Fail("integer division or modulo by zero");
  budget.AllocateRepeated(num_slices, sizeof(Value) + sizeof(List));
  const int64_t length = static_cast<int64_t>(items->items.size());
  std::vector<Value> slices;
  auto next = items->items.begin();
  for (int64_t i = 0; i < num_slices; ++i) {
    budget.Step();
    const bool is_longer = i < length % num_slices;
    const auto end = next + length / num_slices + (is_longer ? 1 : 0);
    std::vector<Value> slice(next, end);
    next = end;
    const bool fills = parameters[1] != nullptr && !parameters[1]->IsNone();
    if (fills && i >= length % num_slices) slice.push_back(*parameters[1]);
    slices.push_back(budget.NewList(std::move(slice)));
  }
  return NewIterator(budget, std::move(slices));
}

Value Sum(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "sum", arguments, {"attribute", "start"});
  const AttributeGetter getter(in, parameters[0]);
  Value sum = parameters[1] == nullptr ? Value::Of(int64_t{0}) : *parameters[1];
  if (sum.IsText()) budget.Fail("sum() can't sum strings");
  const std::shared_ptr<const List> item_list = Elements(budget, input);
  for (const Value& item : item_list->items) {
    budget.Step();
    sum = Apply(budget, Operator::kAdd, sum, getter.Get(item));
  }
  return sum;
}

Value Attribute(Interpreter& in, const Value& input, Arguments& arguments) {
  const Parameters parameters(in.budget(), "attr", arguments, {"name"}, 1);
  return GetOnlyAttribute(in, input, parameters.Text(0, ""));
}

}  // namespace

const std::vector<NamedFilter>& SequenceFilters() {
  static const std::vector<NamedFilter> filters = {
      {"first", First}, {"last", Last},   {"list", ToList},   {"join", Join}, {"reverse", Reverse},
      {"items", Items}, {"batch", Batch}, {"slice", SliceUp}, {"sum", Sum},   {"attr", Attribute},
  };
  return filters;
}

}  // namespace tandem::jinja
