#pragma once
// What happens to text before it is cut into words: a chain of steps, as tokenizer.json lists them.
// Immutable; any thread.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace tandem {

struct PrependStep {
  std::string prefix;  // put in front of any text that is not empty
};

struct ReplaceStep {
  Regex pattern;
  std::string replacement;
};

struct LowercaseStep {};  // character by character: without final sigma

struct StripStep {
  bool left;
  bool right;
};

struct StripMarksStep {};  // after NFD: without accents

class Normalizer {
 public:
  using Step =
      std::variant<NormalForm, PrependStep, ReplaceStep, LowercaseStep, StripStep, StripMarksStep>;

  Normalizer() = default;
  explicit Normalizer(std::vector<Step> steps) : steps_(std::move(steps)) {}

  bool empty() const { return steps_.empty(); }
  // The text is valid UTF-8. FormatError when the steps make it 64 times as long: steps that each
  // double it would fill the memory.
  std::string Apply(std::string_view text) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace tandem
