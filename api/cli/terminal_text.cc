#include "api/cli/terminal_text.h"

namespace tandem {

std::string TerminalText(std::string_view text) {
  static constexpr char kReplacement[] = "\xef\xbf\xbd";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool is_c0 = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
    // U+0080 to U+009F are controls too.
    const bool is_c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (is_c0 || is_c1) {
      out.append(kReplacement);
      if (is_c1) ++i;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace tandem
