#pragma once
// Cuts text into the words inside of which a BPE model merges. A chain of steps, as tokenizer.json
// lists them. Immutable; any thread.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/text/regex.h"

namespace tandem {

enum class SplitBehavior : uint8_t {
  kRemoved,             // what matches disappears
  kIsolated,            // each match is a word of its own
  kMergedWithPrevious,  // a match ends the word before it
  kMergedWithNext,      // a match begins the word after it
  kContiguous,          // neighbouring matches are one word
};

struct SplitStep {
  Regex pattern;
  SplitBehavior behavior;
  bool invert = false;  // what does not match counts as the match
};

// Puts a space before text that does not begin with one.
struct PrefixSpaceStep {};

// SentencePiece's convention: a space is written as `replacement`, and one stands before a word.
struct MetaspaceStep {
  enum class Prepend : uint8_t { kNever, kFirst, kAlways };
  std::string replacement;
  Prepend prepend;
  bool split;  // words begin at each `replacement`
};

// Words of one text. The views point into that text or into `owned`.
struct Words {
  std::vector<std::string_view> views;
  std::deque<std::string> owned;
};

class PreTokenizer {
 public:
  using Step = std::variant<SplitStep, PrefixSpaceStep, MetaspaceStep>;

  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  // `text` is valid UTF-8, not empty, and lives as long as `words` is used. `at_start`: nothing
  // came before it in what the caller encodes. Replaces what `words` held; no word is empty.
  void Split(std::string_view text, bool at_start, Words* words) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace tandem
