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

// The patterns of the families whose vocabulary comes without a tokenizer.json.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

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
