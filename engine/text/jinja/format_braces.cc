// str.format: literal text, doubled braces, and fields {name.attribute[item]!conversion:spec}.

#include "engine/text/jinja/attributes.h"
#include "engine/text/jinja/format.h"
#include "engine/text/jinja/interpreter.h"
#include "engine/text/jinja/text.h"

namespace tandem::jinja {
namespace {

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == text.npos;
}

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& interpreter, const Arguments& arguments)
      : interpreter_(interpreter), budget_(interpreter.budget()), arguments_(arguments) {}

  std::string Run(std::string_view form, int nesting);

 private:
  std::string Field(std::string_view field, int nesting);
  Value Argument(std::string_view name);
  Value Follow(Value value, std::string_view path);

  Interpreter& interpreter_;
  Budget& budget_;
  const Arguments& arguments_;
  size_t next_ = 0;
};

Value BraceFormatter::Argument(std::string_view name) {
  if (name.empty() || IsNumber(name)) {
    const size_t index = name.empty() ? next_++ : std::stoul(std::string(name));
    if (index >= arguments_.positional.size()) {
      budget_.Fail("format has no positional argument " + std::to_string(index));
    }
    return arguments_.positional[index];
  }
  for (const auto& [key, value] : arguments_.named) {
    if (key == name) return value;
  }
  budget_.Fail("format has no argument '" + std::string(name) + "'");
}

Value BraceFormatter::Follow(Value value, std::string_view path) {
  while (!path.empty()) {
    budget_.Step();
    if (path[0] == '.') {
      const size_t end = std::min(path.find_first_of(".[", 1), path.size());
      value = GetAttribute(interpreter_, value, path.substr(1, end - 1));
      path.remove_prefix(end);
      continue;
    }
    const size_t close = path.find(']');
    if (path[0] != '[' || close == path.npos) budget_.Fail("a format field is malformed");
    const std::string key(path.substr(1, close - 1));
    value = GetItem(interpreter_, value,
                    IsNumber(key) ? Value::Of(int64_t{std::stol(key)}) : Value::Of(key));
    path.remove_prefix(close + 1);
  }
  return value;
}

std::string BraceFormatter::Field(std::string_view field, int nesting) {
  // A ':' or '!' inside of [...] belongs to the key.
  size_t end = 0;
  for (bool in_item = false; end < field.size(); ++end) {
    if (field[end] == '[') in_item = true;
    if (field[end] == ']') in_item = false;
    if (!in_item && (field[end] == ':' || field[end] == '!')) break;
  }
  const std::string_view path = field.substr(0, end);
  const size_t name_end = std::min(path.find_first_of(".["), path.size());
  if (name_end == 0 && !path.empty()) budget_.Fail("a format field has no name");
  Value value = Follow(Argument(path.substr(0, name_end)), path.substr(name_end));
  std::string_view rest = field.substr(end);
  if (rest.starts_with('!')) {
    if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) {
      budget_.Fail("a format conversion is malformed");
    }
    if (rest[1] != 's' && rest[1] != 'r' && rest[1] != 'a') budget_.Fail("unknown conversion");
    value = budget_.NewText(rest[1] == 's' ? ToText(budget_, value) : Repr(budget_, value));
    rest.remove_prefix(2);
  }
  if (rest.starts_with(':')) rest.remove_prefix(1);
  const std::string spec = Run(rest, nesting + 1);
  if (value.IsUndefined() && !spec.empty()) budget_.FailUndefined(value);
  return FormatSpec(budget_, value, spec);
}

std::string BraceFormatter::Run(std::string_view form, int nesting) {
  if (nesting > 2) budget_.Fail("a format nests too deeply");
  std::string out;
  for (size_t at = 0; at < form.size();) {
    budget_.Step();
    const char c = form[at];
    if (c != '{' && c != '}') {
      const size_t end = std::min(form.find_first_of("{}", at), form.size());
      budget_.Allocate(end - at);
      out += form.substr(at, end - at);
      at = end;
    } else if (at + 1 < form.size() && form[at + 1] == c && nesting == 0) {
      out += c;
      at += 2;
    } else {
      if (c == '}') budget_.Fail("Single '}' encountered in format string");
      size_t end = at + 1;
      for (int open = 1; end < form.size(); ++end) {
        if (form[end] == '{') ++open;
        if (form[end] == '}' && --open == 0) break;
      }
      if (end >= form.size()) budget_.Fail("expected '}' before end of format string");
      out += Field(form.substr(at + 1, end - at - 1), nesting);
      at = end + 1;
    }
  }
  return out;
}

}  // namespace

std::string FormatBraces(Interpreter& interpreter, std::string_view form,
                         const Arguments& arguments) {
  return BraceFormatter(interpreter, arguments).Run(form, 0);
}

}  // namespace tandem::jinja
