// White space around tags follows four rules: "-" at a tag's side strips all of it there; a block
// or comment that stands first on its line takes the blanks before it; the line end right behind a
// block or comment goes with it; "+" switches the last two off. One line end at the very end of the
// template is dropped.

#include <algorithm>

#include "engine/text/jinja/characters.h"
#include "engine/text/jinja/literals.h"
#include "engine/text/jinja/token.h"
#include "engine/text/unicode.h"
#include "kernels/core/error.h"

namespace tandem::jinja {
namespace {

constexpr size_t npos = std::string_view::npos;

std::string WithPlainLineEnds(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  Lexer(std::string_view source, const std::string& name)
      : name_(name), source_(WithPlainLineEnds(source)) {}

  std::vector<Token> Run();

 private:
  using Kind = Token::Kind;

  [[noreturn]] void Fail(const std::string& what) const {
    throw FormatError(name_ + ": line " + std::to_string(line_) + ": " + what);
  }
  std::string_view Rest() const { return std::string_view(source_).substr(at_); }
  void Advance(size_t end);
  size_t SkipSpace(size_t at) const;

  size_t FindTag(size_t from) const;
  void EmitData(std::string_view text, char sign, bool is_variable);
  // Behind the end of a tag that begins at `at` ("%}", "-%}" and so on), or npos.
  size_t EndOfTag(size_t at, std::string_view delimiter, bool takes_line_end) const;
  void Comment();
  bool Raw(size_t tag);
  void Expression(bool is_variable);
  void NextToken();
  void String();
  bool Number();
  bool Name();
  void Operator();

  const std::string& name_;
  const std::string source_;
  std::vector<Token> tokens_;
  std::string open_;  // brackets that are not closed
  size_t at_ = 0;
  int line_ = 1;
  bool line_starts_ = true;  // what was read last ended with a line end
};

void Lexer::Advance(size_t end) {
  line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                       source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
  if (end > at_) line_starts_ = source_[end - 1] == '\n';
  at_ = end;
}

size_t Lexer::SkipSpace(size_t at) const {
  while (at < source_.size()) {
    size_t next = at;
    if (!IsPythonSpace(NextCharacter(source_, &next))) break;
    at = next;
  }
  return at;
}

size_t Lexer::FindTag(size_t from) const {
  for (size_t at = source_.find('{', from); at != npos; at = source_.find('{', at + 1)) {
    if (at + 1 < source_.size() &&
        (source_[at + 1] == '{' || source_[at + 1] == '%' || source_[at + 1] == '#')) {
      return at;
    }
  }
  return npos;
}

void Lexer::EmitData(std::string_view text, char sign, bool is_variable) {
  if (sign == '-') {
    text = Stripped(text, Side::kRight);
  } else if (sign != '+' && !is_variable) {
    const size_t line_end = text.rfind('\n');
    const size_t begin = line_end == npos ? 0 : line_end + 1;
    if ((line_end != npos || line_starts_) && Stripped(text.substr(begin), Side::kLeft).empty()) {
      text = text.substr(0, begin);
    }
  }
  if (text.empty()) return;
  tokens_.push_back({.kind = Kind::kData, .line = line_, .text = std::string(text)});
}

size_t Lexer::EndOfTag(size_t at, std::string_view delimiter, bool takes_line_end) const {
  const std::string_view rest = std::string_view(source_).substr(at);
  if (rest.starts_with('-') && rest.substr(1).starts_with(delimiter)) {
    return SkipSpace(at + 1 + delimiter.size());
  }
  if (takes_line_end && rest.starts_with('+') && rest.substr(1).starts_with(delimiter)) {
    return at + 1 + delimiter.size();
  }
  if (!rest.starts_with(delimiter)) return npos;
  const size_t end = at + delimiter.size();
  return takes_line_end && end < source_.size() && source_[end] == '\n' ? end + 1 : end;
}

void Lexer::Comment() {
  const size_t close = source_.find("#}", at_);
  if (close == npos) Fail("a comment has no end");
  const bool has_sign = close > at_ && (source_[close - 1] == '-' || source_[close - 1] == '+');
  Advance(EndOfTag(has_sign ? close - 1 : close, "#}", true));
}

// `{% raw %}`: everything up to `{% endraw %}` is data. `tag` is where "{%" stands.
bool Lexer::Raw(size_t tag) {
  const auto name_end = [this](size_t at, std::string_view name) {
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
    at = SkipSpace(at);
    return std::string_view(source_).substr(at).starts_with(name) ? SkipSpace(at + name.size())
                                                                  : npos;
  };
  const size_t name = name_end(tag + 2, "raw");
  const size_t begin = name == npos ? npos : EndOfTag(name, "%}", false);
  if (begin == npos) return false;
  Advance(begin);
  if (begin >= source_.size()) return true;  // Jinja2 lets that pass
  for (size_t close = source_.find("{%", begin); close != npos;
       close = source_.find("{%", close + 2)) {
    const size_t end_name = name_end(close + 2, "endraw");
    const size_t end = end_name == npos ? npos : EndOfTag(end_name, "%}", true);
    if (end == npos) continue;
    EmitData(std::string_view(source_).substr(begin, close - begin), source_[close + 2], false);
    Advance(end);
    return true;
  }
  Fail("a raw block has no end");
}

void Lexer::String() {
  const char quote = source_[at_];
  size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) Fail("a string has no end");
  auto text = UnescapedString(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
  if (!text) Fail("a string has an escape that is malformed or not supported");
  tokens_.push_back({.kind = Kind::kString, .line = line_, .text = std::move(*text)});
  Advance(end + 1);
}

bool Lexer::Number() {
  const bool behind_dot = at_ > 0 && source_[at_ - 1] == '.';
  const NumberLiteral literal = ReadNumberLiteral(Rest(), !behind_dot);
  if (literal.length == 0) return false;
  if (literal.too_large) Fail("a number exceeds 64 bits");
  tokens_.push_back({.kind = literal.is_double ? Kind::kDouble : Kind::kInteger,
                     .line = line_,
                     .text = source_.substr(at_, literal.length),
                     .integer = literal.integer,
                     .number = literal.number});
  Advance(at_ + literal.length);
  return true;
}

bool Lexer::Name() {
  size_t end = at_;
  while (end < source_.size()) {
    size_t next = end;
    if (!IsWordCharacter(NextCharacter(source_, &next))) break;
    end = next;
  }
  if (end == at_) return false;
  tokens_.push_back({.kind = Kind::kName, .line = line_, .text = source_.substr(at_, end - at_)});
  Advance(end);
  return true;
}

void Lexer::Operator() {
  static constexpr std::string_view kDouble[] = {"//", "**", "==", "!=", ">=", "<="};
  static constexpr std::string_view kSingle = "+-/*%~[](){}><=.:|,;";
  const std::string_view rest = Rest();
  size_t length = 0;
  for (const std::string_view symbol : kDouble) {
    if (rest.starts_with(symbol)) length = 2;
  }
  if (length == 0 && kSingle.find(rest[0]) != npos) length = 1;
  if (length == 0) {
    size_t next = at_;
    NextCharacter(source_, &next);
    Fail("unexpected character '" + source_.substr(at_, next - at_) + "'");
  }
  const std::string symbol(rest.substr(0, length));
  if (symbol == "{" || symbol == "(" || symbol == "[") {
    open_ += symbol == "{" ? '}' : symbol == "(" ? ')' : ']';
  } else if (symbol == "}" || symbol == ")" || symbol == "]") {
    if (open_.empty()) Fail("unexpected '" + symbol + "'");
    if (open_.back() != symbol[0]) {
      Fail("unexpected '" + symbol + "', expected '" + open_.back() + "'");
    }
    open_.pop_back();
  }
  tokens_.push_back({.kind = Kind::kOperator, .line = line_, .text = symbol});
  Advance(at_ + length);
}

void Lexer::NextToken() {
  if (source_[at_] == '\'' || source_[at_] == '"') {
    String();
  } else if (!Number() && !Name()) {
    Operator();
  }
}

void Lexer::Expression(bool is_variable) {
  tokens_.push_back(
      {.kind = is_variable ? Kind::kVariableBegin : Kind::kBlockBegin, .line = line_});
  open_.clear();
  while (true) {
    Advance(SkipSpace(at_));
    if (at_ >= source_.size()) return;  // the parser misses the end
    // Inside of brackets "}}" closes two of them.
    const size_t end =
        open_.empty() ? EndOfTag(at_, is_variable ? "}}" : "%}", !is_variable) : npos;
    if (end != npos) {
      tokens_.push_back(
          {.kind = is_variable ? Kind::kVariableEnd : Kind::kBlockEnd, .line = line_});
      Advance(end);
      return;
    }
    NextToken();
  }
}

std::vector<Token> Lexer::Run() {
  while (at_ < source_.size()) {
    const size_t tag = FindTag(at_);
    if (tag == npos) {
      tokens_.push_back({.kind = Kind::kData, .line = line_, .text = source_.substr(at_)});
      Advance(source_.size());
      break;
    }
    const char type = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    EmitData(std::string_view(source_).substr(at_, tag - at_), sign, type == '{');
    Advance(tag);
    if (type == '%' && Raw(tag)) continue;
    Advance(tag + (sign == '-' || sign == '+' ? 3 : 2));
    if (type == '#') {
      Comment();
    } else {
      Expression(type == '{');
    }
  }
  tokens_.push_back({.kind = Kind::kEnd, .line = line_});
  return std::move(tokens_);
}

}  // namespace

std::string Token::Description() const {
  switch (kind) {
    case Kind::kData:
      return "text";
    case Kind::kVariableBegin:
      return "'{{'";
    case Kind::kVariableEnd:
      return "'}}'";
    case Kind::kBlockBegin:
      return "'{%'";
    case Kind::kBlockEnd:
      return "'%}'";
    case Kind::kString:
      return "a string";
    case Kind::kEnd:
      return "the end of the template";
    case Kind::kName:
    case Kind::kInteger:
    case Kind::kDouble:
    case Kind::kOperator:
      return "'" + text + "'";
  }
  return "";
}

std::vector<Token> Tokenize(std::string_view source, const std::string& name) {
  return Lexer(source, name).Run();
}

}  // namespace tandem::jinja
