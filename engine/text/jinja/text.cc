#include "engine/text/jinja/text.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "engine/text/jinja/characters.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

void AppendRepr(Budget& budget, const Value& value, std::string* out);

// Of what the loop over elements has appended since `before`.
void Charge(Budget& budget, size_t before, const std::string& out) {
  budget.Step();
  budget.Allocate(out.size() - before);
}

void AppendItems(Budget& budget, const std::vector<Value>& items, std::string* out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) *out += ", ";
    AppendRepr(budget, items[i], out);
  }
}

std::string RangeRepr(const std::vector<Value>& items) {
  if (items.empty()) return "range(0, 0)";
  const int64_t first = items.front().AsInt();
  const int64_t step = items.size() > 1 ? items[1].AsInt() - first : 1;
  std::string text =
      "range(" + std::to_string(first) + ", " + std::to_string(items.back().AsInt() + step);
  if (step != 1) text += ", " + std::to_string(step);
  return text + ")";
}

void AppendList(Budget& budget, const List& list, std::string* out) {
  switch (list.kind) {
    case ListKind::kList:
      *out += "[";
      AppendItems(budget, list.items, out);
      *out += "]";
      return;
    case ListKind::kTuple:
    case ListKind::kGroup:
      *out += "(";
      AppendItems(budget, list.items, out);
      *out += list.items.size() == 1 ? ",)" : ")";
      return;
    case ListKind::kRange:
      *out += RangeRepr(list.items);
      return;
    case ListKind::kKeys:
    case ListKind::kValues:
    case ListKind::kItems:
      *out += list.kind == ListKind::kKeys     ? "dict_keys(["
              : list.kind == ListKind::kValues ? "dict_values(["
                                               : "dict_items([";
      AppendItems(budget, list.items, out);
      *out += "])";
      return;
  }
}

void AppendDict(Budget& budget, const Dict& dict, std::string* out) {
  *out += "{";
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!first) *out += ", ";
    first = false;
    AppendRepr(budget, key, out);
    *out += ": ";
    AppendRepr(budget, value, out);
  }
  *out += "}";
}

void AppendRepr(Budget& budget, const Value& value, std::string* out) {
  const Budget::Level level(budget);
  const size_t before = out->size();
  switch (value.kind()) {
    case Kind::kUndefined:
      *out += "Undefined";
      break;
    case Kind::kText:
      *out += value.text().is_markup ? "Markup(" + TextRepr(value.AsText()) + ")"
                                     : TextRepr(value.AsText());
      break;
    case Kind::kList:
      budget.Step();
      AppendList(budget, value.list(), out);
      return;
    case Kind::kDict:
      budget.Step();
      AppendDict(budget, value.dict(), out);
      return;
    case Kind::kObject:
      *out += value.object().Repr(budget);
      break;
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kDouble:
      AppendText(budget, value, out);
      return;
  }
  Charge(budget, before, *out);
}

void AppendEscape(char32_t character, std::string* out) {
  char buffer[16];
  const char* form = character < 0x100 ? "\\x%02x" : character < 0x10000 ? "\\u%04x" : "\\U%08x";
  std::snprintf(buffer, sizeof(buffer), form, static_cast<unsigned>(character));
  *out += buffer;
}

}  // namespace

std::string TextRepr(std::string_view text) {
  const bool has_single = text.find('\'') != text.npos;
  const char quote = has_single && text.find('"') == text.npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = NextCharacter(text, &at);
    if (character == static_cast<char32_t>(quote) || character == U'\\') {
      out += '\\';
      out += static_cast<char>(character);
    } else if (character == U'\n') {
      out += "\\n";
    } else if (character == U'\r') {
      out += "\\r";
    } else if (character == U'\t') {
      out += "\\t";
    } else if (IsPrintable(character)) {
      out += text.substr(begin, at - begin);
    } else {
      AppendEscape(character, &out);
    }
  }
  return out + quote;
}

std::string DoubleRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto result =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const std::string_view shortest(buffer, static_cast<size_t>(result.ptr - buffer));
  const size_t exponent_at = shortest.find('e');
  const int exponent = std::stoi(std::string(shortest.substr(exponent_at + 1)));
  std::string digits;
  for (const char c : shortest.substr(0, exponent_at)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const std::string sign = shortest[0] == '-' ? "-" : "";
  const int num_digits = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    std::string mantissa = digits.substr(0, 1);
    if (num_digits > 1) mantissa += "." + digits.substr(1);
    std::snprintf(buffer, sizeof(buffer), "e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
    return sign + mantissa + buffer;
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

void AppendText(Budget& budget, const Value& value, std::string* out) {
  const size_t before = out->size();
  switch (value.kind()) {
    case Kind::kUndefined:
      return;
    case Kind::kNone:
      *out += "None";
      break;
    case Kind::kBool:
      *out += value.AsBool() ? "True" : "False";
      break;
    case Kind::kInt:
      *out += std::to_string(value.AsInt());
      break;
    case Kind::kDouble:
      *out += DoubleRepr(value.AsDouble());
      break;
    case Kind::kText:
      budget.Allocate(value.AsText().size());
      *out += value.AsText();
      return;
    case Kind::kList:
    case Kind::kDict:
    case Kind::kObject:
      AppendRepr(budget, value, out);
      return;
  }
  Charge(budget, before, *out);
}

std::string ToText(Budget& budget, const Value& value) {
  std::string out;
  AppendText(budget, value, &out);
  return out;
}

std::string Repr(Budget& budget, const Value& value) {
  std::string out;
  AppendRepr(budget, value, &out);
  return out;
}

}  // namespace tandem::jinja
