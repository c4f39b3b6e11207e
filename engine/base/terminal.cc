#include "engine/base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace tandem {
namespace {

std::string_view EscapeOf(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kYellow:
      return "\x1b[33m";
    case Style::kBlue:
      return "\x1b[34m";
    case Style::kCyan:
      return "\x1b[36m";
  }
  return "";
}

}  // namespace

bool IsTerminal(int file_descriptor) { return isatty(file_descriptor) == 1; }

int TerminalColumns(int file_descriptor, int otherwise) {
  winsize size{};
  if (ioctl(file_descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return otherwise;
  return size.ws_col;
}

std::string Styler::operator()(Style style, std::string_view text) const {
  if (colour_ == Colour::kOff || style == Style::kPlain) return std::string(text);
  return std::string(EscapeOf(style)) + std::string(text) + "\x1b[0m";
}

std::string Wrap(std::string_view text, int columns, int indent) {
  std::string out;
  size_t line_length = 0;
  while (!text.empty()) {
    const size_t word_end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, word_end);
    text.remove_prefix(std::min(word_end + 1, text.size()));
    if (word.empty()) continue;
    if (line_length > 0 && line_length + 1 + word.size() > static_cast<size_t>(columns)) {
      out += '\n';
      out.append(static_cast<size_t>(indent), ' ');
      line_length = 0;
    } else if (line_length > 0) {
      out += ' ';
      ++line_length;
    }
    out += word;
    line_length += word.size();
  }
  return out;
}

}  // namespace tandem
