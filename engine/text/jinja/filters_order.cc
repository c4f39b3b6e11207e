// Filters that order, group and compare the elements of a sequence.

#include <algorithm>
#include <set>

#include "engine/text/jinja/attribute_getter.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/filters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {
namespace {

struct Keyed {
  Value key;
  Value item;
};

// Stable in both directions, as Python's sort is.
void SortByKey(Budget& budget, std::vector<Keyed>* entries, bool reverse) {
  budget.Step(static_cast<int64_t>(entries->size()));
  if (reverse) std::reverse(entries->begin(), entries->end());
  std::stable_sort(entries->begin(), entries->end(), [&budget](const Keyed& a, const Keyed& b) {
    return Less(budget, a.key, b.key);
  });
  if (reverse) std::reverse(entries->begin(), entries->end());
}

std::vector<Value> ItemsOf(std::vector<Keyed> entries) {
  std::vector<Value> items;
  items.reserve(entries.size());
  for (Keyed& entry : entries) items.push_back(std::move(entry.item));
  return items;
}

enum class Case : uint8_t { kSensitive, kIgnored };

std::vector<Keyed> KeyedBy(Interpreter& in, const Value& input, const AttributeGetter& getter,
                           Case letter_case) {
  std::vector<Keyed> entries;
  const std::shared_ptr<const List> item_list = Elements(in.budget(), input);
  for (const Value& item : item_list->items) {
    in.budget().Step();
    const Value key = getter.Get(item);
    entries.push_back({letter_case == Case::kIgnored ? IgnoringCase(in.budget(), key) : key, item});
  }
  return entries;
}

Case CaseOf(const Parameters& parameters, size_t index) {
  return parameters.Bool(index, false) ? Case::kSensitive : Case::kIgnored;
}

// "a,b" sorts by a, then by b.
std::vector<AttributeGetter> GettersOf(Interpreter& in, const Value* attribute) {
  std::vector<AttributeGetter> getters;
  if (attribute == nullptr || !attribute->IsText()) return {AttributeGetter(in, attribute)};
  const std::string& names = attribute->AsText();
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    const Value name = Value::Of(names.substr(begin, end - begin));
    getters.emplace_back(in, &name);
    begin = end + 1;
  }
  return getters;
}

Value Sort(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "sort", arguments,
                              {"reverse", "case_sensitive", "attribute"});
  const std::vector<AttributeGetter> getters = GettersOf(in, parameters[2]);
  const Case letter_case = CaseOf(parameters, 1);
  std::vector<Keyed> entries;
  const std::shared_ptr<const List> item_list = Elements(budget, input);
  for (const Value& item : item_list->items) {
    std::vector<Value> keys;
    for (const AttributeGetter& getter : getters) {
      const Value key = getter.Get(item);
      keys.push_back(letter_case == Case::kIgnored ? IgnoringCase(budget, key) : key);
    }
    entries.push_back({budget.NewList(std::move(keys)), item});
  }
  SortByKey(budget, &entries, parameters.Bool(0, false));
  return budget.NewList(ItemsOf(std::move(entries)));
}

Value DictSort(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = parameters.Text(1, "key");
  if (by != "key" && by != "value") {
    budget.Fail("You can only sort by either \"key\" or \"value\"");
  }
  if (input.IsUndefined()) budget.FailUndefined(input);
  if (!input.IsDict()) budget.Fail("dictsort wants a mapping, got '" + input.TypeName() + "'");
  std::vector<Keyed> entries;
  for (const auto& [key, value] : input.dict().entries()) {
    const Value& chosen = by == "key" ? key : value;
    entries.push_back(
        {CaseOf(parameters, 0) == Case::kIgnored ? IgnoringCase(budget, chosen) : chosen,
         budget.NewList({key, value}, ListKind::kTuple)});
  }
  SortByKey(budget, &entries, parameters.Bool(2, false));
  return budget.NewList(ItemsOf(std::move(entries)));
}

// Keys that were seen. Text is found in a set; anything else by comparing.
class SeenKeys {
 public:
  explicit SeenKeys(Budget& budget) : budget_(budget) {}

  bool Add(const Value& key) {
    CheckHashable(budget_, key);
    if (key.IsText()) return texts_.insert(key.AsText()).second;
    for (const Value& other : others_) {
      if (Equal(budget_, key, other)) return false;
    }
    others_.push_back(key);
    return true;
  }

 private:
  Budget& budget_;
  std::set<std::string> texts_;
  std::vector<Value> others_;
};

Value Unique(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "unique", arguments, {"case_sensitive", "attribute"});
  const AttributeGetter getter(in, parameters[1]);
  SeenKeys seen(budget);
  std::vector<Value> items;
  for (Keyed& entry : KeyedBy(in, input, getter, CaseOf(parameters, 0))) {
    if (seen.Add(entry.key)) items.push_back(std::move(entry.item));
  }
  return NewIterator(budget, std::move(items));
}

enum class Extreme : uint8_t { kMin, kMax };

template <Extreme extreme>
Value FindExtreme(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "min", arguments, {"case_sensitive", "attribute"});
  const AttributeGetter getter(in, parameters[1]);
  const std::vector<Keyed> entries = KeyedBy(in, input, getter, CaseOf(parameters, 0));
  if (entries.empty()) return Value::Undefined("No aggregated item, sequence was empty.");
  const Keyed* best = &entries[0];
  for (const Keyed& entry : entries) {
    const bool is_better = extreme == Extreme::kMin ? Less(budget, entry.key, best->key)
                                                    : Less(budget, best->key, entry.key);
    if (is_better) best = &entry;
  }
  return best->item;
}

Value GroupBy(Interpreter& in, const Value& input, Arguments& arguments) {
  Budget& budget = in.budget();
  const Parameters parameters(budget, "groupby", arguments,
                              {"attribute", "default", "case_sensitive"}, 1);
  AttributeGetter getter(in, parameters[0]);
  getter.set_default(parameters[1]);
  const Case letter_case = CaseOf(parameters, 2);
  std::vector<Keyed> entries = KeyedBy(in, input, getter, letter_case);
  SortByKey(budget, &entries, false);
  std::vector<Value> groups;
  for (size_t begin = 0; begin < entries.size();) {
    size_t end = begin;
    std::vector<Value> items;
    while (end < entries.size() && Equal(budget, entries[begin].key, entries[end].key)) {
      items.push_back(entries[end++].item);
    }
    // The group is named by its first element, as that is written.
    const Value name = getter.Get(items[0]);
    groups.push_back(budget.NewList({name, budget.NewList(std::move(items))}, ListKind::kGroup));
    begin = end;
  }
  return budget.NewList(std::move(groups));
}

}  // namespace

const std::vector<NamedFilter>& OrderFilters() {
  static const std::vector<NamedFilter> filters = {
      {"sort", Sort},
      {"dictsort", DictSort},
      {"unique", Unique},
      {"min", FindExtreme<Extreme::kMin>},
      {"max", FindExtreme<Extreme::kMax>},
      {"groupby", GroupBy},
  };
  return filters;
}

}  // namespace tandem::jinja
