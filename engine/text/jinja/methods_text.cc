// Methods of strings that make another string.

#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/compare.h"
#include "engine/text/jinja/format.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/methods.h"
#include "engine/text/jinja/parameters.h"
#include "engine/text/jinja/text_operations.h"
#include "engine/text/unicode.h"

namespace tandem::jinja {
namespace {

template <Side side>
Value Strip(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "strip", arguments, {"chars"});
  in.budget().Scan(self.AsText().size());
  const bool has_set = parameters[0] != nullptr && !parameters[0]->IsNone();
  return in.budget().NewText(std::string(has_set
                                             ? Stripped(self.AsText(), side, parameters.String(0))
                                             : Stripped(self.AsText(), side)));
}

template <std::string (*change)(std::string_view)>
Value Change(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "upper", arguments, {});
  in.budget().Scan(self.AsText().size());
  return in.budget().NewText(change(self.AsText()));
}

std::string Title(std::string_view text) {
  std::string out;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = NextCharacter(text, &at);
    const std::string_view piece = text.substr(begin, at - begin);
    out += in_word ? Lower(piece) : Capitalized(piece);
    in_word = IsAlphabetic(character);
  }
  return out;
}

std::string SwapCase(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t character = NextCharacter(text, &at);
    const std::string_view piece = text.substr(begin, at - begin);
    out += IsUpper(character) ? Lower(piece) : Upper(piece);
  }
  return out;
}

Value Replace(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "replace", arguments, {"old", "new", "count"}, 2);
  return in.budget().NewText(Replaced(in.budget(), self.AsText(),
                                      {.old_part = parameters.String(0),
                                       .new_part = parameters.String(1),
                                       .count = parameters.Int(2, -1)}));
}

Value RemovePrefix(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "removeprefix", arguments, {"prefix"}, 1);
  const std::string& prefix = parameters.String(0);
  return self.AsText().starts_with(prefix)
             ? in.budget().NewText(self.AsText().substr(prefix.size()))
             : self;
}

Value RemoveSuffix(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "removesuffix", arguments, {"suffix"}, 1);
  const std::string& suffix = parameters.String(0);
  if (!self.AsText().ends_with(suffix)) return self;
  return in.budget().NewText(self.AsText().substr(0, self.AsText().size() - suffix.size()));
}

Value Join(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "join", arguments, {"iterable"}, 1);
  const auto items = Elements(in.budget(), *parameters[0]);
  std::string out;
  for (size_t i = 0; i < items->items.size(); ++i) {
    in.budget().Step();
    const Value& item = items->items[i];
    if (!item.IsText()) {
      in.budget().Fail("sequence item " + std::to_string(i) + ": expected str instance, " +
                       item.TypeName() + " found");
    }
    in.budget().Allocate(item.AsText().size() + self.AsText().size());
    if (i > 0) out += self.AsText();
    out += item.AsText();
  }
  return in.budget().NewText(std::move(out));
}

template <Side side>  // of the text
Value Justify(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "center", arguments, {"width", "fillchar"}, 1);
  const std::string fill = parameters.Text(1, " ");
  return in.budget().NewText(Justified(in.budget(), self.text(), parameters.Int(0, 0), fill, side));
}

Value ZeroFill(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "zfill", arguments, {"width"}, 1);
  const std::string& text = self.AsText();
  const bool has_sign = text.starts_with('-') || text.starts_with('+');
  const int64_t missing = parameters.Int(0, 0) - self.text().NumCharacters();
  if (missing <= 0) return self;
  in.budget().AllocateRepeated(missing, 1);
  const std::string zeros(static_cast<size_t>(missing), '0');
  return in.budget().NewText(has_sign ? text[0] + zeros + text.substr(1) : zeros + text);
}

Value Format(Interpreter& in, const Value& self, Arguments& arguments) {
  return in.budget().NewText(FormatBraces(in, self.AsText(), arguments));
}

Value ExpandTabs(Interpreter& in, const Value& self, Arguments& arguments) {
  const Parameters parameters(in.budget(), "expandtabs", arguments, {"tabsize"});
  const int64_t tab_size = parameters.Int(0, 8);
  std::string out;
  int64_t column = 0;
  for (const char c : self.AsText()) {
    if (c == '\t') {
      const int64_t count = tab_size > 0 ? tab_size - column % tab_size : 0;
      in.budget().AllocateRepeated(count, 1);
      out.append(static_cast<size_t>(count), ' ');
      column += count;
    } else {
      out += c;
      column =
          c == '\n' || c == '\r' ? 0 : column + ((static_cast<unsigned char>(c) & 0xC0) != 0x80);
    }
  }
  return in.budget().NewText(std::move(out));
}

}  // namespace

const std::vector<NamedMethod>& TextChangingMethods() {
  static const std::vector<NamedMethod> methods = {
      {"strip", Strip<Side::kBoth>},
      {"lstrip", Strip<Side::kLeft>},
      {"rstrip", Strip<Side::kRight>},
      {"upper", Change<Upper>},
      {"lower", Change<Lower>},
      {"casefold", Change<Lower>},
      {"title", Change<Title>},
      {"capitalize", Change<Capitalized>},
      {"swapcase", Change<SwapCase>},
      {"replace", Replace},
      {"removeprefix", RemovePrefix},
      {"removesuffix", RemoveSuffix},
      {"join", Join},
      {"center", Justify<Side::kBoth>},
      {"ljust", Justify<Side::kLeft>},
      {"rjust", Justify<Side::kRight>},
      {"zfill", ZeroFill},
      {"format", Format},
      {"expandtabs", ExpandTabs},
  };
  return methods;
}

}  // namespace tandem::jinja
