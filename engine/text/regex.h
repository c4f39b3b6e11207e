#pragma once
// A Unicode regular expression over valid UTF-8, compiled once. Patterns come from tokenizer.json,
// whose reference engine is Oniguruma with Ruby syntax: what PCRE2 would read in another way is
// translated, or refused. Known patterns need no engine (known_pattern.h). Immutable; any thread
// may search.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/known_pattern.h"

namespace tandem {

class Regex {
 public:
  struct Match {
    size_t begin;
    size_t end;
  };

  // Throws FormatError when the pattern is not understood.
  explicit Regex(std::string_view pattern);
  // Matches the text itself, whatever characters it has.
  static Regex Literal(std::string_view text);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // All matches from left to right that do not overlap; replaces what `matches` held.
  void FindAll(std::string_view text, std::vector<Match>* matches) const;

 private:
  struct Compiled;
  std::optional<KnownPattern> known_;
  std::unique_ptr<const Compiled> compiled_;  // null where known_
};

}  // namespace tandem
