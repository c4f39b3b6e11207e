// JSON as Python's json.dumps writes it: its separators, its floats, its escapes.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/text.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Budget& budget, const JsonForm& form) : budget_(budget), form_(form) {}

  void Write(const Value& value);
  std::string Take() { return std::move(out_); }

 private:
  void WriteText(std::string_view text);
  void WriteUnit(unsigned unit);
  void WriteList(const List& list);
  void WriteDict(const Dict& dict);
  void WriteKey(const Value& key);
  std::string Number(const Value& value) const;
  void NewLine();
  void Separate(bool first);

  Budget& budget_;
  const JsonForm& form_;
  std::string out_;
  int level_ = 0;
};

void JsonWriter::WriteUnit(unsigned unit) {
  char buffer[16];
  std::snprintf(buffer, sizeof(buffer), "\\u%04x", unit);
  out_ += buffer;
}

void JsonWriter::WriteText(std::string_view text) {
  budget_.Allocate(text.size());
  out_ += '"';
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = NextCharacter(text, &at);
    static constexpr std::string_view kShort = "\"\\\n\r\t\b\f";
    static constexpr std::string_view kLetters = "\"\\nrtbf";
    const size_t found = character < 0x80 ? kShort.find(static_cast<char>(character)) : kShort.npos;
    if (found != kShort.npos) {
      out_ += '\\';
      out_ += kLetters[found];
    } else if (character < 0x20) {
      WriteUnit(character);
    } else if (character < 0x7F || !form_.ascii_only) {
      out_ += text.substr(begin, at - begin);
    } else if (character < 0x10000) {
      WriteUnit(character);
    } else {
      WriteUnit(0xD800 + ((character - 0x10000) >> 10));
      WriteUnit(0xDC00 + ((character - 0x10000) & 0x3FF));
    }
  }
  out_ += '"';
}

std::string JsonWriter::Number(const Value& value) const {
  if (value.IsBool()) return value.AsBool() ? "true" : "false";
  if (value.IsInt()) return std::to_string(value.AsInt());
  const double number = value.AsDouble();
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  return DoubleRepr(number);
}

void JsonWriter::NewLine() {
  if (!form_.indent) return;
  budget_.AllocateRepeated(level_, form_.indent->size());
  out_ += '\n';
  for (int i = 0; i < level_; ++i) out_ += *form_.indent;
}

void JsonWriter::Separate(bool first) {
  if (!first) {
    budget_.Allocate(form_.item_separator.size());
    out_ += form_.item_separator;
  }
  NewLine();
}

void JsonWriter::WriteList(const List& list) {
  if (list.kind != ListKind::kList && list.kind != ListKind::kTuple &&
      list.kind != ListKind::kGroup) {
    budget_.Fail("Object of type " + Value::Of({}, list.kind).TypeName() +
                 " is not JSON serializable");
  }
  if (list.items.empty()) {
    out_ += "[]";
    return;
  }
  out_ += '[';
  ++level_;
  for (size_t i = 0; i < list.items.size(); ++i) {
    Separate(i == 0);
    Write(list.items[i]);
  }
  --level_;
  NewLine();
  out_ += ']';
}

void JsonWriter::WriteKey(const Value& key) {
  if (key.IsText()) {
    WriteText(key.AsText());
  } else if (key.IsNumber()) {
    WriteText(Number(key));
  } else if (key.IsNone()) {
    WriteText("null");
  } else {
    budget_.Fail("keys must be str, int, float, bool or None, not " + key.TypeName());
  }
}

void JsonWriter::WriteDict(const Dict& dict) {
  if (dict.size() == 0) {
    out_ += "{}";
    return;
  }
  std::vector<const Dict::Entry*> entries;
  for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
  if (form_.sort_keys) {
    std::stable_sort(entries.begin(), entries.end(), [this](const auto* a, const auto* b) {
      return Less(budget_, a->first, b->first);
    });
  }
  out_ += '{';
  ++level_;
  for (size_t i = 0; i < entries.size(); ++i) {
    Separate(i == 0);
    WriteKey(entries[i]->first);
    budget_.Allocate(form_.key_separator.size());
    out_ += form_.key_separator;
    Write(entries[i]->second);
  }
  --level_;
  NewLine();
  out_ += '}';
}

void JsonWriter::Write(const Value& value) {
  const Budget::Level level(budget_);
  budget_.Step();
  budget_.Allocate(8);
  switch (value.kind()) {
    case Kind::kNone:
      out_ += "null";
      return;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kDouble:
      out_ += Number(value);
      return;
    case Kind::kText:
      WriteText(value.AsText());
      return;
    case Kind::kList:
      WriteList(value.list());
      return;
    case Kind::kDict:
      WriteDict(value.dict());
      return;
    case Kind::kUndefined:
    case Kind::kObject:
      budget_.Fail("Object of type " + value.TypeName() + " is not JSON serializable");
  }
}

}  // namespace

std::string ToJson(Budget& budget, const Value& value, const JsonForm& form) {
  JsonWriter writer(budget, form);
  writer.Write(value);
  return writer.Take();
}

}  // namespace tandem::jinja
