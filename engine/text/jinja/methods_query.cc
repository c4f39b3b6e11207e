// Methods of strings that answer a question about them.

#include <algorithm>

#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/methods.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

// The part of the text that the arguments `start` and `end` (at `index` and behind) speak of.
struct Window {
  size_t begin = 0;
  std::string_view text;
  bool is_valid = true;  // false: it begins behind the end, where even "" is not found
};

Window WindowOf(const Text& text, const Parameters& parameters, size_t index) {
  const int64_t size = text.NumCharacters();
  const auto clamped = [size](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t start = parameters.Int(index, 0);
  const int64_t begin = clamped(start);
  const int64_t end = clamped(parameters.Int(index + 1, size));
  const size_t first = ByteOfCharacter(text, begin);
  return {.begin = first,
          .text = Characters(text, begin, end),
          .is_valid = start <= size && begin <= end};
}

enum class Missing : uint8_t { kMinusOne, kFails };

template <Side side, Missing missing>
Value Find(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "find", arguments, {"sub", "start", "end"}, 1);
  in.budget().Scan(self.AsText().size());
  const std::string& wanted = parameters.String(0);
  const Window window = WindowOf(self.text(), parameters, 1);
  size_t found = std::string_view::npos;
  if (window.is_valid) {
    found = side == Side::kLeft ? FindText(window.text, wanted) : FindLastText(window.text, wanted);
  }
  if (found != std::string_view::npos) {
    return Value::Of(CharacterOfByte(self.text(), window.begin + found));
  }
  if (missing == Missing::kFails) in.budget().Fail("substring not found");
  return Value::Of(int64_t{-1});
}

Value Count(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "count", arguments, {"sub", "start", "end"}, 1);
  in.budget().Scan(self.AsText().size());
  const std::string& wanted = parameters.String(0);
  const Window window = WindowOf(self.text(), parameters, 1);
  if (!window.is_valid) return Value::Of(int64_t{0});
  if (wanted.empty())
    return Value::Of(Value::Of(std::string(window.text)).text().NumCharacters() + 1);
  int64_t count = 0;
  for (size_t at = FindText(window.text, wanted); at != std::string_view::npos;
       at = FindText(window.text, wanted, at + wanted.size())) {
    ++count;
  }
  return Value::Of(count);
}

template <Side side>
Value StartsOrEnds(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "startswith", arguments, {"prefix", "start", "end"}, 1);
  const Window window = WindowOf(self.text(), parameters, 1);
  const auto matches = [&](const Value& wanted) {
    if (!wanted.IsText()) {
      in.budget().Fail("startswith and endswith want a string or a tuple of strings, not " +
                       wanted.TypeName());
    }
    return window.is_valid && (side == Side::kLeft ? window.text.starts_with(wanted.AsText())
                                                   : window.text.ends_with(wanted.AsText()));
  };
  if (!parameters[0]->IsList(ListKind::kTuple)) return Value::Of(matches(*parameters[0]));
  const std::vector<Value>& items = parameters[0]->list().items;
  return Value::Of(std::any_of(items.begin(), items.end(), matches));
}

template <bool (*has_property)(char32_t)>
Value All(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "isalpha", arguments, {});
  in.budget().Scan(self.AsText().size());
  const std::string& text = self.AsText();
  for (size_t at = 0; at < text.size();) {
    if (!has_property(NextCharacter(text, &at))) return Value::Of(false);
  }
  return Value::Of(!text.empty());
}

bool IsAlphanumeric(char32_t c) { return IsAlphabetic(c) || IsNumeric(c); }

template <bool (*wanted)(char32_t), bool (*refused)(char32_t)>
Value Cased(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "isupper", arguments, {});
  in.budget().Scan(self.AsText().size());
  const std::string& text = self.AsText();
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = NextCharacter(text, &at);
    if (refused(character)) return Value::Of(false);
    found |= wanted(character);
  }
  return Value::Of(found);
}

Value IsTitle(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "istitle", arguments, {});
  in.budget().Scan(self.AsText().size());
  const std::string& text = self.AsText();
  bool in_word = false;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t character = NextCharacter(text, &at);
    const bool is_upper = IsUpper(character);
    const bool is_cased = is_upper || IsLower(character);
    if (is_cased && is_upper == in_word) return Value::Of(false);
    found |= is_cased;
    in_word = is_cased;
  }
  return Value::Of(found);
}

Value IsAscii(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "isascii", arguments, {});
  return Value::Of(self.text().IsAscii());
}

Value IsPrintableText(Interpreter& in, const Value& self, Arguments& arguments) {
  return self.AsText().empty() ? Value::Of(true) : All<IsPrintable>(in, self, arguments);
}

bool IsNameCharacter(char32_t c) { return c == U'_' || IsWordCharacter(c); }

Value IsIdentifier(Interpreter& in, const Value& self, Arguments& arguments) {
  if (self.AsText().empty()) return Value::Of(false);
  size_t at = 0;
  const char32_t first = NextCharacter(self.AsText(), &at);
  if (first != U'_' && !IsAlphabetic(first)) return Value::Of(false);
  return All<IsNameCharacter>(in, self, arguments);
}

}  // namespace

const std::vector<NamedMethod>& TextQueryMethods() {
  static const std::vector<NamedMethod> methods = {
      {"find", Find<Side::kLeft, Missing::kMinusOne>},
      {"rfind", Find<Side::kRight, Missing::kMinusOne>},
      {"index", Find<Side::kLeft, Missing::kFails>},
      {"rindex", Find<Side::kRight, Missing::kFails>},
      {"count", Count},
      {"startswith", StartsOrEnds<Side::kLeft>},
      {"endswith", StartsOrEnds<Side::kRight>},
      {"isalpha", All<IsAlphabetic>},
      {"isalnum", All<IsAlphanumeric>},
      {"isdecimal", All<IsDecimal>},
      {"isdigit", All<IsDigit>},
      {"isnumeric", All<IsNumeric>},
      {"isspace", All<IsPythonSpace>},
      {"isupper", Cased<IsUpper, IsLower>},
      {"islower", Cased<IsLower, IsUpper>},
      {"istitle", IsTitle},
      {"isascii", IsAscii},
      {"isprintable", IsPrintableText},
      {"isidentifier", IsIdentifier},
  };
  return methods;
}

}  // namespace tandem::jinja
