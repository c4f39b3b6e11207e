#include "engine/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cctype>
#include <string>

#include "kernels/core/check.h"
#include "kernels/core/error.h"

namespace tandem {
namespace {

// White_Space, and Oniguruma's word characters; PCRE2's own classes differ in a few characters.
constexpr std::string_view kSpaceSet = R"(\p{Z}\t-\r\x{85})";
constexpr std::string_view kWordSet =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}\x{24B6}-\x{24E9})"
    R"(\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189})";

std::string DescribeError(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

// Reads a pattern in Ruby syntax and writes it in PCRE2's.
class RubyPattern {
 public:
  explicit RubyPattern(std::string_view pattern) : pattern_(pattern) {}

  std::string Translate() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        Escape();
      } else if (in_class_) {
        ClassCharacter(c);
      } else if (c == '[') {
        OpenClass();
      } else {
        if (c == '(') CheckGroupFlags();
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void Refuse(const std::string& what) const {
    throw FormatError("regular expression '" + std::string(pattern_) + "': " + what +
                      " is not supported");
  }

  void Escape() {
    if (at_ + 1 == pattern_.size()) Refuse("a backslash at the end");
    const char c = pattern_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 's':
      case 'w':
        out_ += Set(c == 's' ? kSpaceSet : kWordSet, "[");
        return;
      case 'S':
      case 'W':
        if (in_class_) Refuse(std::string("\\") + c + " inside of brackets");
        out_ += Set(c == 'S' ? kSpaceSet : kWordSet, "[^");
        return;
      case 'u':
        if (at_ + 4 > pattern_.size()) Refuse("\\u without four hexadecimal digits");
        out_ += "\\x{" + std::string(pattern_.substr(at_, 4)) + "}";
        at_ += 4;
        return;
      case 'h':
      case 'H':
      case 'R':
      case 'X':
      case 'K':
      case 'M':
      case 'C':
      case 'c':
      case 'Q':
      case 'E':
        Refuse(std::string("\\") + c);
      default:
        out_ += '\\';
        out_ += c;
    }
  }

  std::string Set(std::string_view set, std::string_view open) const {
    if (in_class_) return std::string(set);
    return std::string(open) + std::string(set) + "]";
  }

  void OpenClass() {
    in_class_ = true;
    out_ += '[';
    ++at_;
    if (Take('^')) out_ += '^';
    if (Take(']')) out_ += "\\]";
  }

  void ClassCharacter(char c) {
    if (c == '[') Refuse("a bracket inside of brackets");
    if (c == '&' && pattern_.substr(at_).starts_with("&&")) Refuse("&& inside of brackets");
    if (c == ']') in_class_ = false;
    out_ += c;
    ++at_;
  }

  // (?m) of Ruby is (?s) of PCRE2; only flags that mean the same are let through.
  void CheckGroupFlags() const {
    std::string_view rest = pattern_.substr(at_ + 1);
    if (!rest.starts_with('?')) return;
    rest.remove_prefix(1);
    size_t n = 0;
    while (n < rest.size() &&
           (std::isalpha(static_cast<unsigned char>(rest[n])) || rest[n] == '-')) {
      ++n;
    }
    if (n == 0 || n == rest.size() || (rest[n] != ':' && rest[n] != ')')) return;
    const std::string_view flags = rest.substr(0, n);
    if (flags.find_first_not_of("ix-") != flags.npos) Refuse("(?" + std::string(flags) + ")");
  }

  bool Take(char c) {
    if (at_ == pattern_.size() || pattern_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view pattern_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

size_t NextBoundary(std::string_view text, size_t position) {
  do {
    ++position;
  } while (position < text.size() && (static_cast<uint8_t>(text[position]) & 0xC0) == 0x80);
  return position;
}

}  // namespace

struct Regex::Compiled {
  explicit Compiled(std::string_view pattern) {
    const std::string translated = RubyPattern(pattern).Translate();
    int error = 0;
    PCRE2_SIZE offset = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                         &offset, nullptr);
    if (code == nullptr) {
      throw FormatError("regular expression '" + std::string(pattern) +
                        "': " + DescribeError(error) + " at byte " + std::to_string(offset) +
                        " of '" + translated + "'");
    }
    has_jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() { pcre2_code_free(code); }

  // The number of captures, 0 included, or PCRE2_ERROR_NOMATCH.
  int Search(std::string_view text, size_t from, pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    if (has_jit) {
      // The text is known to be valid, which the JIT matcher takes for granted.
      const int rc =
          pcre2_jit_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, nullptr);
      if (rc != PCRE2_ERROR_JIT_STACKLIMIT) return rc;
    }
    // The interpreter keeps its backtracking points on the heap, so long runs fit.
    return pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                       nullptr);
  }

  pcre2_code* code = nullptr;
  bool has_jit = false;
};

Regex::Regex(std::string_view pattern)
    : known_(FindKnownPattern(pattern)),
      compiled_(known_ ? nullptr : std::make_unique<Compiled>(pattern)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Regex Regex::Literal(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (static_cast<uint8_t>(c) < 0x80 && !std::isalnum(static_cast<unsigned char>(c))) {
      pattern += '\\';
    }
    pattern += c;
  }
  return Regex(pattern);
}

void Regex::FindAll(std::string_view text, std::vector<Match>* matches) const {
  matches->clear();
  if (known_) {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = EndOfMatch(*known_, text, begin);
      matches->push_back({begin, end});
      begin = end;
    }
    return;
  }
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  CHECK(data != nullptr);
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
  size_t from = 0;
  while (from <= text.size()) {
    const int rc = compiled_->Search(text, from, data.get());
    if (rc == PCRE2_ERROR_NOMATCH) return;
    if (rc < 0)
      throw FormatError("a regular expression of the tokenizer gave up: " + DescribeError(rc));
    const Match match{bounds[0], bounds[1]};
    const bool is_empty = match.begin == match.end;
    const bool touches_last = !matches->empty() && matches->back().end == match.begin;
    if (!is_empty || !touches_last) matches->push_back(match);
    from = is_empty ? NextBoundary(text, match.end) : match.end;
  }
}

}  // namespace tandem
