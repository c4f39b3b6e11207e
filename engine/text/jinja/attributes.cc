#include "engine/text/jinja/attributes.h"

#include <algorithm>

#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/methods.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {
namespace {

// As messages name a value: 'dict object', 'None'.
std::string Described(const Value& value) {
  return value.IsNone() ? "None" : value.TypeName() + " object";
}

Value NoAttribute(const Value& value, std::string_view name) {
  return Value::Undefined("'" + Described(value) + "' has no attribute '" + std::string(name) +
                          "'");
}

Value NoElement(Budget& budget, const Value& value, const Value& key) {
  if (key.IsText()) return NoAttribute(value, key.AsText());
  return Value::Undefined(Described(value) + " has no element " + Repr(budget, key));
}

Value Refused(const Value& value, std::string_view name) {
  return Value::Undefined("access to attribute '" + std::string(name) + "' of '" +
                          value.TypeName() + "' object is unsafe.");
}

// What every Python object has, and the sandbox hides.
bool IsHidden(std::string_view name) {
  static constexpr std::string_view kNames[] = {"__class__",        "__doc__",
                                                "__init__",         "__dir__",
                                                "__eq__",           "__ne__",
                                                "__lt__",           "__le__",
                                                "__gt__",           "__ge__",
                                                "__new__",          "__repr__",
                                                "__str__",          "__hash__",
                                                "__format__",       "__sizeof__",
                                                "__reduce__",       "__reduce_ex__",
                                                "__getattribute__", "__setattr__",
                                                "__delattr__",      "__init_subclass__",
                                                "__subclasshook__"};
  return name.starts_with("__") &&
         std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

std::optional<Value> FindAttribute(Interpreter& interpreter, const Value& value,
                                   std::string_view name) {
  if (value.IsObject()) {
    if (auto attribute = value.object().Attribute(interpreter, name)) return attribute;
  }
  if (value.IsList(ListKind::kGroup) && (name == "grouper" || name == "list")) {
    return value.list().items[name == "grouper" ? 0 : 1];
  }
  const MethodLookup method = FindMethod(value, name);
  if (method.is_refused || IsHidden(name)) return Refused(value, name);
  if (method.function == nullptr) return std::nullopt;
  return interpreter.budget().Checked(
      Value::Of(std::make_shared<BoundMethod>(value, std::string(name), method.function)));
}

// A negative index counts from the end; nothing when it is outside.
std::optional<int64_t> Position(int64_t index, int64_t size) {
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  return index;
}

bool HasItems(const Value& value) {
  return value.IsList(ListKind::kList) || value.IsList(ListKind::kTuple) ||
         value.IsList(ListKind::kGroup) || value.IsList(ListKind::kRange);
}

std::optional<Value> FindItem(Interpreter& interpreter, const Value& value, const Value& key) {
  Budget& budget = interpreter.budget();
  if (value.IsDict()) {
    const Value* item = nullptr;
    if (key.IsText()) {
      item = value.dict().Find(key.AsText());
    } else if (!key.IsList(ListKind::kList) && !key.IsDict()) {
      item = value.dict().Find(budget, key);
    }
    if (item != nullptr) return *item;
  } else if (key.IsIntegral() && HasItems(value)) {
    const auto at = Position(key.AsInt(), static_cast<int64_t>(value.list().items.size()));
    if (at) return value.list().items[static_cast<size_t>(*at)];
  } else if (key.IsIntegral() && value.IsText()) {
    const auto at = Position(key.AsInt(), value.text().NumCharacters());
    if (!at) return std::nullopt;
    if (!value.text().IsAscii()) budget.Scan(value.AsText().size());
    return budget.NewText(std::string(Characters(value.text(), *at, *at + 1)));
  }
  return std::nullopt;
}

int64_t SlicePart(Budget& budget, const Value& part, int64_t otherwise) {
  if (part.IsNone()) return otherwise;
  if (part.IsIntegral()) return part.AsInt();
  budget.Fail("slice indices must be integers or None, not '" + part.TypeName() + "'");
}

// The positions that a slice takes of `size` elements, as Python's slice.indices says.
struct Positions {
  int64_t begin = 0;
  int64_t step = 1;
  int64_t count = 0;
};

Positions PositionsOf(Budget& budget, const Slice& slice, int64_t size) {
  Positions positions;
  positions.step = SlicePart(budget, slice.step, 1);
  if (positions.step == 0) budget.Fail("slice step cannot be zero");
  positions.step = std::clamp<int64_t>(positions.step, -size - 1, size + 1);  // the same elements
  const bool forward = positions.step > 0;
  const int64_t lowest = forward ? 0 : -1;
  const int64_t highest = forward ? size : size - 1;
  const auto bound = [&](const Value& part, int64_t otherwise) {
    if (part.IsNone()) return otherwise;
    int64_t index = SlicePart(budget, part, 0);
    if (index < 0) index = index < -size ? lowest : index + size;
    return std::clamp(index, lowest, highest);
  };
  positions.begin = bound(slice.begin, forward ? lowest : highest);
  const int64_t end = bound(slice.end, forward ? highest : lowest);
  if (forward && end > positions.begin) {
    positions.count = (end - positions.begin - 1) / positions.step + 1;
  } else if (!forward && end < positions.begin) {
    positions.count = (positions.begin - end - 1) / -positions.step + 1;
  }
  return positions;
}

Value SliceText(Budget& budget, const Text& text, const Positions& positions) {
  budget.Scan(text.bytes.size());
  if (positions.step == 1) {
    return budget.NewText(
        std::string(Characters(text, positions.begin, positions.begin + positions.count)));
  }
  std::vector<size_t> begins;  // of the characters, and the end
  for (size_t at = 0; at <= text.bytes.size(); ++at) {
    if (at == text.bytes.size() || (static_cast<unsigned char>(text.bytes[at]) & 0xC0) != 0x80) {
      begins.push_back(at);
    }
  }
  budget.Allocate(begins.size() * sizeof(size_t));
  std::string out;
  for (int64_t i = 0; i < positions.count; ++i) {
    const size_t at = static_cast<size_t>(positions.begin + i * positions.step);
    out += text.bytes.substr(begins[at], begins[at + 1] - begins[at]);
  }
  return budget.NewText(std::move(out));
}

}  // namespace

Value GetAttribute(Interpreter& interpreter, const Value& value, std::string_view name) {
  if (value.IsUndefined()) interpreter.budget().FailUndefined(value);
  if (auto attribute = FindAttribute(interpreter, value, name)) return *attribute;
  if (value.IsDict()) {
    if (const Value* item = value.dict().Find(name)) return *item;
  }
  return NoAttribute(value, name);
}

Value GetItem(Interpreter& interpreter, const Value& value, const Value& key) {
  if (value.IsUndefined()) interpreter.budget().FailUndefined(value);
  if (auto item = FindItem(interpreter, value, key)) return *item;
  if (key.IsText()) {
    if (auto attribute = FindAttribute(interpreter, value, key.AsText())) return *attribute;
  }
  return NoElement(interpreter.budget(), value, key);
}

Value GetOnlyAttribute(Interpreter& interpreter, const Value& value, std::string_view name) {
  if (value.IsUndefined()) interpreter.budget().FailUndefined(value);
  if (auto attribute = FindAttribute(interpreter, value, name)) return *attribute;
  return NoAttribute(value, name);
}

Value GetSlice(Interpreter& interpreter, const Value& value, const Slice& slice) {
  Budget& budget = interpreter.budget();
  if (value.IsUndefined()) budget.FailUndefined(value);
  if (value.IsText()) {
    return SliceText(budget, value.text(),
                     PositionsOf(budget, slice, value.text().NumCharacters()));
  }
  if (!HasItems(value)) budget.Fail("'" + value.TypeName() + "' object has no slices");
  const std::vector<Value>& items = value.list().items;
  const Positions positions = PositionsOf(budget, slice, static_cast<int64_t>(items.size()));
  std::vector<Value> taken;
  budget.AllocateRepeated(positions.count, sizeof(Value));
  for (int64_t i = 0; i < positions.count; ++i) {
    taken.push_back(items[static_cast<size_t>(positions.begin + i * positions.step)]);
  }
  const ListKind kind = value.IsList(ListKind::kGroup) ? ListKind::kTuple : value.list().kind;
  return budget.NewList(std::move(taken), kind);
}

MethodLookup FindMethod(const Value& receiver, std::string_view name) {
  if (receiver.IsText()) return FindTextMethod(name);
  if (receiver.IsDict()) return FindDictMethod(name);
  if (receiver.IsList()) return FindListMethod(receiver.list().kind, name);
  if (receiver.IsObject()) return FindObjectMethod(receiver, name);
  return {};
}

}  // namespace tandem::jinja
