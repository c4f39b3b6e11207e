#pragma once
// Python's truth, equality, order and membership. Comparing charges the budget, since values may
// share parts so often that walking them never ends. Pure otherwise.

#include <memory>

#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

bool IsTrue(const Value& value);
bool Equal(Budget& budget, const Value& left, const Value& right);
// Fails where Python has no order between the types.
bool Less(Budget& budget, const Value& left, const Value& right);
// `item in container`
bool ContainsItem(Budget& budget, const Value& container, const Value& item);
// Fails for what cannot be a key: lists, dictionaries.
void CheckHashable(Budget& budget, const Value& key);

// What a loop over the value sees: elements, keys, characters, nothing for undefined. Fails for
// what is no sequence. An iterator is used up.
std::shared_ptr<const List> Elements(Budget& budget, const Value& value);
bool IsIterable(const Value& value);
// len(); fails for what has none.
int64_t Length(Budget& budget, const Value& value);

// A sequence that can be walked once, and whose elements are known already: what filters such as
// map return, and Python calls a generator.
class Iterator final : public Object {
 public:
  explicit Iterator(std::shared_ptr<const List> items) : items_(std::move(items)) {}
  std::string TypeName() const override { return "generator"; }
  int depth() const override { return items_->depth + 1; }
  std::shared_ptr<const List> Take();  // the items that are left; then none are

 private:
  std::shared_ptr<const List> items_;
};

Value NewIterator(Budget& budget, std::vector<Value> items);

}  // namespace tandem::jinja
