#pragma once
// The pieces of a template's source. Values; the lexer makes them, the parser reads them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::jinja {

struct Token {
  enum class Kind : uint8_t {
    kData,  // text to print as it is
    kVariableBegin,
    kVariableEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,  // its value, without quotes and escapes
    kInteger,
    kDouble,
    kOperator,
    kEnd,  // of the template; always the last
  };
  Kind kind = Kind::kEnd;
  int line = 1;
  std::string text = {};
  int64_t integer = 0;
  double number = 0.0;

  bool IsOperator(std::string_view symbol) const {
    return kind == Kind::kOperator && text == symbol;
  }
  bool IsName(std::string_view name) const { return kind == Kind::kName && text == name; }
  std::string Description() const;  // for messages
};

// The source as tokens, with white space around tags treated as transformers asks of Jinja2
// (trim_blocks and lstrip_blocks). Throws FormatError "<name>: line 3: ..." when it is malformed.
std::vector<Token> Tokenize(std::string_view source, const std::string& name);

}  // namespace tandem::jinja
