#pragma once
// value.name, value[key] and value[begin:end:step]. A name is looked up in our own dictionaries and
// in fixed tables of methods, and nowhere else. Pure but for the interpreter's budget.

#include <string_view>

#include "engine/text/jinja/objects.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

// value.name: a method, else the item of that name, else undefined. Fails on an undefined value.
Value GetAttribute(Interpreter& interpreter, const Value& value, std::string_view name);
// value[key]: the item, else the method of that name, else undefined.
Value GetItem(Interpreter& interpreter, const Value& value, const Value& key);
// Only the attribute, never an item (the filter `attr`).
Value GetOnlyAttribute(Interpreter& interpreter, const Value& value, std::string_view name);

struct Slice {
  Value begin;  // None: from the end that the step begins at
  Value end;
  Value step;
};
Value GetSlice(Interpreter& interpreter, const Value& value, const Slice& slice);

struct MethodLookup {
  Method function = nullptr;
  bool is_refused = false;  // Python has it, but it would change the value or leave the sandbox
};
MethodLookup FindMethod(const Value& receiver, std::string_view name);

}  // namespace tandem::jinja
