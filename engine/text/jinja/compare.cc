#include "engine/text/jinja/compare.h"

#include <algorithm>
#include <cmath>

#include "engine/text/jinja/characters.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

// A long double holds every int64 and every double, so comparing them is exact.
long double Exact(const Value& number) {
  return number.IsDouble() ? static_cast<long double>(number.AsDouble())
                           : static_cast<long double>(number.AsInt());
}

// A group and a range compare as what they are for Python: a tuple, a sequence of its own.
ListKind ComparedKind(const Value& value) {
  return value.list().kind == ListKind::kGroup ? ListKind::kTuple : value.list().kind;
}

bool EqualLists(Budget& budget, const Value& left, const Value& right) {
  if (ComparedKind(left) != ComparedKind(right)) return false;
  const std::vector<Value>& a = left.list().items;
  const std::vector<Value>& b = right.list().items;
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Equal(budget, a[i], b[i])) return false;
  }
  return true;
}

bool EqualDicts(Budget& budget, const Dict& left, const Dict& right) {
  if (left.size() != right.size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const Value* other = right.Find(budget, key);
    if (other == nullptr || !Equal(budget, value, *other)) return false;
  }
  return true;
}

bool LessLists(Budget& budget, const Value& left, const Value& right) {
  const std::vector<Value>& a = left.list().items;
  const std::vector<Value>& b = right.list().items;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!Equal(budget, a[i], b[i])) return Less(budget, a[i], b[i]);
  }
  return a.size() < b.size();
}

bool HasOrder(const Value& value) {
  return value.IsList() &&
         (ComparedKind(value) == ListKind::kList || ComparedKind(value) == ListKind::kTuple);
}

std::vector<Value> CharactersOf(Budget& budget, const Text& text) {
  budget.AllocateRepeated(text.NumCharacters(), sizeof(Value) + sizeof(Text));
  budget.Step(text.NumCharacters());
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(text.NumCharacters()));
  for (size_t at = 0; at < text.bytes.size();) {
    const size_t begin = at;
    NextCharacter(text.bytes, &at);
    items.push_back(Value::Of(text.bytes.substr(begin, at - begin)));
  }
  return items;
}

}  // namespace

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.AsBool();
    case Kind::kInt:
      return value.AsInt() != 0;
    case Kind::kDouble:
      return value.AsDouble() != 0.0;
    case Kind::kText:
      return !value.AsText().empty();
    case Kind::kList:
      return value.IsList(ListKind::kValues) || !value.list().items.empty();
    case Kind::kDict:
      return value.dict().size() > 0;
    case Kind::kObject:
      return true;
  }
  return false;
}

bool Equal(Budget& budget, const Value& left, const Value& right) {
  budget.Step();
  const Budget::Level level(budget);
  if (left.IsNumber() && right.IsNumber()) return Exact(left) == Exact(right);
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kText:
      budget.Scan(left.AsText().size());
      return left.AsText() == right.AsText();
    case Kind::kList:
      return &left.list() == &right.list() || EqualLists(budget, left, right);
    case Kind::kDict:
      return &left.dict() == &right.dict() || EqualDicts(budget, left.dict(), right.dict());
    case Kind::kObject:
      return &left.object() == &right.object();
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kDouble:
      break;
  }
  return false;
}

bool Less(Budget& budget, const Value& left, const Value& right) {
  budget.Step();
  const Budget::Level level(budget);
  if (left.IsNumber() && right.IsNumber()) return Exact(left) < Exact(right);
  if (left.IsText() && right.IsText()) {
    budget.Scan(left.AsText().size());
    return left.AsText() < right.AsText();  // UTF-8 keeps the order of code points
  }
  if (HasOrder(left) && HasOrder(right) && ComparedKind(left) == ComparedKind(right)) {
    return LessLists(budget, left, right);
  }
  if (left.IsUndefined()) budget.FailUndefined(left);
  if (right.IsUndefined()) budget.FailUndefined(right);
  budget.Fail("values of the types " + left.TypeName() + " and " + right.TypeName() +
              " have no order");
}

bool ContainsItem(Budget& budget, const Value& container, const Value& item) {
  if (container.IsText()) {
    if (!item.IsText()) {
      budget.Fail("'in <string>' requires string as left operand, not " + item.TypeName());
    }
    budget.Scan(container.AsText().size());
    return FindText(container.AsText(), item.AsText()) != std::string::npos;
  }
  if (container.IsDict()) return container.dict().Find(budget, item) != nullptr;
  const std::shared_ptr<const List> items = Elements(budget, container);
  return std::any_of(items->items.begin(), items->items.end(),
                     [&](const Value& other) { return Equal(budget, other, item); });
}

void CheckHashable(Budget& budget, const Value& key) {
  const Budget::Level level(budget);
  budget.Step();
  if (key.IsList(ListKind::kTuple) || key.IsList(ListKind::kGroup)) {
    for (const Value& item : key.list().items) CheckHashable(budget, item);
  } else if (key.IsDict() || (key.IsList() && !key.IsList(ListKind::kRange))) {
    budget.Fail("unhashable type: '" + key.TypeName() + "'");
  }
}

bool IsIterable(const Value& value) {
  return value.IsUndefined() || value.IsText() || value.IsList() || value.IsDict() ||
         ObjectAs<Iterator>(value) != nullptr;
}

std::shared_ptr<const List> Elements(Budget& budget, const Value& value) {
  if (value.IsList()) return value.shared_list();
  if (auto* iterator = ObjectAs<Iterator>(value)) return iterator->Take();
  auto list = std::make_shared<List>();
  if (value.IsDict()) {
    budget.AllocateRepeated(static_cast<int64_t>(value.dict().size()), sizeof(Value));
    for (const auto& [key, unused] : value.dict().entries()) {
      list->items.push_back(key);
      list->depth = std::max(list->depth, key.depth() + 1);
    }
  } else if (value.IsText()) {
    list->items = CharactersOf(budget, value.text());
  } else if (!value.IsUndefined()) {
    budget.Fail("'" + value.TypeName() + "' object is not iterable");
  }
  return list;
}

int64_t Length(Budget& budget, const Value& value) {
  if (value.IsText()) return value.text().NumCharacters();
  if (value.IsList()) return static_cast<int64_t>(value.list().items.size());
  if (value.IsDict()) return static_cast<int64_t>(value.dict().size());
  if (value.IsUndefined()) return 0;
  budget.Fail("object of type '" + value.TypeName() + "' has no len()");
}

std::shared_ptr<const List> Iterator::Take() {
  return std::exchange(items_, std::make_shared<const List>());
}

Value NewIterator(Budget& budget, std::vector<Value> items) {
  const Value list = budget.NewList(std::move(items));
  return budget.Checked(Value::Of(std::make_shared<Iterator>(list.shared_list())));
}

}  // namespace tandem::jinja
