#include "engine/text/known_pattern.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <vector>

#include "engine/text/unicode.h"
#include "engine/text/unicode_ranges.h"

namespace tandem {
namespace {

enum class Class : uint8_t { kOther, kLetter, kNumber, kSpace, kNewline };  // a newline is \r or \n

// The class of every character, in pages of 256; equal pages are stored once.
class ClassTable {
 public:
  ClassTable() {
    std::vector<Class> all(kNumCharacters, Class::kOther);
    for (char32_t c = 0; c < 0x3001; ++c) {
      if (IsWhitespace(c)) all[c] = Class::kSpace;
    }
    all['\r'] = all['\n'] = Class::kNewline;
    Fill(kLetterRanges, Class::kLetter, &all);
    Fill(kNumberRanges, Class::kNumber, &all);
    std::map<Page, uint16_t> places;
    for (size_t page = 0; page < page_of_.size(); ++page) {
      Page content;
      std::copy_n(all.begin() + static_cast<ptrdiff_t>(page * kPageSize), kPageSize,
                  content.begin());
      const auto [it, is_new] = places.emplace(content, static_cast<uint16_t>(pages_.size()));
      if (is_new) pages_.push_back(content);
      page_of_[page] = it->second;
    }
  }

  Class Of(char32_t c) const { return pages_[page_of_[c / kPageSize]][c % kPageSize]; }

 private:
  static constexpr size_t kPageSize = 256;
  static constexpr size_t kNumCharacters = 0x110000;
  using Page = std::array<Class, kPageSize>;

  static void Fill(std::span<const CharacterRange> ranges, Class value, std::vector<Class>* all) {
    for (const CharacterRange& range : ranges) {
      for (uint32_t c = range.first; c <= range.last; ++c) (*all)[c] = value;
    }
  }

  std::array<uint16_t, kNumCharacters / kPageSize> page_of_;
  std::vector<Page> pages_;
};

const ClassTable& TheClassTable() {
  static const ClassTable table;
  return table;
}

struct Character {
  Class of;
  size_t end;
};

class Matcher {
 public:
  Matcher(KnownPattern pattern, std::string_view text) : pattern_(pattern), text_(text) {}

  size_t EndFrom(size_t begin) const {
    const Character first = At(begin);
    if (const size_t end = EndOfContraction(begin); end > 0) return end;
    if (first.of == Class::kLetter) return EndOfRun(Class::kLetter, first.end);
    if (first.of == Class::kNumber) return EndOfNumber(first.end);
    // What may stand before a word and be part of it.
    const bool is_blank = text_[begin] == ' ';
    if (first.end < text_.size() && first.of != Class::kNewline) {
      const Character second = At(first.end);
      if (second.of == Class::kLetter && (is_blank || pattern_ != KnownPattern::kGpt2)) {
        return EndOfRun(Class::kLetter, second.end);
      }
      if (is_blank && second.of == Class::kNumber && pattern_ == KnownPattern::kGpt2) {
        return EndOfNumber(second.end);
      }
      if (is_blank && second.of == Class::kOther) return EndOfSigns(second.end);
    }
    return first.of == Class::kOther ? EndOfSigns(first.end) : EndOfSpace(begin);
  }

 private:
  Character At(size_t position) const {
    const auto byte = static_cast<uint8_t>(text_[position]);
    if (byte < 0x80) return {classes_.Of(byte), position + 1};
    const char32_t c = NextCharacter(text_, &position);
    return {classes_.Of(c), position};
  }

  size_t EndOfRun(Class of, size_t end) const {
    while (end < text_.size()) {
      const Character next = At(end);
      if (next.of != of) break;
      end = next.end;
    }
    return end;
  }

  // 's|'t|'re|'ve|'m|'ll|'d; 0: none. Where case does not count, 's is also '\u017F.
  size_t EndOfContraction(size_t begin) const {
    if (text_[begin] != '\'') return 0;
    const bool folds = pattern_ != KnownPattern::kGpt2;
    auto letter = [&](size_t at) -> char {
      if (at >= text_.size()) return '\0';
      const char c = text_[at];
      return folds && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    switch (letter(begin + 1)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return begin + 2;
      case 'r':
      case 'v':
        return letter(begin + 2) == 'e' ? begin + 3 : 0;
      case 'l':
        return letter(begin + 2) == 'l' ? begin + 3 : 0;
      default:
        return folds && text_.substr(begin + 1).starts_with("\u017F") ? begin + 3 : 0;
    }
  }

  // `end`: behind the first number.
  size_t EndOfNumber(size_t end) const {
    switch (pattern_) {
      case KnownPattern::kGpt2:
        return EndOfRun(Class::kNumber, end);
      case KnownPattern::kQwen:
        return end;
      case KnownPattern::kLlama3:
        break;
    }
    for (int more = 0; more < 2 && end < text_.size(); ++more) {
      const Character next = At(end);
      if (next.of != Class::kNumber) break;
      end = next.end;
    }
    return end;
  }

  // `end`: behind the first sign.
  size_t EndOfSigns(size_t end) const {
    end = EndOfRun(Class::kOther, end);
    return pattern_ == KnownPattern::kGpt2 ? end : EndOfRun(Class::kNewline, end);
  }

  // \s*[\r\n]+|\s+(?!\S)|\s+ without the first of them for GPT-2: up to the last newline, else all
  // but the last space where something follows, else all.
  size_t EndOfSpace(size_t begin) const {
    size_t end = begin;
    size_t last = begin;            // where the last space begins
    size_t behind_newline = begin;  // the end of the last newline
    while (end < text_.size()) {
      const Character next = At(end);
      if (next.of != Class::kSpace && next.of != Class::kNewline) break;
      last = end;
      end = next.end;
      if (next.of == Class::kNewline) behind_newline = end;
    }
    if (pattern_ != KnownPattern::kGpt2 && behind_newline > begin) return behind_newline;
    return end < text_.size() && last > begin ? last : end;
  }

  KnownPattern pattern_;
  std::string_view text_;
  const ClassTable& classes_ = TheClassTable();
};

}  // namespace

std::optional<KnownPattern> FindKnownPattern(std::string_view pattern) {
  if (pattern == kGpt2Pattern) return KnownPattern::kGpt2;
  if (pattern == kLlama3Pattern) return KnownPattern::kLlama3;
  if (pattern == kQwenPattern) return KnownPattern::kQwen;
  return std::nullopt;
}

size_t EndOfMatch(KnownPattern pattern, std::string_view text, size_t begin) {
  return Matcher(pattern, text).EndFrom(begin);
}

}  // namespace tandem
