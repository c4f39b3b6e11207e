#pragma once
// The parameter `attribute` of filters: "role", "function.name", 0. For one call of a filter.

#include <optional>
#include <string>
#include <vector>

#include "engine/text/jinja/attributes.h"
#include "engine/text/jinja/interpreter.h"

namespace tandem::jinja {

class AttributeGetter {
 public:
  // Null or None: the value itself. Numbers and dotted names are paths of items.
  AttributeGetter(Interpreter& interpreter, const Value* attribute);

  Value Get(const Value& value) const;
  bool is_identity() const { return path_.empty(); }
  // Instead of an undefined step on the way.
  void set_default(const Value* value) { default_ = value; }

 private:
  Interpreter& interpreter_;
  std::vector<Value> path_;
  const Value* default_ = nullptr;
};

// Upper and lower case alike, for filters that are not case sensitive.
Value IgnoringCase(Budget& budget, const Value& value);

}  // namespace tandem::jinja
