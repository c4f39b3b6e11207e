#include "engine/text/jinja/value.h"

#include <algorithm>

#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/compare.h"

namespace tandem::jinja {
namespace {

constexpr size_t kMaxUnindexed = 12;  // entries that a scan finds as fast as a search

}  // namespace

Value Value::Undefined(std::string message) {
  return Value(Storage(std::make_shared<const UndefinedInfo>(UndefinedInfo{std::move(message)})));
}

Value Value::Of(std::string text) {
  auto shared = std::make_shared<Text>();
  shared->bytes = std::move(text);
  return Value(Storage(std::shared_ptr<const Text>(std::move(shared))));
}

Value Value::Markup(std::string text) {
  auto shared = std::make_shared<Text>();
  shared->bytes = std::move(text);
  shared->is_markup = true;
  return Value(Storage(std::shared_ptr<const Text>(std::move(shared))));
}

Value Value::Of(std::vector<Value> items, ListKind kind) {
  auto list = std::make_shared<List>();
  list->kind = kind;
  for (const Value& item : items) list->depth = std::max(list->depth, item.depth() + 1);
  list->items = std::move(items);
  return Of(std::shared_ptr<const List>(std::move(list)));
}

Value Value::Of(Dict dict) { return Value(Storage(std::make_shared<const Dict>(std::move(dict)))); }

Value Value::Of(std::shared_ptr<const List> list) { return Value(Storage(std::move(list))); }

Value Value::Of(std::shared_ptr<Object> object) { return Value(Storage(std::move(object))); }

bool Value::IsList(ListKind list_kind) const { return IsList() && list().kind == list_kind; }

double Value::AsDouble() const {
  return IsDouble() ? std::get<double>(storage_) : static_cast<double>(AsInt());
}

const std::string& Value::AsText() const { return text().bytes; }

std::string Value::UndefinedMessage() const {
  const auto& info = std::get<std::shared_ptr<const UndefinedInfo>>(storage_);
  return info == nullptr ? "a value is undefined" : info->message;
}

int Value::depth() const {
  switch (kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kDouble:
    case Kind::kText:
      return 0;
    case Kind::kList:
      return list().depth;
    case Kind::kDict:
      return dict().depth();
    case Kind::kObject:
      return object().depth();
  }
  return 0;
}

std::string Value::TypeName() const {
  switch (kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kDouble:
      return "float";
    case Kind::kText:
      return text().is_markup ? "Markup" : "str";
    case Kind::kList:
      break;
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      return object().TypeName();
  }
  switch (list().kind) {
    case ListKind::kList:
      return "list";
    case ListKind::kTuple:
      return "tuple";
    case ListKind::kGroup:
      return "_GroupTuple";
    case ListKind::kRange:
      return "range";
    case ListKind::kKeys:
      return "dict_keys";
    case ListKind::kValues:
      return "dict_values";
    case ListKind::kItems:
      return "dict_items";
  }
  return "";
}

const void* Value::identity() const {
  switch (kind()) {
    case Kind::kText:
      return &text();
    case Kind::kList:
      return &list();
    case Kind::kDict:
      return &dict();
    case Kind::kObject:
      return &object();
    case Kind::kUndefined:
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kDouble:
      return nullptr;
  }
  return nullptr;
}

int64_t Text::NumCharacters() const {
  int64_t known = num_characters.load(std::memory_order_relaxed);
  if (known >= 0) return known;
  known = std::count_if(bytes.begin(), bytes.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  });
  num_characters.store(known, std::memory_order_relaxed);
  return known;
}

std::optional<size_t> Dict::IndexOf(std::string_view key) const {
  if (entries_.size() > kMaxUnindexed) {
    const auto it = index_.find(key);
    if (it == index_.end()) return std::nullopt;
    return it->second;
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].first.IsText() && entries_[i].first.AsText() == key) return i;
  }
  return std::nullopt;
}

std::optional<size_t> Dict::IndexOf(Budget& budget, const Value& key) const {
  if (key.IsText()) return IndexOf(std::string_view(key.AsText()));
  CheckHashable(budget, key);
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (Equal(budget, entries_[i].first, key)) return i;
  }
  return std::nullopt;
}

const Value* Dict::Find(std::string_view key) const {
  const std::optional<size_t> at = IndexOf(key);
  return at ? &entries_[*at].second : nullptr;
}

const Value* Dict::Find(Budget& budget, const Value& key) const {
  const std::optional<size_t> at = IndexOf(budget, key);
  return at ? &entries_[*at].second : nullptr;
}

bool Dict::Put(std::optional<size_t> at, Value key, Value value) {
  depth_ = std::max(depth_, std::max(key.depth(), value.depth()) + 1);
  if (at) {
    entries_[*at].second = std::move(value);
    return false;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  const auto add = [this](size_t i) {
    if (entries_[i].first.IsText()) index_.emplace(entries_[i].first.AsText(), i);
  };
  if (entries_.size() == kMaxUnindexed + 1) {
    for (size_t i = 0; i < entries_.size(); ++i) add(i);
  } else if (entries_.size() > kMaxUnindexed) {
    add(entries_.size() - 1);
  }
  return true;
}

bool Dict::Set(std::string key, Value value) {
  const std::optional<size_t> at = IndexOf(std::string_view(key));
  return Put(at, Value::Of(std::move(key)), std::move(value));
}

bool Dict::Set(Budget& budget, const Value& key, Value value) {
  const std::optional<size_t> at = IndexOf(budget, key);
  return Put(at, key, std::move(value));
}

void Dict::Clear() {
  index_.clear();
  entries_.clear();
}

std::string Object::Repr(Budget&) const { return "<" + TypeName() + " object>"; }

std::optional<Value> Object::Attribute(Interpreter&, std::string_view) { return std::nullopt; }

Value Object::Call(Interpreter&, Arguments&) { return Value(); }

}  // namespace tandem::jinja
