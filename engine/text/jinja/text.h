#pragma once
// Values as text: str(), repr(), and JSON as json.dumps writes it. All charge the budget for what
// they write. Pure otherwise.

#include <optional>
#include <string>
#include <string_view>

#include "engine/text/jinja/budget.h"
#include "engine/text/jinja/value.h"

namespace tandem::jinja {

std::string ToText(Budget& budget, const Value& value);
// The same, appended; a string is not copied first.
void AppendText(Budget& budget, const Value& value, std::string* out);
std::string Repr(Budget& budget, const Value& value);
std::string TextRepr(std::string_view text);  // 'with quotes'
std::string DoubleRepr(double value);         // shortest digits that read back, as Python lays out

struct JsonForm {
  bool ascii_only = false;
  std::optional<std::string> indent;  // of one level; none: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
// Fails for what JSON cannot say: undefined values, iterators, objects.
std::string ToJson(Budget& budget, const Value& value, const JsonForm& form);

}  // namespace tandem::jinja
