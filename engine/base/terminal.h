#pragma once
// What a program may assume about the terminal it writes to. Pure queries of a file descriptor.

#include <string>
#include <string_view>

namespace tandem {

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow, kBlue, kCyan };

bool IsTerminal(int file_descriptor);
// Columns of the terminal, or `otherwise` when it is none or does not tell.
int TerminalColumns(int file_descriptor, int otherwise);

// Writes styles as escape sequences when enabled, as nothing when not. Programs enable it for
// terminals only, so that pipes and files stay plain.
class Styler {
 public:
  enum class Colour { kOff, kOn };
  explicit Styler(Colour colour) : colour_(colour) {}
  std::string operator()(Style style, std::string_view text) const;

 private:
  Colour colour_;
};

// Words of `text` broken into lines of at most `columns` characters, each continued line indented.
// A word longer than a line stands alone. Counts bytes: for our own ASCII help texts.
std::string Wrap(std::string_view text, int columns, int indent);

}  // namespace tandem
